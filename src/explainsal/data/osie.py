"""OSIE: 700 images of 800 x 600 (1001 to 1700), 15 observers, 3 s; Xu et al., Journal of Vision 2014."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.listing import files_by_stem, unpacked
from explainsal.data.mat import mat_errors, read_mat
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.sources import OSIE

SIGMA = 24.0  # px at 800 x 600, the authors' value
SPLITS = {"train": (1001, 1350), "val": (1351, 1400), "test": (1401, 1500)}  # ours; no official split exists
REPOSITORY = "predicting-human-gaze-beyond-pixels"


def read_osie(
    root: str | Path, split: str, *, density_sigma: float = SIGMA, reading: Reading | None = None
) -> SaliencyDataset:
    """Read OSIE.

    The published coordinates start at 1, the center of the first pixel, so 0.5 is subtracted. OSIE publishes no
    densities; they are computed as fixation counts blurred with a Gaussian, with reflected border (`fixation_density`).

    Args:
        root: Folder with ``stimuli/`` and ``eye/fixations.mat``, or the repository that holds them.
        split: ``train`` (1001-1350), ``val`` (1351-1400), ``test`` (1401-1500), or ``all``: every image on disk.
        density_sigma: Standard deviation of the Gaussian in pixels.

    Raises:
        MissingFilesError: If the folder, an image of the split, or its fixations are missing.
        CorruptFileError: If a file cannot be read.
        ValueError: If `split` is unknown.
    """
    root = Path(root)
    if split not in (*SPLITS, "all"):
        raise ValueError(f"split must be one of {(*SPLITS, 'all')}, got {split!r}")
    places = [root, *(place / "data" for place in unpacked(root, f"{REPOSITORY}-master", REPOSITORY))]
    base = OSIE.locate(root, places, "stimuli", "eye/fixations.mat")
    mat = base / "eye" / "fixations.mat"
    ids = _ids(base, split)

    @cache
    def fixations() -> dict[str, list[np.ndarray]]:
        return _complete(read_fixations(mat), ids, mat)

    return read_dataset(
        root,
        name="osie",
        split=split,
        images={key: base / "stimuli" / f"{key}.jpg" for key in ids},
        points=lambda key: fixations()[key],
        annotations=[mat],
        density_sigma=density_sigma,
        reading=reading,
    )


def read_fixations(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Read ``fixations.mat``: image id -> one ``(K, 2)`` float64 array of (x, y) in pixels per observer."""
    remedy = f"Fetch it again from {OSIE.page}."
    with mat_errors(path, remedy):
        images = read_mat(path, remedy, simplify_cells=True)["fixations"]
        return {Path(image["img"]).stem: [_points(s) for s in np.atleast_1d(image["subjects"])] for image in images}


def _points(subject: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([np.atleast_1d(subject["fix_x"]), np.atleast_1d(subject["fix_y"])], 1).astype(np.float64) - 0.5


def _ids(base: Path, split: str) -> list[str]:
    there = files_by_stem(base / "stimuli", (".jpg",))
    if split == "all":
        return list(there)
    first, last = SPLITS[split]
    ids = [str(number) for number in range(first, last + 1)]
    absent = [i for i in ids if i not in there]
    if absent:
        raise OSIE.missing(f"{len(absent)} images of the {split} split, first {absent[0]}.jpg,", [base / "stimuli"])
    return ids


def _complete(fixations: dict[str, list[np.ndarray]], ids: Sequence[str], mat: Path) -> dict[str, list[np.ndarray]]:
    absent = [i for i in ids if i not in fixations]
    if absent:
        raise OSIE.missing(f"fixations of {len(absent)} images, first {absent[0]}, in fixations.mat", [mat])
    return fixations
