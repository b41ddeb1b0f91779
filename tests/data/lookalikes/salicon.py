"""SALICON as published: images, maps and fixations of three splits; test has .mat files without gaze."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import scipy.io

GAZE = [("location", "O"), ("timestamp", "O"), ("fixations", "O")]


def write_mat(path: Path, fixations: list, size: tuple[int, int] = (48, 64), dtype=np.uint16) -> None:
    """A .mat as SALICON's: 1-based whole pixels, one struct per observer, in an (N, 1) array."""
    gaze = np.zeros((len(fixations), 1), dtype=GAZE)
    for k, points in enumerate(fixations):
        points = np.asarray(points, dtype=dtype) if len(points) else np.zeros((0, 0))
        gaze[k, 0] = (np.zeros((5, 2)), np.zeros((5, 1)), points)
    content = {"image": path.stem, "resolution": np.array([size], np.uint16)}
    scipy.io.savemat(path, content | ({"gaze": gaze} if fixations else {}), do_compression=True)


def write_salicon(root: Path, split: str, names: list[str], size: tuple[int, int] = (48, 64)) -> dict[str, list]:
    """One split in the published layout; returns the 1-based fixations per name and observer."""
    rng = np.random.default_rng(7)
    written = {}
    for kind in ("images", "maps", "fixations") if split != "test" else ("images", "fixations"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    for name in names:
        picture = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / split / f"{name}.jpg"), picture)
        counts = (3, 0, 2) if split != "test" else ()
        written[name] = [rng.integers([1, 1], [size[1] + 1, size[0] + 1], (k, 2)).tolist() for k in counts]
        write_mat(root / "fixations" / split / f"{name}.mat", written[name], size)
        if split != "test":
            cv2.imwrite(str(root / "maps" / split / f"{name}.png"), picture[..., 0])
    return written


def coco_names(split: str, count: int) -> list[str]:
    return [f"COCO_{split}2014_{number:012d}" for number in range(7, 7 + 3 * count, 3)]
