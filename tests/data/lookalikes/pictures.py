"""Small pictures and structs that all look-alikes are made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_picture(path: Path, size: tuple[int, int], seed: int = 0, *, gray: bool = False) -> None:
    """Noise of a size (H, W), coarse enough for JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 5) if gray else (4, 5, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (width, height)))


def struct(**fields: object) -> np.ndarray:
    """A MATLAB struct (1,1) with its fields in this order."""
    made = np.zeros((1, 1), dtype=[(name, "O") for name in fields])
    made[0, 0] = tuple(fields.values())
    return made


def cell(items: list[object], shape: tuple[int, int] | None = None) -> np.ndarray:
    """A MATLAB cell, a column by default."""
    made = np.empty(shape or (len(items), 1), dtype=object)
    for place, item in zip(np.ndindex(made.shape), items, strict=True):
        made[place] = item
    return made
