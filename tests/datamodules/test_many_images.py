"""Many images: starting takes seconds and little memory, and so does a center bias."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from explainsal.classical.center_bias import CenterBias

COUNT = 15_000
START = """
import re, time
from explainsal.datamodules.folder import FolderDataModule

begin = time.process_time()
module = FolderDataModule("mine", batch_size=16, num_workers=0, density_sigma=2.0)
module.prepare_data()
module.setup("fit")
next(iter(module.train_dataloader()))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())  # getrusage knows the parent's peak, too
print(time.process_time() - begin, int(peak[1]) / 1e6)  # s, GB
"""


@pytest.mark.slow
def test_15_000_tiny_images_start_within_seconds(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    picture = cv2.imencode(".png", np.zeros((12, 16, 3), np.uint8))[1].tobytes()
    names = [f"p{i:05}" for i in range(COUNT)]
    for name in names:
        (root / "images" / f"{name}.png").write_bytes(picture)
    rows = [f"{name},{k % 16},{k % 12}" for name in names for k in range(20)]
    (root / "fixations.csv").write_text("\n".join(["image,x,y", *rows]) + "\n")
    parts = {"train": names[:14_000], "val": names[14_000:14_500], "test": names[14_500:]}
    (root / "splits.json").write_text(json.dumps(parts))
    for seconds in (15, 5):  # the first time, and then
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        said = subprocess.run(
            [sys.executable, "-c", START], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        spent, memory = map(float, said.stdout.split()[-2:])
        assert spent < seconds
        assert memory < 1


def fit_many(grown: multiprocessing.Queue) -> None:
    points, sizes = [torch.tensor([[3.0, 4.0]])] * 3000, [(12, 16)] * 3000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    CenterBias.fit(points, sizes)
    grown.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def test_a_centre_bias_takes_no_memory_per_image() -> None:
    context = multiprocessing.get_context("fork")  # whose peak of memory is its own
    grown = context.Queue()
    process = context.Process(target=fit_many, args=(grown,))
    process.start()
    assert grown.get(timeout=60) < 100_000  # kB; the grids of all images are 400 MB
    process.join()
