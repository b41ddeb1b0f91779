"""Read a folder of your own pictures, with or without ground truth.

A folder of pictures, or a single picture, has no ground truth; its maps can be predicted and explained. A folder with
ground truth contains:

    images/**            pictures of any sizes
    fixations.csv        image,x,y and, if known, subject,t,duration: pixels from 0
    fixations/**         or one binary map per image: .png, .jpg, .npy, .mat
    scanpaths/**         or one text file per image and observer, scanpaths/<image>/<observer>: x y start end
    maps/**              densities, one per image: 8 or 16-bit pictures, .npy, .mat; with or without fixations
    *.hdf5               or pysaliency's stimuli and fixations, or only its fixations, ordered as the sorted images/
    splits.json          {"train": [...], "val": [...], "test": [...]}: names of images; optional

Data sets of FixaTons are supported as they are, with STIMULI for images and SCANPATHS for scanpaths.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from explainsal.data.cache import cache_folder
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import ARRAY_SUFFIXES, IMAGE_SUFFIXES, OTHER_SUFFIXES
from explainsal.data.fixation_table import Scanpath
from explainsal.data.folder_parts import select_part
from explainsal.data.ground_truth import read_binary_map, read_fixation_table, whole_pixels_to_middles
from explainsal.data.listing import files_below, find_partners
from explainsal.data.pysaliency_hdf5 import FIXATIONS, HDF5_SUFFIXES, STIMULI, form, read_scanpaths
from explainsal.data.reading import Points, Reading, read_dataset
from explainsal.data.scanpath_files import list_scanpath_files, number_observers, read_scanpath_files
from explainsal.data.stimuli import stimuli_files
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

IMAGES = ("images", "STIMULI")
SCANPATHS = ("scanpaths", "SCANPATHS")
WHOLE = "all"
NAMED_ALIKE = "Such a file needs the path and name of its image, with any suffix: a/1.png for the image a/1.jpg"


@dataclass(frozen=True)
class Annotations:
    """Fixations of a folder: their kind, their files, and a function from image id to scanpaths."""

    release: str
    files: tuple[str, ...]
    points: Points


@dataclass(frozen=True)
class Chosen:
    """Selection among several HDF5 files in a folder.

    Args:
        stimuli: Name of the stimuli file; None selects the only one.
        fixations: Name of the fixations file; None selects the only one.
    """

    stimuli: str | None = None
    fixations: str | None = None


def read_folder(
    path: str | Path,
    split: str = WHOLE,
    *,
    density_sigma: float | None = None,
    reading: Reading | None = None,
    chosen: Chosen | None = None,
) -> SaliencyDataset:
    """Read a picture, a folder of pictures, or a folder with ground truth as a data set of samples.

    An id is the path below the folder (below ``images/``) without its suffix, or with it if two pictures would share an
    id. Hidden files and files without a picture suffix are ignored; a single file may have any name. Pictures are read
    as stored, without EXIF rotation, as in every data set here.

    Args:
        split: ``all``, or a part named in ``splits.json``.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities from fixations; None for none.
            Densities in ``maps/`` take precedence.
        chosen: Selection among several HDF5 files.

    Raises:
        MissingFilesError: If the path does not exist, it holds no picture, or an image lacks its ground truth.
        CorruptFileError: If a file is damaged or does not belong to its image; the message names it.
        UserError: If the folder has two kinds of fixations, or lacks the split.
    """
    path = Path(path)
    reading, chosen = reading or Reading(), chosen or Chosen()
    if not path.exists():
        raise MissingFilesError(f"no such picture or folder: {path.absolute()}")
    images = _images(path, reading, chosen)
    maps = _maps(path, images, reading)
    found = _annotations(path, images, reading, chosen)
    dataset = read_dataset(
        path if found else None,
        name=(path if path.is_dir() else path.parent).name or "folder",
        images=images,
        points=found.points if found else None,
        annotations=found.files if found else (),
        maps={key: maps.get(key, key) for key in images} if maps else None,  # a missing one is skipped, if at all
        density_sigma=density_sigma if found and not maps else None,
        release=found.release if found else None,
        reading=reading,
    )
    return dataset if split == WHOLE else select_part(dataset, path, split, skip=reading.skip)


def _images(path: Path, reading: Reading, chosen: Chosen) -> dict[str, str]:
    """Map ids to pictures: those of an HDF5 stimuli file in its order, else those in ``images/``, else all."""
    if path.is_file():
        return {path.stem: str(path)}
    stimuli = _hdf5(path, STIMULI, "stimuli", chosen.stimuli)
    if stimuli:
        return stimuli_files(stimuli, cache_folder(path, reading.cache))
    base = _child(path, IMAGES) or path
    if others := files_below(base, OTHER_SUFFIXES):
        warnings.warn(
            f"{base}: {len(others)} pictures have an unsupported format and are ignored, first {others[0]}; "
            f"convert them to one of {', '.join(IMAGE_SUFFIXES)}",
            stacklevel=3,
        )
    return _by_id(base, IMAGE_SUFFIXES, "pictures")


def _child(path: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these folders that exists."""
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
        raise UserError(f"{both} differ only in letter case, so their results would overwrite each other: rename one")
    return dict(zip(ids, files, strict=True))


def _maps(path: Path, images: dict[str, str], reading: Reading) -> dict[str, str]:
    """Map ids to densities; empty without a folder ``maps`` next to ``images``."""
    if not (path / "maps").is_dir() or not (path / "images").is_dir():
        return {}
    maps = _by_id(path / "maps", (*IMAGE_SUFFIXES, *ARRAY_SUFFIXES), "densities")
    find_partners(images, maps, "density in maps/", skip=reading.skip, remedy=NAMED_ALIKE)
    return maps


def _annotations(path: Path, images: dict[str, str], reading: Reading, chosen: Chosen) -> Annotations | None:
    if path.is_file():
        return None
    hdf5 = _hdf5(path, FIXATIONS, "fixations", chosen.fixations)
    scanpaths = _child(path, SCANPATHS) if _child(path, IMAGES) else None
    kinds = {
        "fixations.csv": (path / "fixations.csv").is_file(),
        "fixations/": (path / "images").is_dir() and (path / "fixations").is_dir(),
        "scanpaths/": scanpaths is not None,
        hdf5.name if hdf5 else "": hdf5 is not None,
    }
    present = [kind for kind, there in kinds.items() if there]
    if len(present) > 1:
        raise UserError(f"{path} holds fixations in {' and '.join(present)}: keep only one of them")
    if kinds["fixations.csv"]:
        table = cache(lambda: read_fixation_table(path / "fixations.csv", list(images)))
        return Annotations("fixations.csv", (str(path / "fixations.csv"),), lambda key: table().get(key, []))
    if kinds["fixations/"]:
        return _binary_maps(path / "fixations", images, reading)
    if scanpaths:
        return _scanpath_files(scanpaths, images, reading)
    return _hdf5_fixations(hdf5, list(images)) if hdf5 else None


def _binary_maps(folder: Path, images: dict[str, str], reading: Reading) -> Annotations:
    files = _by_id(folder, (*IMAGE_SUFFIXES, *ARRAY_SUFFIXES), "binary maps")
    present = find_partners(images, files, f"binary map in {folder}", skip=reading.skip, remedy=NAMED_ALIKE)
    return Annotations(
        "binary maps",
        tuple(files[key] for key in present),
        lambda key: [read_binary_map(_need(files, key), images[key])],
    )


def _scanpath_files(folder: Path, images: dict[str, str], reading: Reading) -> Annotations:
    named = list_scanpath_files(folder)
    files = {key: named.get(key) or named.get(f"{key}{Path(picture).suffix}", {}) for key, picture in images.items()}
    known = {key: str(folder / key) for key in files if files[key]}
    find_partners(images, known, f"scanpaths in {folder}", skip=reading.skip, remedy=NAMED_ALIKE)
    observers = number_observers(files)

    @cache
    def scanpaths() -> tuple[dict[str, list[Scanpath]], dict[str, UserError]]:
        read: dict[str, list[Scanpath]] = {}
        errors: dict[str, UserError] = {}
        for key in images:
            try:
                read[key] = read_scanpath_files(files[key], observers)
            except UserError as error:
                errors[key] = error
        return whole_pixels_to_middles(read), errors

    def points(key: str) -> list[Scanpath]:
        if key not in known:
            raise MissingFilesError(f"the image {key} has no scanpaths")
        read, errors = scanpaths()
        if key in errors:
            raise errors[key]
        return read[key]

    return Annotations("scanpath files", tuple(file for key in known for file in files[key].values()), points)


def _need(files: dict[str, str], key: str) -> str:
    if key not in files:
        raise MissingFilesError(f"the image {key} has no binary map")
    return files[key]


def _hdf5_fixations(path: Path, ids: list[str]) -> Annotations:
    @cache
    def scanpaths() -> dict[str, list[Scanpath]]:
        paths = read_scanpaths(path)
        if paths and not 0 <= min(paths) <= max(paths) < len(ids):
            raise CorruptFileError(
                f"{path} holds fixations of stimulus {max(paths)} (counted from 0), but there are {len(ids)} images: "
                "the stimuli must be those of the fixations, in the same order"
            )
        return whole_pixels_to_middles({ids[i]: scanpath for i, scanpath in paths.items()})

    return Annotations("pysaliency", (str(path),), lambda key: scanpaths().get(key, []))


def _hdf5(path: Path, forms: dict[str, tuple[str, ...]], kind: str, name: str | None) -> Path | None:
    """Return the only file of these forms in the folder, or the chosen one."""
    if name is not None and not (path / name).is_file():
        raise MissingFilesError(f"data.{kind}={name}: no such file in {path.absolute()}")
    if name is not None and form(path / name) not in forms:
        raise UserError(f"data.{kind}={name} holds {form(path / name) or 'nothing from pysaliency'}, not {kind}")
    files = [f for f in sorted(path.iterdir()) if f.suffix in HDF5_SUFFIXES and not f.name.startswith(".")]
    found = [path / name] if name is not None else [file for file in files if form(file) in forms]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise UserError(f"{path} holds {names}: which one? Choose it with data.{kind}={found[0].name}")
    return found[0] if found else None
