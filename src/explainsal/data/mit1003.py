"""MIT1003: 1003 images, the longer side 1024 px, raw gaze of 15 observers for 3 s; Judd et al., ICCV 2009."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import image_size
from explainsal.data.fixation_table import Scanpath
from explainsal.data.gaze_events import find_fixations
from explainsal.data.ground_truth import read_binary_map
from explainsal.data.listing import files_by_stem, find_partners, unpacked
from explainsal.data.mat import mat_errors, read_mat
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.scanpath_files import list_scanpath_files, number_observers, read_scanpath_files
from explainsal.data.sources import MIT1003
from explainsal.errors import MissingFilesError

OBSERVERS = ("CNG", "ajs", "emb", "ems", "ff", "hp", "jcw", "jw", "kae", "krl", "po", "tmj", "tu", "ya", "zb")
SIGMA = 24.0  # px; the authors' maps have it as well (8 cycles per image of 1024 px)
KINDS = ("gaze", "scanpaths", "maps")
GroundTruth = Literal["gaze", "scanpaths", "maps"]


def read_mit1003(
    root: str | Path,
    *,
    ground_truth: GroundTruth | None = None,
    initial_fixation: bool = False,
    density_sigma: float = SIGMA,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Read MIT1003.

    The kinds of ground truth differ, so their name is reported as the release with all results:

    - ``gaze``: the fixations that `find_fixations` detects in the raw gaze, 104 per image; repeated fixations of a
    pixel are all kept. Gaze is in pixels from the image corner; nothing is subtracted, as in pysaliency.
    - ``scanpaths``: the same fixations as distributed by FixaTons, rounded to whole pixels; 104,147 without the first
    of each observer. A warning counts points outside the image.
    - ``maps``: the authors' pictures of at most 75 fixations per image, each pixel once, and their blurred maps.

    Args:
        root: Folder with ``ALLSTIMULI`` and ``DATA`` or ``ALLFIXATIONMAPS``, or with FixaTons' ``STIMULI`` and
            ``SCANPATHS``; images end in ``.jpeg``, as published, or ``.jpg``.
        ground_truth: ``gaze``, ``scanpaths`` or ``maps``; None for the result of `find_ground_truth`.
        initial_fixation: Keep the first fixation of each trial, on the central cross that observers had to fixate; not
            for ``maps``.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities of fixations.

    Raises:
        MissingFilesError: If a folder, or a file of an image, is missing.
        CorruptFileError: If a file cannot be read.
        ValueError: If `ground_truth` is unknown, or `initial_fixation` is set for ``maps``.
    """
    root, reading = Path(root), reading or Reading()
    kind = ground_truth or find_ground_truth(root)
    if kind not in KINDS or (initial_fixation and kind == "maps"):
        raise ValueError(
            f"ground_truth must be one of {', '.join(KINDS)}, initial_fixation false for maps: {kind!r}, "
            f"{initial_fixation}"
        )
    images = _images(root)
    if kind == "maps":
        return _from_maps(root, images, reading)
    read = _from_scanpaths if kind == "scanpaths" else _from_gaze
    return read(root, images, initial_fixation, density_sigma, reading)


def _from_gaze(
    root: Path, images: dict[str, str], initial_fixation: bool, density_sigma: float, reading: Reading
) -> SaliencyDataset:
    data = _folder(root, "DATA", "gaze (DATA/<observer>/*.mat)")
    trials = {stem: [str(data / observer / f"{stem}.mat") for observer in OBSERVERS] for stem in images}
    return read_dataset(
        root,
        name="mit1003",
        images=images,
        points=lambda key: _scanpaths(trials[key], image_size(images[key]), initial_fixation),
        annotations=_present(trials, reading),
        density_sigma=density_sigma,
        release=release_name("gaze", initial_fixation),
        reading=reading,
    )


def find_ground_truth(root: str | Path) -> GroundTruth:
    """Return the kind of fixations under `root`: ``scanpaths`` for FixaTons' files without raw gaze, else ``gaze``."""
    root = Path(root)
    has_gaze = any((folder / observer).is_dir() for folder in unpacked(root, "DATA") for observer in OBSERVERS)
    return "scanpaths" if (root / "SCANPATHS").is_dir() and not has_gaze else "gaze"


def release_name(kind: GroundTruth, initial_fixation: bool) -> str:
    """Return the name of a kind of ground truth, as reported with results."""
    return f"{kind} with initial fixation" if initial_fixation else kind


def read_eye_data(path: str | Path) -> np.ndarray:
    """Read the raw gaze of one trial, shape ``(T, 2)``: x and y in pixels, negative in blinks, 240 samples per second.

    The file's only variable is named after the image, truncated to 63 letters; the order of its fields varies.
    """
    remedy = "Unpack DATA.zip again."
    with mat_errors(path, remedy):
        (trial,) = read_mat(path, remedy, simplify_cells=True).values()
        data = trial["DATA"]
        return np.asarray((data[0] if isinstance(data, list | np.ndarray) else data)["eyeData"], np.float64).reshape(
            -1, 2
        )


def _scanpaths(trials: Sequence[str], size: tuple[int, int], initial_fixation: bool) -> list[Scanpath]:
    """Detect fixations and keep those inside the image; blinks and gaze outside the image are dropped."""
    paths = []
    for observer, trial in enumerate(trials):
        gaze = read_eye_data(trial)
        if not len(gaze):
            continue
        found = find_fixations(gaze)
        keep = np.logical_and.reduce((found.points > 0) & (found.points < (size[1], size[0])), axis=1)
        keep[0] &= initial_fixation
        paths.append(Scanpath(found.points[keep], observer, found.start[keep], found.duration[keep]))
    return paths


def _from_scanpaths(
    root: Path, images: dict[str, str], initial_fixation: bool, density_sigma: float, reading: Reading
) -> SaliencyDataset:
    """Read FixaTons' text files, whose points are rounded gaze in pixels from the image corner, without changes."""
    folder = _folder(root, "SCANPATHS", "scanpaths (SCANPATHS/<image>/<observer>)")
    files = list_scanpath_files(folder)
    folders = {key: str(Path(next(iter(paths.values()))).parent) for key, paths in files.items() if paths}
    find_partners(images, folders, f"scanpaths in {folder}", skip=reading.skip)
    observers = number_observers(files)
    trials = {
        stem: {name: files.get(stem, {}).get(name, str(folder / stem / name)) for name in observers} for stem in images
    }
    present = _present({stem: list(trial.values()) for stem, trial in trials.items()}, reading, "the SCANPATHS")

    def points(key: str) -> list[Scanpath]:
        paths = read_scanpath_files(trials[key], observers)
        return paths if initial_fixation else [_without_first(path) for path in paths]

    return read_dataset(
        root,
        name="mit1003",
        images=images,
        points=points,
        annotations=present,
        density_sigma=density_sigma,
        release=release_name("scanpaths", initial_fixation),
        reading=reading,
    )


def _without_first(path: Scanpath) -> Scanpath:
    t, duration = (None if column is None else column[1:] for column in (path.t, path.duration))
    return Scanpath(path.points[1:], path.observer, t, duration)


def _from_maps(root: Path, images: dict[str, str], reading: Reading) -> SaliencyDataset:
    folder = _folder(root, "ALLFIXATIONMAPS", "fixation maps (*_fixMap.jpg, *_fixPts.jpg)")
    files = files_by_stem(folder, (".jpg",))
    points, maps = (
        {stem.removesuffix(ending): path for stem, path in files.items() if stem.endswith(ending)}
        for ending in ("_fixPts", "_fixMap")
    )
    for partners, ending in ((points, "_fixPts.jpg"), (maps, "_fixMap.jpg")):
        images = find_partners(images, partners, f"{ending} in {folder}", skip=reading.skip)
    return read_dataset(
        root,
        name="mit1003",
        images=images,
        points=lambda key: [read_binary_map(points[key], images[key])],
        annotations=[points[key] for key in images],
        maps={key: maps[key] for key in images},
        release="maps",
        reading=reading,
    )


def _images(root: Path) -> dict[str, str]:
    for folder in unpacked(root, "ALLSTIMULI", "stimuli", "STIMULI"):
        images = files_by_stem(folder, (".jpeg", ".jpg"))
        if images:
            return images
    raise MIT1003.missing("images (.jpeg or .jpg)", [root / "ALLSTIMULI"] if root.is_dir() else [root])


def _folder(root: Path, name: str, what: str) -> Path:
    for folder in unpacked(root, name):
        has_maps = name == "ALLFIXATIONMAPS" and any(folder.glob("*_fixMap.jpg"))
        has_scanpaths = name == "SCANPATHS" and folder.name == name and folder.is_dir()
        if has_maps or has_scanpaths or any((folder / observer).is_dir() for observer in OBSERVERS):
            return folder
    raise MIT1003.missing(what, [root / name])


def _present(trials: dict[str, list[str]], reading: Reading, archive: str = "DATA.zip") -> list[str]:
    """Return the files of all trials; a missing file raises, or its image is skipped later when it is read."""
    files = [path for paths in trials.values() for path in paths]
    absent = {path for path in files if not Path(path).is_file()}
    if absent and not reading.skip:
        first = min(absent)
        raise MissingFilesError(
            f"{len(absent)} of {len(files)} trials of MIT1003 are missing, first {first}. Unpack {archive} again, "
            "or set data.unreadable=skip to skip their images."
        )
    return [path for path in files if path not in absent]
