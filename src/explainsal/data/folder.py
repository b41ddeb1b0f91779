"""Pictures of one's own, with or without ground truth.

A folder of pictures, or a single one, has no ground truth: its maps can be predicted and explained. With ground truth:

    images/**            pictures of any sizes
    fixations.csv        image,x,y and, where known, subject,t,duration: pixels from 0
    fixations/**         or one binary map per image: .png, .jpg, .npy, .mat
    scanpaths/**         or one text file per image and observer, scanpaths/<image>/<observer>: x y start end
    maps/**              densities, one per image: 8 or 16-bit pictures, .npy, .mat; alone or beside fixations
    *.hdf5               or pysaliency's: stimuli and fixations, or fixations of the sorted images/
    splits.json          {"train": [...], "val": [...], "test": [...]}: names of images; optional

A data set of FixaTons is read as it is: STIMULI for images, SCANPATHS for scanpaths.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from explainsal.data.cache import cache_folder
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import ARRAY_SUFFIXES, IMAGE_SUFFIXES
from explainsal.data.fixation_table import Scanpath
from explainsal.data.ground_truth import read_binary_map, read_fixation_table, whole_pixels_to_middles
from explainsal.data.listing import files_below, partners_of
from explainsal.data.pysaliency_hdf5 import FIXATIONS, HDF5_SUFFIXES, STIMULI, form, read_scanpaths
from explainsal.data.reading import Points, Reading, read_dataset
from explainsal.data.scanpath_files import list_scanpath_files, number_observers, read_scanpath_files
from explainsal.data.stimuli import stimuli_files
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

PARTS = ("train", "val", "test")
IMAGES = ("images", "STIMULI")
SCANPATHS = ("scanpaths", "SCANPATHS")
WHOLE = "all"


@dataclass(frozen=True)
class Annotations:
    """Fixations of a folder: where they come from, the files that hold them, and index of an image -> scanpaths."""

    release: str
    files: tuple[str, ...]
    points: Points


def read_folder(
    path: str | Path, split: str = WHOLE, *, density_sigma: float | None = None, reading: Reading | None = None
) -> SaliencyDataset:
    """A picture, a folder of pictures, or a folder with ground truth, as a data set of samples.

    An id is the path below the folder (below ``images/``) without its suffix, with it where two pictures would share
    one. Hidden files and what is no picture by its suffix are left out; a single file is taken whatever its name.
    Pictures are read as stored, without the rotation that an EXIF tag may ask for, as in every data set here.

    Args:
        path: A picture or a folder.
        split: ``all``, or one of the parts that ``splits.json`` names.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities of the fixations; None for
            none. Densities in ``maps/`` go before.
        reading: How to read files.

    Raises:
        MissingFilesError: If there is nothing there, no picture in it, or an image has no partner.
        CorruptFileError: If a file is damaged or does not belong to its image; the message names it.
        UserError: If two kinds of fixations are there, or there is no such split.
    """
    path = Path(path)
    reading = reading or Reading()
    if not path.exists():
        raise MissingFilesError(f"no such picture or folder: {path.absolute()}")
    images = _images(path, reading)
    maps = _maps(path, images)
    found = _annotations(path, images, reading)
    dataset = read_dataset(
        path if found else None,
        name=(path if path.is_dir() else path.parent).name or "folder",
        split=WHOLE,
        ids=list(images),
        images=list(images.values()),
        points=found.points if found else None,
        annotations=found.files if found else (),
        maps=[maps.get(key, key) for key in _with_density(images, maps, reading)] if maps else None,
        density_sigma=density_sigma if found and not maps else None,
        release=found.release if found else None,
        reading=reading,
    )
    return dataset if split == WHOLE else dataset.select(_part(path, split, dataset.ids), split=split)


def parts_of(path: str | Path) -> tuple[str, ...]:
    """The parts that ``splits.json`` names, in the order train, val, test; none without that file.

    Raises:
        CorruptFileError: If it is not {"train": [names], ...} or an image is in two parts.
    """
    return tuple(_splits(Path(path)))


def _images(path: Path, reading: Reading) -> dict[str, str]:
    """Id -> picture: those of an HDF5 file of stimuli, in its order, else those below ``images/``, else all."""
    if path.is_file():
        return {path.stem: str(path)}
    stimuli = _hdf5(path, STIMULI)
    if stimuli:
        return stimuli_files(stimuli, cache_folder(path, reading.cache))
    base = _child(path, IMAGES) or path
    return _by_id(base, IMAGE_SUFFIXES, "pictures")


def _child(path: Path, names: Sequence[str]) -> Path | None:
    """The first of these folders that is there."""
    return next((path / name for name in names if (path / name).is_dir()), None)


def _by_id(base: Path, suffixes: Sequence[str], what: str) -> dict[str, str]:
    files = files_below(base, suffixes)
    if not files:
        raise MissingFilesError(f"no {what} in {base.absolute()}: looked for {', '.join(suffixes)}")
    names = [Path(file).relative_to(base) for file in files]
    stems = Counter(name.with_suffix("") for name in names)
    ids = [(name if stems[name.with_suffix("")] > 1 else name.with_suffix("")).as_posix() for name in names]
    clash = [key for key, count in Counter(key.casefold() for key in ids).items() if count > 1]
    if clash:
        both = " and ".join(file for file, key in zip(files, ids, strict=True) if key.casefold() == clash[0])
        raise UserError(f"{both} differ only in letter case, so that results would overwrite each other: rename one")
    return dict(zip(ids, files, strict=True))


def _maps(path: Path, images: dict[str, str]) -> dict[str, str]:
    """Id -> density; empty where there is no folder ``maps`` beside ``images``."""
    if not (path / "maps").is_dir() or not (path / "images").is_dir():
        return {}
    return _by_id(path / "maps", (*IMAGE_SUFFIXES, *ARRAY_SUFFIXES), "densities")


def _with_density(images: dict[str, str], maps: dict[str, str], reading: Reading) -> list[str]:
    """All images; those without a density are named, or skipped as unreadable when they are decoded."""
    partners_of(images, maps, "density in maps/", skip=reading.skip)
    return list(images)


def _annotations(path: Path, images: dict[str, str], reading: Reading) -> Annotations | None:
    if path.is_file():
        return None
    hdf5 = _hdf5(path, FIXATIONS)
    scanpaths = _child(path, SCANPATHS) if _child(path, IMAGES) else None
    kinds = {
        "fixations.csv": (path / "fixations.csv").is_file(),
        "fixations/": (path / "images").is_dir() and (path / "fixations").is_dir(),
        "scanpaths/": scanpaths is not None,
        hdf5.name if hdf5 else "": hdf5 is not None,
    }
    present = [kind for kind, there in kinds.items() if there]
    if len(present) > 1:
        raise UserError(f"{path} holds fixations in {' and '.join(present)}: leave one of them")
    ids = list(images)
    if kinds["fixations.csv"]:
        return _table(path / "fixations.csv", ids)
    if kinds["fixations/"]:
        return _binary_maps(path / "fixations", images, reading)
    if scanpaths:
        return _scanpath_files(scanpaths, images, reading)
    return _hdf5_fixations(hdf5, len(ids)) if hdf5 else None


def _table(path: Path, ids: list[str]) -> Annotations:
    table = cache(lambda: read_fixation_table(path, ids))
    return Annotations("fixations.csv", (str(path),), lambda i: table().get(ids[i], []))


def _binary_maps(folder: Path, images: dict[str, str], reading: Reading) -> Annotations:
    files = _by_id(folder, (*IMAGE_SUFFIXES, *ARRAY_SUFFIXES), "binary maps")
    ids, pictures = list(images), list(images.values())
    present = partners_of(images, files, f"binary map in {folder}", skip=reading.skip)
    return Annotations(
        "binary maps",
        tuple(files[key] for key in present),
        lambda i: [read_binary_map(_need(files, ids[i]), pictures[i])],
    )


def _scanpath_files(folder: Path, images: dict[str, str], reading: Reading) -> Annotations:
    named = list_scanpath_files(folder)
    files = {key: named.get(key) or named.get(f"{key}{Path(picture).suffix}", {}) for key, picture in images.items()}
    known = {key: str(folder / key) for key in files if files[key]}
    partners_of(images, known, f"scanpaths in {folder}", skip=reading.skip)
    ids, observers = list(images), number_observers(files)

    @cache
    def scanpaths() -> tuple[dict[int, list[Scanpath]], dict[int, UserError]]:
        read: dict[int, list[Scanpath]] = {}
        errors: dict[int, UserError] = {}
        for i, key in enumerate(ids):
            try:
                read[i] = read_scanpath_files(files[key], observers)
            except UserError as error:
                errors[i] = error
        return whole_pixels_to_middles(read), errors

    def points(index: int) -> list[Scanpath]:
        if ids[index] not in known:
            raise MissingFilesError(f"the image {ids[index]} has no scanpaths")
        read, errors = scanpaths()
        if index in errors:
            raise errors[index]
        return read[index]

    return Annotations("scanpath files", tuple(file for key in known for file in files[key].values()), points)


def _need(files: dict[str, str], key: str) -> str:
    if key not in files:
        raise MissingFilesError(f"the image {key} has no binary map")
    return files[key]


def _hdf5_fixations(path: Path, images: int) -> Annotations:
    @cache
    def scanpaths() -> dict[int, list[Scanpath]]:
        paths = read_scanpaths(path)
        if paths and not 0 <= min(paths) <= max(paths) < images:
            raise CorruptFileError(
                f"{path} holds fixations of stimulus {max(paths)} (counted from 0), but there are {images} images: "
                "the stimuli have to be those of the fixations, in their order"
            )
        return whole_pixels_to_middles(paths)

    return Annotations("pysaliency", (str(path),), lambda i: scanpaths().get(i, []))


def _hdf5(path: Path, forms: dict[str, tuple[str, ...]]) -> Path | None:
    """The one file of these forms in the folder."""
    files = [f for f in sorted(path.iterdir()) if f.suffix in HDF5_SUFFIXES and not f.name.startswith(".")]
    found = [file for file in files if form(file) in forms]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise UserError(f"{path} holds {names}: which one? Leave one of each kind in a folder of its own")
    return found[0] if found else None


def _splits(path: Path) -> dict[str, list[str]]:
    file = path / "splits.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        splits = {part: [str(name) for name in content[part]] for part in PARTS if part in content}
    except (OSError, ValueError, TypeError) as error:
        raise CorruptFileError(
            f'cannot read {file}: {error}. It holds {{"train": [names], "val": [], "test": []}}'
        ) from error
    twice = [name for name, count in Counter(name for names in splits.values() for name in names).items() if count > 1]
    if twice or not splits:
        raise CorruptFileError(f"{file}: {f'{twice[0]} is named twice' if twice else 'no part train, val or test'}")
    return splits


def _part(path: Path, split: str, ids: Sequence[str]) -> list[int]:
    splits = _splits(path)
    if split not in splits:
        raise UserError(f"{path} has no {split} part: splits.json names {', '.join(splits) or 'none, or is not there'}")
    position = {key: i for i, key in enumerate(ids)}
    named = [name if name in position else str(Path(name).with_suffix("")) for name in splits[split]]
    absent = [name for name in named if name not in position]
    if absent:
        raise MissingFilesError(f"{path / 'splits.json'}: {len(absent)} images of {split} are not there: {absent[0]}")
    return [position[name] for name in named]
