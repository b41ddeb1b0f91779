"""CAT2000 as published: trainSet with allFixData.mat (containers.Map), testSet, and other models' maps in Output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from matio import save_to_mat
from matio.utils.matclass import MatlabContainerMap
from PIL import Image
from tests.data.lookalikes.pictures import cell, struct, write_picture

CATEGORIES = ("Action", "BlackWhite", "Satelite")
NUMBERS = (1, 2, 10, 134)
SIZE = (27, 48)


def write_cat2000(root: Path, size: tuple[int, int] = SIZE) -> dict[str, list[tuple[str, list[list[float]]]]]:
    """Both archives, unpacked; returns per ``<Category>/<nnn>`` the observers with their points as written, from 1.

    Every scanpath holds a repetition, a row of NaN, and points just inside and just outside of the image.
    """
    height, width = size
    written = {}
    for k, category in enumerate(CATEGORIES):
        for number in NUMBERS:
            key = f"{category}/{number:03d}"
            for part in ("trainSet", "testSet"):
                picture = root / part / "Stimuli" / f"{key}.jpg"
                write_picture(picture, size, 100 * k + number, gray=category == "BlackWhite")
                write_picture(picture.parent / "Output" / f"{number:03d}_SaliencyMap.jpg", size, gray=True)
            own = [float(5 + k), float(number % height + 1)]
            paths = [
                ("ak", [[1, 1], own, own, [np.nan, np.nan], [width, height], [width + 1, 3]]),
                ("zz", [own, [0.0, 4], own, [2, height + 1]]),
            ]
            written[key] = paths if number != 10 else paths[:1]
            _write_locations(root / "trainSet" / "FIXATIONLOCS" / f"{key}.mat", written[key], size)
    rotate(root / "testSet" / "Stimuli" / "Satelite" / "134.jpg")
    records = {
        f"{key}.jpg": cell([struct(name=f"24-53-{who}.eye", data=np.array(points, float)) for who, points in paths])
        for key, paths in written.items()
    }
    save_to_mat(str(root / "trainSet" / "allFixData.mat"), {"allData": MatlabContainerMap(records)}, version="v7")
    return written


def rotate(path: Path) -> None:
    """Give a JPEG the tag that asks viewers to turn it by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.load()
        image.save(path, exif=exif)


def _write_locations(path: Path, paths: list, size: tuple[int, int]) -> None:
    located = np.zeros(size, np.uint8)
    for x, y in (point for _, points in paths for point in points):
        if 1 <= x <= size[1] and 1 <= y <= size[0]:
            located[int(y) - 1, int(x) - 1] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"fixLocs": located}, do_compression=True)
