"""CAT2000: 2 x 2000 images of 1920 x 1080 in 20 categories, 18 public observers for 5 s; Borji & Itti, 2015."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import image_size
from explainsal.data.fixation_table import Scanpath
from explainsal.data.ground_truth import are_whole, read_binary_map
from explainsal.data.listing import files_below, find_partners, unpacked
from explainsal.data.mat import mat_errors
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.sources import CAT2000
from explainsal.data.splits import natural_key
from explainsal.errors import CorruptFileError, MissingFilesError

SIGMA = 40.0  # px; closest to the published maps
ARCHIVES = {"all": "trainSet", "test": "testSet"}
GroundTruth = Literal["scanpaths", "maps"]


def read_cat2000(
    root: str | Path,
    split: str,
    *,
    ground_truth: GroundTruth = "scanpaths",
    density_sigma: float = SIGMA,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Read CAT2000; ids are ``<Category>/<nnn>``, since numbers repeat across categories.

    Published coordinates start at 1. Whole coordinates denote pixels, whose center is x - 0.5. In a file with fractions
    the pixel of x is floor(x - 1), so the point is x - 1. Points outside the image, NaN, and repetitions of the
    previous fixation are dropped (as in pysaliency's version 1.1): 667,804 fixations remain.

    Args:
        root: Folder with ``trainSet`` and ``testSet``.
        split: ``all`` for the images with fixations (trainSet), ``test`` for those without.
        ground_truth: ``scanpaths`` of every observer from ``allFixData.mat``, or ``maps``: the fixated pixels of all
            observers from ``FIXATIONLOCS``, each once.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities.

    Raises:
        MissingFilesError: If the folder, or the fixations of an image, are missing.
        CorruptFileError: If a file cannot be read.
        ValueError: If `split` or `ground_truth` is unknown.
    """
    if split not in ARCHIVES or ground_truth not in ("scanpaths", "maps"):
        raise ValueError(f"split must be all or test, ground_truth scanpaths or maps: {split!r}, {ground_truth!r}")
    root, reading = Path(root), reading or Reading()
    base, images = _images(root, ARCHIVES[split])
    build = partial(read_dataset, root, name="cat2000", split=split, reading=reading)
    if split == "test":
        return build(images=images)
    build = partial(build, density_sigma=density_sigma, release=ground_truth)
    if ground_truth == "maps":
        files = _by_category(base / "FIXATIONLOCS", (".mat",))
        images = find_partners(images, files, f".mat file in {base / 'FIXATIONLOCS'}", skip=reading.skip)
        return build(
            images=images,
            points=lambda key: [read_binary_map(files[key], images[key])],
            annotations=[files[key] for key in images],
        )
    mat = base / "allFixData.mat"
    if not mat.is_file():
        raise CAT2000.missing("trainSet/allFixData.mat", [base])
    every = cache(lambda: read_scanpaths(mat))
    return build(images=images, points=lambda key: _points(every(), key, images[key], mat), annotations=[mat])


def _points(every: dict[str, list[Scanpath]], key: str, picture: str, mat: Path) -> list[Scanpath]:
    if key not in every:
        raise MissingFilesError(f"{mat} has no fixations of {key}. Unpack trainSet.zip again.")
    return [_clean(path, image_size(picture)) for path in every[key]]


def read_scanpaths(path: str | Path) -> dict[str, list[Scanpath]]:
    """Read ``allFixData.mat``: ``<Category>/<nnn>`` -> scanpaths in pixels from 0, with observers numbered by name."""
    with warnings.catch_warnings():  # SciPy cannot read containers.Map; matio imports slowly
        warnings.simplefilter("ignore")
        from matio import load_from_mat

    with mat_errors(path, "Unpack trainSet.zip again."):
        content = load_from_mat(str(path))["allData"]
        records = {
            str(key).rpartition(".")[0]: [_record(item) for item in cell.ravel()] for key, cell in content.items()
        }
        names = sorted({observer for paths in records.values() for observer, _ in paths})
        number = {name: k for k, name in enumerate(names)}
        shift = 0.5 if are_whole(points for paths in records.values() for _, points in paths) else 1.0
        return {key: [Scanpath(p - shift, number[who]) for who, p in paths] for key, paths in records.items()}


def _record(item: np.ndarray) -> tuple[str, np.ndarray]:
    """Return observer (third part of ``24-53-ak.eye``) and points, counted from 1, of one struct."""
    entry = item.ravel()[0]
    name = str(np.asarray(entry["name"]).ravel()[0])
    parts = name.removesuffix(".eye").split("-")
    if len(parts) != 3:
        raise CorruptFileError(f"{name!r} is not the name of a CAT2000 trial, such as 24-53-ak.eye")
    return parts[2], np.asarray(entry["data"], np.float64).reshape(-1, 2)


def _clean(path: Scanpath, size: tuple[int, int]) -> Scanpath:
    points = path.points[((path.points >= 0) & (path.points < (size[1], size[0]))).all(axis=1)]  # false for NaN
    again = np.concatenate([[False], (points[1:] == points[:-1]).all(axis=1)]) if len(points) else np.zeros(0, bool)
    return Scanpath(points[~again], path.observer)


def _images(root: Path, archive: str) -> tuple[Path, dict[str, str]]:
    for base in unpacked(root, archive):
        images = _by_category(base / "Stimuli", (".jpg",))
        if images:
            return base, images
    raise CAT2000.missing(f"{archive}/Stimuli/<Category>/*.jpg", [root / archive] if root.is_dir() else [root])


def _by_category(folder: Path, suffixes: Sequence[str]) -> dict[str, str]:
    """Map ``<Category>/<nnn>`` to files in natural order, without another model's maps in ``<Category>/Output``."""
    files = {Path(file).relative_to(folder): file for file in files_below(folder, suffixes)}
    keys = {name.with_suffix("").as_posix(): file for name, file in files.items() if len(name.parts) == 2}
    return {key: keys[key] for key in sorted(keys, key=natural_key)}
