"""Toronto as published: pictures, a cell of binary maps, and raw files whose coordinates are another screen's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from tests.data.lookalikes.pictures import cell, write_picture

SIZE = (51, 68)


def write_toronto(root: Path, count: int = 11, size: tuple[int, int] = SIZE) -> list[list[tuple[int, int]]]:
    """The archive, unpacked; returns the fixated pixels (x, y) from 0, per image from 1."""
    base = root / "eyetrackingdata" / "fixdens"
    maps, written = [], []
    for number in range(1, count + 1):
        write_picture(base / "Original Image Set" / f"{number}.jpg", size, number)
        write_picture(
            base / "Density Maps produced from raw experimental eye tracking data" / f"d{number}.jpg", size, gray=True
        )
        points = [(0, 0), (size[1] - 1, size[0] - 1), (number, 2 * number)]
        values = np.zeros(size)
        for x, y in points:
            values[y, x] = 1
        maps.append(values)
        written.append(points)
    (base / "Raw" / "s1").mkdir(parents=True)
    (base / "Raw" / "s1" / "1.fix").write_text("1000 2000 0.2\n")
    scipy.io.savemat(base / "origfixdata.mat", {"white": cell(maps, (1, count))}, do_compression=True)
    return written
