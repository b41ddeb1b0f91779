"""Toronto: 120 images of 681 x 511, 20 observers for 4 s, pooled; Bruce & Tsotsos, 2005."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import image_size
from explainsal.data.ground_truth import find_points
from explainsal.data.listing import files_by_stem, numbered, unpacked
from explainsal.data.mat import mat_errors, read_mat
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.sources import TORONTO
from explainsal.errors import CorruptFileError

SIGMA = 20.0  # px, about one degree of visual angle; the authors give no value
PICTURES = "Original Image Set"


def read_toronto(root: str | Path, *, density_sigma: float = SIGMA, reading: Reading | None = None) -> SaliencyDataset:
    """Read Toronto, images 1 to 120.

    Ground truth is ``origfixdata.mat``: the fixated pixels of all observers, each once. The coordinates in the folder
    ``Raw`` do not match the pictures.

    Args:
        root: Folder with ``eyetrackingdata/fixdens``.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities.

    Raises:
        MissingFilesError: If the folder or a file is missing.
        CorruptFileError: If a file cannot be read, or differs in size from its image.
    """
    root = Path(root)
    places = [place for base in unpacked(root, "eyetrackingdata") for place in (base / "fixdens", base)]
    base = TORONTO.locate(root, places, PICTURES, "origfixdata.mat")
    images = numbered(files_by_stem(base / PICTURES, (".jpg",)))
    mat = base / "origfixdata.mat"
    maps = cache(lambda: read_fixation_maps(mat))
    return read_dataset(
        root,
        name="toronto",
        images=images,
        points=lambda key: [_points(maps(), int(key), image_size(images[key]), mat)],
        annotations=[mat],
        density_sigma=density_sigma,
        reading=reading,
    )


def read_fixation_maps(path: str | Path) -> list[np.ndarray]:
    """Read the binary maps in ``origfixdata.mat``, one per image, with 1 at fixated pixels."""
    remedy = "Unpack eyetrackingdata.zip again."
    with mat_errors(path, remedy):
        return [np.asarray(values) for values in read_mat(path, remedy, variable_names=["white"])["white"].ravel()]


def _points(maps: list[np.ndarray], number: int, size: tuple[int, int], mat: Path) -> np.ndarray:
    if number > len(maps):
        raise CorruptFileError(f"{mat} holds {len(maps)} maps, but none of image {number}. Unpack the archive again.")
    values = maps[number - 1]
    if values.shape != size:
        raise CorruptFileError(
            f"image {number} is {size[0]} x {size[1]} pixels (H x W), but its map in {mat} is {values.shape}"
        )
    return find_points(values > 0)
