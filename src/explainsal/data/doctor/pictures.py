"""Decode every picture and map once to check for duplicates, blank pictures and mismatched densities."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import read_density, read_image
from explainsal.data.doctor.finding import Finding, finding
from explainsal.errors import UserError

ORIENTATION = 0x0112  # EXIF tag
BLANK = 2.0  # standard deviation in gray levels
ENOUGH_IMAGES, SURE = 4, 3.0  # minimum images and standard errors for calling fixations upside down
POOR, USUAL = 0.3, 1.0  # NSS of a density at its own fixations: upper limit for a wrong one, lower limit for the median


@dataclass
class Pictures:
    """Results for the pictures of one split.

    Args:
        digests: Hash of the decoded pixels of each image; "" if it cannot be decoded.
        nss: NSS of each density at its own fixations; NaN if unknown.
        mirrored: Per image, the local contrast of the picture at the vertically flipped fixations minus that at the
            fixations, in standard deviations; NaN if unknown.
        found: Findings about single pictures.
    """

    split: str
    ids: tuple[str, ...]
    digests: list[str] = field(default_factory=list)
    nss: list[float] = field(default_factory=list)
    mirrored: list[float] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)


def look_at(dataset: SaliencyDataset) -> Pictures:
    """Decode all pictures and densities of a split once, and check them."""
    pictures = Pictures(dataset.split, dataset.ids)
    points = dataset.all_fixations()[0] if dataset.has_fixations else None
    odd: dict[str, list[str]] = defaultdict(list)
    for i in track(range(len(dataset)), f"looking at {dataset.split}", transient=True):
        _look_at_image(dataset, i, pictures, odd, points[i] if points is not None else None)
        density = _density(dataset, i, odd)
        pictures.nss.append(_fit(density, points[i]) if density is not None and points is not None else np.nan)
    texts = {
        "unreadable": "{n} pictures cannot be decoded: unpack or copy them again",
        "blank image": "{n} images have only one color",
        "rotated": "{n} images have a rotation tag, which is ignored here but not by other programs",
        "constant density": "{n} densities are constant",
        "density size": "{n} densities differ in size from their image",
    }
    for kind, text in texts.items():
        pictures.found += finding(kind, dataset.split, text, odd[kind])  # type: ignore[arg-type]
    pictures.found += _mismatches(pictures)
    pictures.found += _mirrored(pictures)
    return pictures


def check_copies(splits: Sequence[Pictures]) -> list[Finding]:
    """Find images that occur twice in one split or, worse, in two."""
    found = []
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for pictures in splits:
        for name, digest in zip(pictures.ids, pictures.digests, strict=True):
            places[digest].append((pictures.split, name))
    places.pop("", None)  # undecodable pictures
    copies = [group for group in places.values() if len(group) > 1]
    for pictures in splits:
        groups = [[name for split, name in group if split == pictures.split] for group in copies]
        own = sorted(name for group in groups if len(group) > 1 for name in group)
        found += finding("duplicate image", pictures.split, "{n} images occur more than once", own)
    shared = {f"{s}/{name}" for group in copies if len({s for s, _ in group}) > 1 for s, name in group}
    text = "{n} images are in two splits, so the model is tested on training images"
    return found + finding("leakage", "", text, sorted(shared))


def _look_at_image(
    dataset: SaliencyDataset, index: int, pictures: Pictures, odd: dict[str, list[str]], points: np.ndarray | None
) -> None:
    name = dataset.ids[index]
    try:
        image = read_image(dataset.files[index])
    except UserError:
        odd["unreadable"].append(name)
        pictures.digests.append("")
        return
    if points is not None and len(points):
        contrast = _contrast(image)
        upside_down = np.column_stack([points[:, 0], len(contrast) - points[:, 1]])
        pictures.mirrored.append(_fit(contrast, upside_down) - _fit(contrast, points))
    if float(image.std()) < BLANK:
        odd["blank image"].append(name)
    if _orientation(dataset.files[index]) not in (0, 1):
        odd["rotated"].append(name)
    pictures.digests.append(hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).hexdigest())


def quarter_turned(dataset: SaliencyDataset) -> list[str]:
    """Return ids of the pictures whose EXIF tag requests a quarter turn, which other programs apply."""
    return [name for name, file in zip(dataset.ids, dataset.files, strict=True) if _orientation(file) in (5, 6, 7, 8)]


def _orientation(file: str) -> int:
    try:
        with Image.open(file) as image:
            return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 1  # a damaged file is a separate finding


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
    """Compute the normalized scanpath saliency of a density at the fixations inside it."""
    height, width = density.shape
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    if not inside.any():
        return np.nan
    columns, rows = np.floor(points[inside]).astype(np.int64).T
    return float((density[rows, columns].mean() - density.mean()) / density.std())


def _contrast(image: np.ndarray) -> np.ndarray:
    """Compute local contrast: the standard deviation of luminance, over a twentieth of the height."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    sigma = max(1.0, len(gray) / 20)
    mean = cv2.GaussianBlur(gray, (0, 0), sigma)
    contrast: np.ndarray = np.sqrt(np.maximum(cv2.GaussianBlur(gray * gray, (0, 0), sigma) - mean * mean, 0))
    return contrast + 1e-6 * np.arange(contrast.size, dtype=np.float32).reshape(contrast.shape)  # avoids constant maps


def _mirrored(pictures: Pictures) -> list[Finding]:
    """Report fixations that fit the pictures of a split better upside down."""
    gains = np.array([gain for gain in pictures.mirrored if not np.isnan(gain)])
    if len(gains) < ENOUGH_IMAGES or gains.mean() <= 0:
        return []
    if gains.mean() / (gains.std(ddof=1) / np.sqrt(len(gains)) + 1e-12) < SURE:
        return []
    text = (
        "the fixations fit the pictures better upside down: y may be counted from the bottom; "
        "if so, use the height minus y"
    )
    return [Finding("mirrored", pictures.split, text)]


def _mismatches(pictures: Pictures) -> list[Finding]:
    nss = np.array(pictures.nss)
    if np.isnan(nss).all():
        return []
    median = float(np.nanmedian(nss))
    if median < USUAL:
        text = f"the densities do not fit the fixations (median NSS {median:.2f}): check images, release and axes"
        return [Finding("density mismatch", pictures.split, text)]
    poor = [pictures.ids[i] for i in np.flatnonzero(nss < POOR)]
    text = f"{{n}} densities do not fit the fixations of their image (NSS below {POOR}, median {median:.2f})"
    return finding("density mismatch", pictures.split, text, poor)
