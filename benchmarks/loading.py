"""Images per second of the training loader at SALICON's full size, against a plain loader that opens every file.

    OMP_NUM_THREADS=1 python benchmarks/loading.py [--images 200] [--epochs 5] [--workers 0 1 2] [--root FOLDER]

The files are generated: 640 x 480 JPEG, 8-bit PNG, and .mat files with as many observers, fixations and gaze samples
as SALICON's 2017 release has on average (60 x 7.7 x 47). The plain loader is what most public code does: Pillow for
image and map, scipy.io.loadmat for the fixations of every image in every epoch. All yield the same batches of 8, in
the same process, alternating; median and range over the epochs, the first one (which starts the workers) left out.
Then: resident memory of all processes over the epochs, and how long an index of 15,000 images takes to open.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.io
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from explainsal.data import reading
from explainsal.data.fixation_table import FixationTable
from explainsal.data.salicon import read_salicon
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.synthetic import SyntheticSettings, write_synthetic
from explainsal.data.transforms import training_augmentation
from explainsal.datamodules.salicon import SaliconDataModule

MODEST = {"flip": 0.5, "affine": 0.5, "photometric": 0.5, "zoom": 1.2, "rotate": 3.0}
DECODED = ("none", "maps", "all")


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
    ours = {f"decoded={d}": SaliconDataModule(root, decoded=d, **options).train_dataloader() for d in DECODED}
    augmented = SaliconDataModule(root, decoded="all", augmentation=training_augmentation(**MODEST), **options)
    return {"plain": plain, **ours, "decoded=all, augmented": augmented.train_dataloader()}


def run(loader: DataLoader) -> tuple[float, float]:
    """Images per second, and milliseconds of this process's CPU per image (all of the work, without workers)."""
    wall, cpu = time.perf_counter(), time.process_time()
    images = sum(len(batch) for batch in loader)
    return images / (time.perf_counter() - wall), (time.process_time() - cpu) / images * 1e3


def resident() -> float:
    """Private memory of this process and its workers in MB (Linux)."""
    total, processes = 0, [os.getpid()]
    for process in processes:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        processes += map(int, children)
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    return total / 1024


def speed(root: Path, workers: int, epochs: int) -> None:
    ready = loaders(root, workers)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ready}
    for _ in range(epochs + 1):
        for name, loader in ready.items():
            runs[name].append(run(loader))
    plain = statistics.median(rate for rate, _ in runs["plain"][1:])
    for name, all_runs in runs.items():
        rates, costs = zip(*all_runs[1:], strict=True)
        rate, cost = statistics.median(rates), f"{statistics.median(costs):9.2f}" if workers == 0 else ""
        print(f"{name:24} {workers:7d} {rate:9.0f} {min(rates):7.0f}..{max(rates):<7.0f} {rate / plain:5.1f} {cost}")


def memory(root: Path, epochs: int) -> None:
    loader = SaliconDataModule(
        root, release="2017", batch_size=8, num_workers=1, decoded="all", augmentation=training_augmentation(**MODEST)
    ).train_dataloader()
    levels = []
    for _ in range(epochs):
        run(loader)
        levels.append(resident())
    print(f"private memory after each of {epochs} epochs, one worker: {', '.join(f'{m:.0f}' for m in levels)} MB")


def index(folder: Path, images: int) -> None:
    """Files are empty and the table is made up: what is timed is listing, checking and opening, not parsing."""
    for kind, suffix in (("images", "jpg"), ("maps", "png"), ("fixations", "mat")):
        (folder / kind / "train").mkdir(parents=True)
        for number in range(images):
            (folder / kind / "train" / f"COCO_train2014_{number:012d}.{suffix}").touch()
    ids = [f"COCO_train2014_{number:012d}" for number in range(images)]
    points = np.random.default_rng(0).integers(0, 480, (images * 478, 2)).astype(np.float32) + np.float32(0.5)
    table = FixationTable.from_observers(ids, [(480, 640)] * images, [[p] for p in np.split(points, images)])
    taken = []
    binary = mock.patch("explainsal.data.salicon._is_fixation_map", return_value=False)
    with mock.patch.object(reading, "_parse", return_value=table), binary:
        for _ in range(4):  # the first one writes the table
            start, cpu = time.perf_counter(), time.process_time()
            read_salicon(folder, "train", release="2017")
            taken.append((time.perf_counter() - start, time.process_time() - cpu))
    size = next((folder / ".explainsal").glob("*.npz")).stat().st_size
    wall, cpu = (statistics.median(column) for column in zip(*taken[1:], strict=True))
    print(f"an index of {images:,} images ({size / 1e6:.0f} MB) opens in {wall:.2f} s, {cpu:.2f} s of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--index", type=int, default=15_000)
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.root or Path(temporary) / "salicon"
        write_synthetic(root, settings(args.images))
        size = sum(p.stat().st_size for kind in ("images", "maps", "fixations") for p in (root / kind).rglob("*.*"))
        start = time.perf_counter()
        for decoded in ("none", "all"):
            SaliconDataModule(root, release="2017", batch_size=8, decoded=decoded).dataset("train")
        cached = sum(p.stat().st_size for p in (root / ".explainsal").iterdir())
        print(
            f"{args.images} images, {size / args.images / 1e3:.0f} kB each; indexing and decoding once: "
            f"{(time.perf_counter() - start) / args.images * 1e3:.1f} ms and {cached / args.images / 1e3:.0f} kB each"
        )
        print(f"{'loader':24} {'workers':>7} {'images/s':>9} {'range':>16} {'ratio':>5} {'CPU ms/image':>13}")
        for workers in args.workers:
            speed(root, workers, args.epochs)
        memory(root, args.epochs)
        index(Path(temporary) / "index", args.index)


if __name__ == "__main__":
    main()
