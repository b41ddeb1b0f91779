"""PASCAL-S as published: pictures and a MATLAB 7.3 file of references to (K, 3) matrices, row first."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from tests.data.lookalikes.pictures import write_picture

SIZES = ((30, 40), (40, 30), (37, 50))


def write_pascal_s(root: Path, count: int = 11) -> list[list[tuple[int, int, int]]]:
    """The archive, unpacked; returns (row, column, observer) from 1 as written, per image from 1."""
    base = root / "datasets"
    written = []
    for number in range(1, count + 1):
        height, width = SIZES[number % 3]
        write_picture(base / "imgs" / "pascal" / f"{number}.jpg", (height, width), number)
        write_picture(base / "masks" / "pascal" / f"{number}.png", (height, width), gray=True)
        write_picture(base / "algmaps" / "pascal" / "humanFix" / f"{number}.png", (height, width), gray=True)
        written.append([(1, 1, 1), (height, width, 2), (number, 3, 1), (2, 2 * number, 8)])
    (base / "fixations").mkdir()
    with h5py.File(base / "fixations" / "pascalFix.mat", "w", userblock_size=512) as file:
        references = file.create_dataset("fixCell", (1, count), dtype=h5py.ref_dtype)
        for k, rows in enumerate(written):
            values = file.create_dataset(f"#refs#/{k}", data=np.array(rows, float).T)
            references[0, k] = values.ref
    with (base / "fixations" / "pascalFix.mat").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return written
