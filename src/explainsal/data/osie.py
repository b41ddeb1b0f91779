"""OSIE: 700 images of 800 x 600 (1001 to 1700), 15 observers, 3 s; Xu et al., Journal of Vision 2014."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io

from explainsal.data.cache import cached_table
from explainsal.data.dataset import SaliencyDataset, read_sizes
from explainsal.data.fixation_table import FixationTable, Outside
from explainsal.data.sources import OSIE
from explainsal.errors import CorruptFileError

SIGMA = 24.0  # px at 800 x 600, the authors' value
SPLITS = {"train": (1001, 1350), "val": (1351, 1400), "test": (1401, 1500)}  # ours; no official split exists
PLACES = ("", "data", "predicting-human-gaze-beyond-pixels-master/data", "predicting-human-gaze-beyond-pixels/data")


def read_osie(
    root: str | Path,
    split: str,
    *,
    density_sigma: float = SIGMA,
    outside: Outside = "drop",
    cache: Path | None = None,
) -> SaliencyDataset:
    """OSIE as a data set of samples.

    The published coordinates start at 1, the middle of the first pixel, so x - 0.5. OSIE publishes no densities:
    they are the fixation counts blurred with a Gaussian, border reflected (`fixation_density`).

    Args:
        root: Folder with ``stimuli/`` and ``eye/fixations.mat``, or the repository that holds them.
        split: ``train`` (1001-1350), ``val`` (1351-1400) or ``test`` (1401-1500).
        density_sigma: Standard deviation of the Gaussian in pixels.
        outside: What becomes of fixations outside their image: ``drop`` or ``error``.
        cache: Folder for the parsed fixations; by default beside the data.

    Raises:
        MissingFilesError: If the folder, an image of the split, or the fixations of one are missing.
        CorruptFileError: If a file cannot be read.
        ValueError: If `split` is none of the above.
    """
    root = Path(root)
    if split not in SPLITS:
        raise ValueError(f"split must be one of {tuple(SPLITS)}, got {split!r}")
    first, last = SPLITS[split]
    ids = [str(number) for number in range(first, last + 1)]
    base = _locate(root)
    images = [base / "stimuli" / f"{i}.jpg" for i in ids]
    absent = [path for path in images if not path.is_file()]
    if absent:
        raise OSIE.missing(
            f"{len(absent)} images of the {split} split, {absent[0].name} the first,", [base / "stimuli"]
        )
    mat = base / "eye" / "fixations.mat"
    table = cached_table(f"osie-{split}", root, [*images, mat], lambda: _parse(mat, ids, images), folder=cache)
    return SaliencyDataset(
        name="osie",
        split=split,
        ids=ids,
        images=images,
        sizes=table.sizes,
        fixations=table.inside(outside, f"osie {split}"),
        density_sigma=density_sigma,
    )


def read_fixations(path: str | Path) -> dict[str, list[np.ndarray]]:
    """All fixations in ``fixations.mat``: image id -> one ``(K, 2)`` float64 array of (x, y) in pixels per observer.

    Raises:
        CorruptFileError: If it cannot be read, or is not OSIE's.
    """
    try:
        images = scipy.io.loadmat(path, simplify_cells=True)["fixations"]
        return {Path(image["img"]).stem: [_points(s) for s in np.atleast_1d(image["subjects"])] for image in images}
    except Exception as error:  # scipy raises a dozen kinds for damaged files
        raise CorruptFileError(
            f"cannot read the fixations in {path}: {error}. Fetch it again from {OSIE.page}."
        ) from error


def _points(subject: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([np.atleast_1d(subject["fix_x"]), np.atleast_1d(subject["fix_y"])], 1).astype(np.float64) - 0.5


def _locate(root: Path) -> Path:
    """The folder that holds ``stimuli`` and ``eye``."""
    places = [root / place for place in PLACES]
    for place in places:
        if (place / "stimuli").is_dir() and (place / "eye" / "fixations.mat").is_file():
            return place
    raise OSIE.missing("stimuli/ and eye/fixations.mat", places if root.is_dir() else [root])


def _parse(mat: Path, ids: Sequence[str], images: Sequence[Path]) -> FixationTable:
    fixations = read_fixations(mat)
    absent = [i for i in ids if i not in fixations]
    if absent:
        raise OSIE.missing(f"fixations of {len(absent)} images, {absent[0]} the first, in fixations.mat", [mat])
    return FixationTable.from_observers(ids, read_sizes(images), [fixations[i] for i in ids])
