"""Checks that decode every picture and map once: duplicates, blank pictures, densities that do not belong."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import read_density, read_image
from explainsal.data.doctor.finding import Finding, finding
from explainsal.errors import UserError

ORIENTATION = 0x0112  # EXIF tag
BLANK = 2.0  # standard deviation in grey levels
POOR, USUAL = 0.3, 1.0  # NSS of a density at its own fixations: of a wrong one; of the median image of a sound set


@dataclass
class Pictures:
    """What was seen of the pictures of one split.

    Args:
        split: Its name.
        ids: One per image.
        digests: Hash of the decoded pixels of each image, "" where it cannot be decoded.
        nss: Mean of each density, standardised, at its own fixations; NaN where there is none.
        found: What is wrong with single pictures.
    """

    split: str
    ids: tuple[str, ...]
    digests: list[str] = field(default_factory=list)
    nss: list[float] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)


def look_at(dataset: SaliencyDataset) -> Pictures:
    """Decode everything once."""
    seen = Pictures(dataset.split, dataset.ids)
    points = dataset.all_fixations()[0] if dataset.has_fixations else None
    odd: dict[str, list[str]] = defaultdict(list)
    for i in track(range(len(dataset)), f"looking at {dataset.split}", transient=True):
        _look_at_image(dataset, i, seen, odd)
        density = _density(dataset, i, odd)
        seen.nss.append(_fit(density, points[i]) if density is not None and points is not None else np.nan)
    texts = {
        "unreadable": "{n} pictures cannot be decoded: unpack or copy them again",
        "blank image": "{n} images are of one colour",
        "rotated": "{n} images carry a rotation tag; it is ignored here, but other programs rotate them",
        "constant density": "{n} densities are the same everywhere",
        "density size": "{n} densities are of another size than their image",
    }
    for kind, text in texts.items():
        seen.found += finding(kind, dataset.split, text, odd[kind])  # type: ignore[arg-type]
    seen.found += _mismatches(seen)
    return seen


def check_copies(splits: Sequence[Pictures]) -> list[Finding]:
    """Images that occur twice: in one split, or, worse, in two."""
    found = []
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for seen in splits:
        for name, digest in zip(seen.ids, seen.digests, strict=True):
            places[digest].append((seen.split, name))
    places.pop("", None)  # could not be decoded
    copies = [group for group in places.values() if len(group) > 1]
    for seen in splits:
        groups = [[name for split, name in group if split == seen.split] for group in copies]
        own = sorted(name for group in groups if len(group) > 1 for name in group)
        found += finding("duplicate image", seen.split, "{n} images occur more than once", own)
    shared = {f"{s}/{name}" for group in copies if len({s for s, _ in group}) > 1 for s, name in group}
    text = "{n} images lie in two splits: what is trained on is tested on"
    return found + finding("leakage", "", text, sorted(shared))


def _look_at_image(dataset: SaliencyDataset, index: int, seen: Pictures, odd: dict[str, list[str]]) -> None:
    name = dataset.ids[index]
    try:
        image = read_image(dataset.files[index])
    except UserError:
        odd["unreadable"].append(name)
        seen.digests.append("")
        return
    if float(image.std()) < BLANK:
        odd["blank image"].append(name)
    if _is_rotated(dataset.files[index]):
        odd["rotated"].append(name)
    seen.digests.append(hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).hexdigest())


def _is_rotated(file: str) -> bool:
    with Image.open(file) as image:
        return image.getexif().get(ORIENTATION, 1) not in (0, 1)


def _density(dataset: SaliencyDataset, index: int, odd: dict[str, list[str]]) -> np.ndarray | None:
    if not dataset.map_files:
        return None
    name = dataset.ids[index]
    try:
        density = read_density(dataset.map_files[index])
    except UserError:
        odd["unreadable"].append(f"density of {name}")
        return None
    if density.min() == density.max():
        odd["constant density"].append(name)
        return None
    if density.shape != dataset.sizes[index]:
        odd["density size"].append(name)
        return None
    return density


def _fit(density: np.ndarray, points: np.ndarray) -> float:
    """Normalised scanpath saliency of a density at the fixations inside it."""
    height, width = density.shape
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    if not inside.any():
        return np.nan
    columns, rows = np.floor(points[inside]).astype(np.int64).T
    return float((density[rows, columns].mean() - density.mean()) / density.std())


def _mismatches(seen: Pictures) -> list[Finding]:
    nss = np.array(seen.nss)
    if np.isnan(nss).all():
        return []
    median = float(np.nanmedian(nss))
    if median < USUAL:
        text = f"the densities do not fit the fixations (median NSS {median:.2f}): other images', release or axes?"
        return [Finding("density mismatch", seen.split, text)]
    poor = [seen.ids[i] for i in np.flatnonzero(nss < POOR)]
    text = f"{{n}} densities do not fit the fixations of their image (NSS below {POOR}, median {median:.2f})"
    return finding("density mismatch", seen.split, text, poor)
