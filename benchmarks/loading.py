"""Measure the training loader's images per second at SALICON's full size, against a plain loader that opens every file.

    OMP_NUM_THREADS=1 python benchmarks/loading.py [--images 2000] [--distinct 100] [--round 240] [--rounds 5]
                                                   [--workers 0 1 2] [--root FOLDER]

The files are generated: 640 x 480 JPEG, 8-bit PNG, and .mat files with SALICON 2017's average number of observers,
fixations and gaze samples (60 x 8.3 x 48: 500 fixations, 24,000 samples). `--distinct` scenes are drawn and copied
until there are `--images` of each. The plain loader follows common public code: Pillow for image and map,
scipy.io.loadmat for the fixations of every image in every epoch. All loaders yield batches of 8 of the same `--round`
images, alternating in the same process. Results are median and range over the rounds without the first, which starts
the workers. Finally, the script measures the private memory of all processes over an epoch of all images, and the time
to open an index of 15,000 images.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from itertools import product
from pathlib import Path
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.io
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset

from explainsal.app.cli import conf_dir
from explainsal.data import reading
from explainsal.data.augmentation import Augmentation
from explainsal.data.fixation_table import FixationTable
from explainsal.data.salicon import read_salicon
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.synthetic import SyntheticSettings, write_synthetic
from explainsal.datamodules.salicon import SaliconDataModule

DECODED = ("none", "maps", "all")


class PlainDataset(Dataset):
    """Data set that opens every file for every sample."""

    def __init__(self, root: Path, augment: Augmentation | None = None) -> None:
        self.root, self.augment = root, augment
        self.stems = sorted(path.stem for path in (root / "images" / "train").glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> SaliencySample:
        stem = self.stems[index]
        image = np.asarray(Image.open(self.root / "images" / "train" / f"{stem}.jpg").convert("RGB"))
        density = np.asarray(Image.open(self.root / "maps" / "train" / f"{stem}.png").convert("L"))
        gaze = scipy.io.loadmat(self.root / "fixations" / "train" / f"{stem}.mat")["gaze"]
        fixations = np.concatenate([g.reshape(-1, 2) for g in gaze["fixations"].ravel()]).astype(float) - 0.5
        sample = SaliencySample(stem, index, image, fixations, density)
        return self.augment(sample) if self.augment else sample


def settings(images: int) -> SyntheticSettings:
    return SyntheticSettings(
        seed=0,
        size=(480, 640),
        counts={"train": images, "val": 1, "test": 1},
        observers=60,
        fixations=8.3,
        sigma=24.0,
        samples=48,
        name="COCO_{split}2014_{number:012d}",
    )


def copied(root: Path, distinct: int, images: int) -> None:
    """Write a separate file per image."""
    for kind in ("images", "maps", "fixations"):
        files = sorted((root / kind / "train").iterdir())[:distinct]
        for number in range(distinct, images):
            source = files[number % distinct]
            target = source.with_name(f"COCO_train2014_{number + 1:012d}{source.suffix}")
            if not target.exists():
                shutil.copyfile(source, target)


def loaders(root: Path, workers: int, chosen: range) -> dict[str, DataLoader]:
    options = {"release": "2017", "batch_size": 8, "num_workers": workers}
    found = {}
    for name, augment in {"plain": None, "plain, albumentations": modest()}.items():
        found[name] = DataLoader(
            Subset(PlainDataset(root, augment), chosen), 8, shuffle=True, num_workers=workers, drop_last=True,
            collate_fn=SaliencyBatch.collate, persistent_workers=workers > 0,
        )  # fmt: skip
    for decoded, augmented in product(DECODED, (False, True)):
        module = SaliconDataModule(root, decoded=decoded, **options)
        dataset = module.dataset("train").select(chosen)
        dataset = dataset.with_transform(modest()) if augmented else dataset
        found[f"decoded={decoded}{', augmented' * augmented}"] = module.loader(dataset, position=lambda: (0, 0))
    return found


def modest() -> Augmentation:
    """Return the augmentation of the recipes."""
    return instantiate(OmegaConf.load(Path(conf_dir()) / "data" / "augmentation" / "modest.yaml"))


def run(loader: DataLoader) -> tuple[float, float]:
    """Return images per second, and milliseconds of CPU per image of this process and the workers."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    images = sum(len(batch) for batch in loader)
    return images / (time.perf_counter() - wall), (cpu_seconds() - cpu) / images * 1e3


def processes() -> list[int]:
    """Return the ids of this process and its workers (Linux)."""
    found = [os.getpid()]
    for process in found:
        found += map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
    return found


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its workers so far."""
    others = processes()[1:]
    ticks = [sum(map(int, Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[11:13])) for p in others]
    return time.process_time() + sum(ticks) / os.sysconf("SC_CLK_TCK")


def resident() -> float:
    """Return the private memory of this process and its workers in MB."""
    total = 0
    for process in processes():
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    return total / 1024


def speed(root: Path, workers: int, rounds: int, chosen: range) -> None:
    ready = loaders(root, workers, chosen)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ready}
    for _ in range(rounds + 1):
        for name, loader in ready.items():
            runs[name].append(run(loader))
    plain, plain_cost = map(statistics.median, zip(*runs["plain"][1:], strict=True))
    for name, all_runs in runs.items():
        rates, costs = zip(*all_runs[1:], strict=True)
        rate, cost = statistics.median(rates), statistics.median(costs)
        line = f"{name:26} {workers:7d} {rate:9.0f} {min(rates):7.0f}..{max(rates):<7.0f} {rate / plain:5.1f}"
        print(f"{line} {cost:12.2f} {plain_cost / cost:5.1f}", flush=True)


def memory(root: Path) -> None:
    """Print the memory at every tenth of one epoch."""
    loader = SaliconDataModule(
        root, release="2017", batch_size=8, num_workers=1, decoded="all", augmentation=modest()
    ).train_dataloader()
    step = max(1, len(loader) // 10)
    levels = [resident() for number, _ in enumerate(loader) if number % step == step - 1]
    print(f"private memory at every tenth of an epoch, one worker: {', '.join(f'{m:.0f}' for m in levels)} MB")


def index(folder: Path, images: int) -> None:
    """Time listing, checking and opening an index, without parsing: files are empty and the table is artificial."""
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
        for _ in range(4):  # the first run writes the table
            start, cpu = time.perf_counter(), time.process_time()
            read_salicon(folder, "train", release="2017")
            taken.append((time.perf_counter() - start, time.process_time() - cpu))
    size = next((folder / ".explainsal").glob("*.npz")).stat().st_size
    wall, cpu = (statistics.median(column) for column in zip(*taken[1:], strict=True))
    print(f"an index of {images:,} images ({size / 1e6:.0f} MB) opens in {wall:.2f} s, {cpu:.2f} s of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--distinct", type=int, default=100)
    parser.add_argument("--round", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--index", type=int, default=15_000)
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.root or Path(temporary) / "salicon"
        write_synthetic(root, settings(args.distinct))
        copied(root, args.distinct, args.images)
        size = sum(p.stat().st_size for kind in ("images", "maps", "fixations") for p in (root / kind).rglob("*.*"))
        start = time.perf_counter()
        for decoded in ("none", "all"):
            SaliconDataModule(root, release="2017", batch_size=8, decoded=decoded).dataset("train")
        cached = sum(p.stat().st_size for p in (root / ".explainsal").iterdir())
        print(
            f"{args.images} images, {size / args.images / 1e3:.0f} kB each; indexing and decoding once: "
            f"{(time.perf_counter() - start) / args.images * 1e3:.1f} ms and {cached / args.images / 1e3:.0f} kB each"
        )
        heads = f"{'loader':26} {'workers':>7} {'images/s':>9} {'range':>16} {'ratio':>5}"
        print(f"{heads} {'CPU ms/image':>12} {'ratio':>5}")
        for workers in args.workers:
            speed(root, workers, args.rounds, range(0, args.images, max(1, args.images // args.round)))
        memory(root)
        index(Path(temporary) / "index", args.index)


if __name__ == "__main__":
    main()
