"""OSIE as published: the repository's data folder, one .mat file of cells in cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from tests.data.lookalikes.pictures import cell, struct, write_picture

SIZE = (60, 80)


def write_osie(root: Path, numbers: range, size: tuple[int, int] = SIZE) -> dict[str, list[np.ndarray]]:
    """``data/stimuli`` and ``data/eye`` with three observers; returns the points as written, from 1, by image."""
    base = root / "predicting-human-gaze-beyond-pixels-master" / "data"
    rng = np.random.default_rng(0)
    written, images = {}, []
    for number in numbers:
        write_picture(base / "stimuli" / f"{number}.jpg", size, number)
        points = [np.round(rng.uniform(1.2, size[::-1], (k, 2)), 1) for k in (1, 3, 2)]
        subjects = [
            struct(fix_x=p[:, :1].T, fix_y=p[:, 1:].T, fix_duration=np.full((1, len(p)), 200, np.uint8)) for p in points
        ]
        images.append(struct(img=f"{number}.jpg", subjects=cell(list(subjects))))
        written[str(number)] = points
    (base / "eye").mkdir()
    scipy.io.savemat(base / "eye" / "fixations.mat", {"fixations": cell(images)}, do_compression=True)
    return written
