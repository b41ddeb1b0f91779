"""PASCAL-S: 850 images of PASCAL VOC, the longer side 500 px, 8 observers for 2 s; Li et al., CVPR 2014."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import h5py
import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.fixation_table import Scanpath
from explainsal.data.listing import files_by_stem, numbered, unpacked
from explainsal.data.mat import mat_errors
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.sources import PASCAL_S
from explainsal.errors import CorruptFileError

SIGMA = 20.0  # px, about one degree of visual angle; the authors give no value


def read_pascal_s(root: str | Path, *, density_sigma: float = SIGMA, reading: Reading | None = None) -> SaliencyDataset:
    """Read PASCAL-S, images 1 to 850, without its salient objects.

    The published coordinates are whole pixels from 1, row before column; a fixation is at the center of its pixel.

    Args:
        root: Folder with ``datasets/imgs/pascal`` and ``datasets/fixations``.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities.

    Raises:
        MissingFilesError: If the folder or a file is missing.
        CorruptFileError: If a file cannot be read.
    """
    root = Path(root)
    places = list(unpacked(root, "datasets", "salObj/datasets"))
    base = PASCAL_S.locate(root, places, "imgs/pascal", "fixations/pascalFix.mat")
    images = numbered(files_by_stem(base / "imgs" / "pascal", (".jpg",)))
    mat = base / "fixations" / "pascalFix.mat"
    every = cache(lambda: read_fixations(mat))

    def points(key: str) -> list[Scanpath]:
        if int(key) > len(every()):
            raise CorruptFileError(f"{mat} lacks image {key}: it holds {len(every())}. Unpack salObj.zip again.")
        return every()[int(key) - 1]

    return read_dataset(
        root,
        name="pascal_s",
        images=images,
        points=points,
        annotations=[mat],
        density_sigma=density_sigma,
        reading=reading,
    )


def read_fixations(path: str | Path) -> list[list[Scanpath]]:
    """Read ``pascalFix.mat`` (MATLAB 7.3, so HDF5): per image one scanpath per observer, in pixels from 0."""
    with mat_errors(path, "Unpack salObj.zip again."), h5py.File(path, "r") as file:
        return [_scanpaths(file[reference][()]) for reference in file["fixCell"][()].ravel()]


def _scanpaths(rows: np.ndarray) -> list[Scanpath]:
    """Split the rows y, x and observer (MATLAB's K x 3 matrix as read by h5py) into scanpaths."""
    if rows.ndim != 2 or rows.shape[0] != 3:  # MATLAB stores the two sizes of an empty matrix
        return []
    y, x, observer = rows.astype(np.float64)
    points = np.stack([x, y], 1) - 0.5
    return [Scanpath(points[observer == who], int(who) - 1) for who in sorted(set(observer.tolist()))]
