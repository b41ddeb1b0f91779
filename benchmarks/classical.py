"""Measure the time per 600 x 800 image of the classical models, compared with ../shared/CLASSICAL.md, section 7.

    OMP_NUM_THREADS=1 python benchmarks/classical.py [--runs 5]

The NumPy versions are not shipped, and their times (1 core) are from another machine: ratios are orders of magnitude.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from explainsal.classical import MODELS, classical_model

NUMPY = {"itti": 0.15, "icl": 0.06, "hft": 0.08, "sim2011": 2.0, "sim_grouping": 1.2}  # seconds
IMAGES = 2  # per batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.rand(IMAGES, 3, 600, 800, generator=torch.Generator().manual_seed(0))
    for name in MODELS:
        model = classical_model(name)
        model(images)
        times = []
        for _ in range(options.runs):
            start = time.process_time()
            model(images)
            times.append((time.process_time() - start) / IMAGES)
        beside = f"NumPy {NUMPY[name]:.2f} s" if name in NUMPY else ""
        print(f"{name:18s} {np.median(times):6.3f} s of CPU time  {beside}", flush=True)


if __name__ == "__main__":
    main()
