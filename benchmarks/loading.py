"""Images per second of the training loader at SALICON's full size, against a plain loader that opens every file.

    OMP_NUM_THREADS=1 python benchmarks/loading.py [--images 96] [--epochs 5] [--workers 0 1 2] [--root FOLDER]

The files are generated: 640 x 480 JPEG, 8-bit PNG, and .mat files with as many observers, fixations and gaze samples
as SALICON's 2017 release has on average (60 x 7.7 x 47). The plain loader is what most public code does: Pillow for
image and map, scipy.io.loadmat for the fixations of every image in every epoch. Both yield the same batches of 8, in
the same process, alternating; median over the epochs, the first one (which starts the workers) left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.io
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.synthetic import SyntheticSettings, write_synthetic
from explainsal.data.transforms import training_augmentation
from explainsal.datamodules.salicon import SaliconDataModule

MODEST = {"flip": 0.5, "affine": 0.5, "photometric": 0.5, "zoom": 1.2, "rotate": 3.0}


class PlainDataset(Dataset):
    """Every file opened for every sample."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stems = sorted(path.stem for path in (root / "images" / "train").glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> SaliencySample:
        stem = self.stems[index]
        image = np.asarray(Image.open(self.root / "images" / "train" / f"{stem}.jpg").convert("RGB"))
        density = np.asarray(Image.open(self.root / "maps" / "train" / f"{stem}.png").convert("L"))
        gaze = scipy.io.loadmat(self.root / "fixations" / "train" / f"{stem}.mat")["gaze"]
        fixations = np.concatenate([g.reshape(-1, 2) for g in gaze["fixations"].ravel()]).astype(float) - 0.5
        return SaliencySample(stem, index, image, fixations, density)


def settings(images: int) -> SyntheticSettings:
    return SyntheticSettings(
        seed=0,
        size=(480, 640),
        counts={"train": images, "val": 1, "test": 1},
        observers=60,
        fixations=7.7,
        sigma=24.0,
        samples=47,
        name="COCO_{split}2014_{number:012d}",
    )


def loaders(root: Path, workers: int) -> dict[str, DataLoader]:
    plain = DataLoader(
        PlainDataset(root), 8, shuffle=True, num_workers=workers, collate_fn=SaliencyBatch.collate,
        persistent_workers=workers > 0,
    )  # fmt: skip
    options = {"release": "2017", "batch_size": 8, "num_workers": workers}
    return {
        "plain": plain,
        "explainsal": SaliconDataModule(root, **options).train_dataloader(),
        "explainsal, augmented": SaliconDataModule(
            root, augmentation=training_augmentation(**MODEST), **options
        ).train_dataloader(),
    }


def run(loader: DataLoader) -> tuple[float, float]:
    """Images per second, and milliseconds of this process's CPU per image (all of the work, without workers)."""
    wall, cpu = time.perf_counter(), time.process_time()
    images = sum(len(batch) for batch in loader)
    return images / (time.perf_counter() - wall), (time.process_time() - cpu) / images * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.root or Path(temporary) / "salicon"
        write_synthetic(root, settings(args.images))
        start = time.perf_counter()
        SaliconDataModule(root, release="2017", batch_size=8).dataset("train")
        parsing = time.perf_counter() - start
        size = sum(p.stat().st_size for p in root.rglob("*.*") if p.is_file()) / args.images
        print(
            f"{args.images} images, {size / 1e3:.0f} kB each; indexing once: {parsing / args.images * 1e3:.1f} ms each"
        )
        print(f"{'loader':24} {'workers':>7} {'images/s':>9} {'ratio':>6} {'CPU ms/image':>13}")
        for workers in args.workers:
            ready = loaders(root, workers)
            runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ready}
            for _ in range(args.epochs + 1):
                for name, loader in ready.items():
                    runs[name].append(run(loader))
            medians = {
                name: [statistics.median(column) for column in zip(*r[1:], strict=True)] for name, r in runs.items()
            }
            for name, (rate, cpu) in medians.items():
                cost = f"{cpu:13.1f}" if workers == 0 else ""
                print(f"{name:24} {workers:7d} {rate:9.0f} {rate / medians['plain'][0]:6.1f} {cost}")


if __name__ == "__main__":
    main()
