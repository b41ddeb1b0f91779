"""SALICON as published: images, maps and fixations of three splits; test has .mat files without gaze."""

from __future__ import annotations

import json
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


def write_json(path: Path, samples: dict[str, list], size: tuple[int, int] = (48, 64)) -> None:
    """The COCO-style file of 2015: pairs of row and column from 1, one annotation per observer, images in any order."""
    numbers = {name: int(name[-12:]) for name in samples}
    images = [
        {
            "id": number,
            "file_name": f"{name}.jpg",
            "height": size[0],
            "width": size[1],
            "license": 3,
            "url": "http://x/[1]",
        }
        for name, number in reversed(numbers.items())
    ]
    pairs = [
        {"image_id": numbers[name], "worker_id": k, "fixations": [[y, x] for x, y in points]}
        for name, observers in samples.items()
        for k, points in enumerate(observers)
    ]
    annotations = [{"id": i, **pair} for i, pair in enumerate(pairs)]
    licenses = [{"id": 3, "name": 'with "annotations": [', "url": "http://x"}]
    content = {"info": {}, "images": images, "licenses": licenses, "type": "fixations", "annotations": annotations}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_lsun(
    path: Path, fixations: dict[str, list], samples: dict[str, list], size: tuple[int, int] = (48, 64)
) -> None:
    """The LSUN challenge's file of 2015: one struct array (1, N) with the gaze of every image."""
    images = np.zeros((1, len(fixations)), [("image", "O"), ("resolution", "O"), ("gaze", "O")])
    for i, name in enumerate(fixations):
        gaze = np.zeros((len(fixations[name]), 1), dtype=GAZE)
        for k, points in enumerate(fixations[name]):
            points = np.asarray(points, np.uint16) if len(points) else np.zeros((0, 0))
            location = np.asarray(samples[name][k], float) if len(samples[name][k]) else np.zeros((0, 0))
            gaze[k, 0] = (location, np.zeros((len(location), 1)), points)
        images[0, i] = (name, np.array([size], np.uint16), gaze)
    scipy.io.savemat(path, {path.stem: images}, do_compression=True)
