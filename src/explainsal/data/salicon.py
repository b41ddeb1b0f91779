"""SALICON: 20,000 COCO images of 640 x 480, mouse-contingent fixations (.mat) and fixation densities (.png).

Layouts as unpacked in the wild (maps and fixations in one folder or apart, images in one flat folder, folders
called ``stimuli`` and ``saliency``) are all found; files are matched by stem, never by position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.io
from rich.progress import track

from explainsal.data.cache import cached_table
from explainsal.data.dataset import SaliencyDataset, read_sizes
from explainsal.data.decoding import read_gray
from explainsal.data.fixation_table import FixationTable, Outside
from explainsal.data.sources import SALICON, Source
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

SPLITS = ("train", "val", "test")
COCO_NAME = re.compile(r"COCO_(train|val|test)2014_\d{12}")
FOLDERS = {
    "images": ("images", "stimuli", "image"),
    "maps": ("maps", "saliency", "", "fixations"),  # "" and "fixations": unpacked together with the fixations
    "fixations": ("fixations", "", "maps", "saliency"),
}
SUFFIXES = {"images": (".jpg", ".jpeg", ".png"), "maps": (".png",), "fixations": (".mat",)}


def read_salicon(
    root: str | Path, split: str, *, release: str, outside: Outside = "drop", cache: Path | None = None
) -> SaliencyDataset:
    """SALICON as a data set of samples.

    The .mat files hold 1-based whole pixels; a fixation lies in the middle of its pixel, so x - 1 + 0.5.
    The test split has neither fixations nor densities: its samples carry images alone.

    Args:
        root: Folder of the data set.
        split: ``train``, ``val`` or ``test``.
        release: ``2017`` or ``2015``: the same images, but fixations and densities that are not comparable; the
            files do not say which they are, so it has to be stated.
        outside: What becomes of fixations outside their image: ``drop`` or ``error``.
        cache: Folder for the parsed fixations; by default beside the data.

    Raises:
        MissingFilesError: If the folder, or a map or .mat file of an image, is missing.
        CorruptFileError: If a file cannot be read.
        UserError: If the fixations are those of the other release.
        ValueError: If `split` or `release` is neither of the above.
    """
    if release not in SALICON:
        raise ValueError(f"release must be one of {tuple(SALICON)}, got {release!r}")
    dataset = read_layout(
        Path(root),
        split,
        name="salicon",
        release=release,
        annotated=split != "test",
        outside=outside,
        cache=cache,
        source=SALICON[release],
    )
    _refuse_other_release(dataset, release)
    return dataset


def read_layout(
    root: Path,
    split: str,
    *,
    name: str,
    release: str,
    annotated: bool,
    outside: Outside,
    cache: Path | None,
    source: Source = SALICON["2017"],
) -> SaliencyDataset:
    """Any data set in SALICON's layout; `annotated` says whether the split must have maps and fixations."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    images = _find("images", root, split, source)
    stems = sorted(images)
    pictures = [images[stem] for stem in stems]
    maps, mats = [_partners(kind, images, root, split, source) if annotated else [] for kind in ("maps", "fixations")]
    table = cached_table(
        f"{name}-{release}-{split}",
        root,
        [*pictures, *mats],
        lambda: _parse(f"{name} {split}", stems, pictures, mats),
        folder=cache,
    )
    return SaliencyDataset(
        name=name,
        split=split,
        release=release,
        ids=stems,
        images=pictures,
        sizes=table.sizes,
        fixations=table.inside(outside, f"{name} {split}") if annotated else None,
        maps=maps if annotated else None,
    )


def read_gaze(path: str | Path) -> list[np.ndarray]:
    """The fixations in one .mat file of SALICON, one ``(K, 2)`` float32 array of (x, y) in pixels per observer.

    Returns:
        An empty list for a file of the test split, which has no gaze. An observer without fixations has K = 0.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it is not a .mat file or not one of SALICON's.
    """
    try:
        content = scipy.io.loadmat(path, variable_names=["gaze"])
        if "gaze" not in content:
            return []
        observers = content["gaze"]["fixations"].flatten()
        # unsigned integers: convert before subtracting
        return [np.asarray(points).astype(np.float32).reshape(-1, 2) - np.float32(0.5) for points in observers]
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such file: {path}") from error
    except Exception as error:  # scipy raises a dozen kinds for damaged files, zlib.error and TypeError among them
        raise CorruptFileError(
            f"cannot read the fixations in {path}: {error}. Unpack fixations.zip again; "
            "this file is damaged or not one of SALICON's."
        ) from error


def _find(kind: str, root: Path, split: str, source: Source) -> dict[str, Path]:
    """Stem -> file, from the first folder that holds any."""
    looked = []
    for folder in _candidates(root, FOLDERS[kind], split):
        looked.append(folder)
        files = _list(folder, SUFFIXES[kind], None if folder.name == split else split)
        if files and not (kind == "maps" and _is_fixation_map(next(iter(files.values())))):
            return files
    what = {"images": "images", "maps": "fixation maps (.png)", "fixations": "fixations (.mat)"}[kind]
    folders = [folder for folder in looked if folder.name == split and folder.parent.name != folder.parent.parent.name]
    raise source.missing(f"{what} of the {split} split", folders if root.is_dir() else [root])


def _candidates(root: Path, names: Sequence[str], split: str) -> Iterator[Path]:
    """``<name>/<split>``, ``<name>/<name>/<split>`` and the flat ``<name>``, for every name the folder may have."""
    for name in names:
        for base in (root / name, root / name / name) if name else (root,):
            yield base / split
    for name in names:
        for base in (root / name, root / name / name) if name else (root,):
            yield base


def _list(folder: Path, suffixes: tuple[str, ...], split: str | None) -> dict[str, Path]:
    """Files by stem; in a folder that mixes the splits (`split` given) the published name tells them apart."""
    if not folder.is_dir():
        return {}
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        match = COCO_NAME.fullmatch(path.stem)
        if split is None or (match and match[1] == split):
            files[path.stem] = path
    return files


def _is_fixation_map(path: Path) -> bool:
    """Whether a .png is a binary map of fixated pixels, as UNISAL's code leaves beside the .mat files."""
    return len(np.unique(read_gray(path))) <= 2


def _partners(kind: str, images: dict[str, Path], root: Path, split: str, source: Source) -> list[Path]:
    """The map or .mat file of every image, in order of the stems."""
    partners = _find(kind, root, split, source)
    missing = sorted(set(images) - set(partners))
    if missing:
        folder, suffix = next(iter(partners.values())).parent, SUFFIXES[kind][0]
        names = ", ".join(f"{stem}{suffix}" for stem in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise MissingFilesError(
            f"{len(missing)} of {len(images)} images have no file in {folder}: {names}. "
            f"Unpack the archive of the {kind} again, or remove the images without a partner."
        )
    return [partners[stem] for stem in sorted(images)]


def _parse(title: str, stems: Sequence[str], pictures: Sequence[Path], mats: Sequence[Path]) -> FixationTable:
    quick = len(stems) < 500
    sizes = read_sizes(pictures)
    observers = [read_gaze(p) for p in track(mats, f"{title}: reading fixations, once", transient=True, disable=quick)]
    return FixationTable.from_observers(stems, sizes, observers or [[]] * len(stems))


def _refuse_other_release(dataset: SaliencyDataset, release: str) -> None:
    """The files carry no release, but the published totals tell the two apart."""
    for other, source in SALICON.items():
        if other != release and dataset.fixation_count == source.fixations.get(dataset.split):
            expected = SALICON[release].fixations[dataset.split]
            raise UserError(
                f"these are the {dataset.split} fixations of SALICON's {other} release ({dataset.fixation_count:,}), "
                f"not of {release} ({expected:,}): the two are not comparable. Set data.release={other}."
            )
