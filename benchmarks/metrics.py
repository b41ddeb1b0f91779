"""Measure the speed of the metrics SIM, CC, NSS, KLD, AUC, AUC-Judd, sAUC: one thread, 480x640, float64, batches.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py [--batch 8] [--runs 15] [--maps smooth]

The metrics run on compiled loops (the default) and in plain PyTorch, in batches. In the same process and in turns,
image by image, run NumPy code with a sort per AUC (tests/reference) and pysaliency itself if it can be imported (0.2.22
needs numpy < 2.4 and setuptools < 81, i.e. a separate environment). Results are CPU time of this process, median and
quartiles; only the ratio is comparable between machines and loads.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from tests.reference import metrics as reference

from explainsal.functional import metrics
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.metrics import Maps, Nonfixations, Points
from explainsal.types import DensityMap, FixationBatch

SIZE = (480, 640)
FIXATIONS = 130  # per image, as in OSIE
POOL = 700  # images
SALICON = (5000, 420)  # validation images, fixations per image
NAMES = ("sim", "cc", "nss", "kld", "auc", "auc_judd", "sauc")


def maps(kind: str, images: int, generator: np.random.Generator) -> np.ndarray:
    """Return predictions: blobs with some texture as from a network, the same in 8 bits, or noise."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    out = []
    for _ in range(images):
        centres = generator.random((5, 2)) * SIZE
        blobs = sum(np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / (2 * 70**2)) for r, c in centres)
        out.append(blobs + 0.02 * generator.random(SIZE))
    stack = np.stack(out)
    if kind == "uint8":
        return np.floor(stack / stack.max((1, 2), keepdims=True) * 255)
    return generator.random(stack.shape) if kind == "noise" else stack


def draw(density: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw points (x, y) from a density, a tenth of them uniformly."""
    p = 0.9 * density.ravel() / density.sum() + 0.1 / density.size
    pixel = generator.choice(density.size, count, p=p)
    return np.stack([pixel % SIZE[1], pixel // SIZE[1]], 1) + generator.random((count, 2))


def timed(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


class Ours:
    """All metrics of a batch, from shared parts, as in `SaliencyMetrics`."""

    def __init__(
        self, preds: np.ndarray, density: np.ndarray, points: list[np.ndarray], pool: Nonfixations, fast: bool
    ) -> None:
        self.fast = fast
        self.preds, self.density = torch.from_numpy(preds), torch.from_numpy(density)
        self.fixations = FixationBatch.from_points([torch.from_numpy(p) for p in points])
        self.pool, self.index = pool, torch.arange(len(preds))

    def __call__(self) -> dict[str, np.ndarray]:
        with plain_only(not self.fast):
            return self.values()

    def values(self) -> dict[str, np.ndarray]:
        prepared, target = Maps(self.preds), Maps.of(DensityMap(self.density))
        placed = Points.of(self.fixations, SIZE)
        values = metrics.against_density(prepared, target, {"sim": {}, "cc": {}, "kld": {}}) | {
            "nss": metrics.nss(prepared, placed),
            "auc": metrics.auc(prepared, placed),
            "auc_judd": metrics.auc_judd(prepared, placed),
            "sauc": metrics.shuffled_auc(prepared, placed, self.pool.others(self.index, SIZE)),
        }
        return {name: value.numpy() for name, value in values.items()}


def plain(pred: np.ndarray, density: np.ndarray, points: reference.Points, others: reference.Points) -> list[float]:
    """Compute the metrics of one image with NumPy; AUCs by sorting."""
    rows, columns = np.array(points).T
    other_rows, other_columns = np.array(others).T
    positives = pred[rows, columns]
    return [
        reference.sim(pred, density),
        reference.cc(pred, density),
        reference.nss(pred, points),
        reference.kl_div(pred, density),
        reference.ranked_auc(positives, pred.ravel()),
        reference.ranked_auc_judd(pred, points),
        reference.ranked_auc(positives, pred[other_rows, other_columns]),
    ]


def pysaliency_calls(
    preds: np.ndarray, density: np.ndarray, points: list[np.ndarray], everyone: list[np.ndarray]
) -> dict[str, Callable[[int], object]] | None:
    """Return the calls of ../shared/fixtures/metrics/timing.md by image, or None if pysaliency cannot be imported."""
    try:
        import pysaliency
        from pysaliency import metrics as theirs
        from pysaliency.roc import general_rocs_per_positive
    except ImportError as error:
        print(f"pysaliency left out: {error}")
        return None

    class Given(pysaliency.SaliencyMapModel):
        def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
            return preds[int(stimulus[0, 0, 0])]

    images = range(len(preds))
    stimuli = pysaliency.Stimuli([np.full((*SIZE, 3), i, np.uint8) for i in images])
    columns, rows = ([p[:, axis] for p in points] for axis in (0, 1))
    times = [np.arange(len(p)) for p in points]
    trains = pysaliency.FixationTrains.from_fixation_trains(columns, rows, times, list(images), [0] * len(points))
    fixations = [trains[trains.n == i] for i in images]
    others = [np.concatenate([p for j, p in enumerate(everyone) if j != i]).astype(int).T for i in images]
    model = Given(caching=False)

    def at(i: int, xy: np.ndarray) -> np.ndarray:
        return preds[i][xy[1], xy[0]]

    def fixated(i: int) -> np.ndarray:
        return at(i, points[i].astype(int).T)

    return {
        "sim": lambda i: theirs.SIM(preds[i], density[i]),
        "cc": lambda i: theirs.CC(preds[i], density[i]),
        "nss": lambda i: theirs.NSS(preds[i], *points[i].astype(int).T).mean(),
        "kld": lambda i: theirs.MIT_KLDiv(preds[i], density[i]),
        "auc": lambda i: general_rocs_per_positive(fixated(i), preds[i].flatten()).mean(),
        "auc_judd": lambda i: model.AUC_Judd(stimuli, fixations[i], jitter=False),
        "sauc": lambda i: general_rocs_per_positive(fixated(i), at(i, others[i])).mean(),
    }


def salicon(preds: np.ndarray, density: np.ndarray, fast: bool) -> float:
    """Estimate seconds on two cores for a validation set from its pool of non-fixations and the first five batches."""
    images, fixations = SALICON
    points = list(np.random.default_rng(1).random((images, fixations, 2)) * SIZE[::-1])

    def pool() -> None:
        nonlocal ours
        everyone = Nonfixations(list(map(torch.from_numpy, points)), [SIZE] * images)
        ours = Ours(preds, density, points[: len(preds)], everyone, fast)
        ours()

    ours: Ours
    once = timed(pool)
    return once + images / len(preds) * float(np.median([timed(ours) for _ in range(5)])) / 2


def quartiles(seconds: list[float]) -> str:
    low, median, high = np.percentile(np.array(seconds) * 1e3, [25, 50, 75])
    return f"{median:7.2f} ms  [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--maps", choices=("smooth", "uint8", "noise"), default="smooth")
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    preds = maps(options.maps, options.batch, generator)
    density = maps("smooth", options.batch, generator)
    everyone = [draw(density[i % options.batch], FIXATIONS, generator) for i in range(POOL)]
    points = everyone[: options.batch]
    pool = Nonfixations([torch.from_numpy(p) for p in everyone], [SIZE] * POOL)
    fast, ours = (Ours(preds, density, points, pool, kernels) for kernels in (True, False))
    pixels = [[(int(y), int(x)) for x, y in p] for p in points]
    others = [[(int(y), int(x)) for j, p in enumerate(everyone) if j != i for x, y in p] for i in range(len(points))]
    calls = pysaliency_calls(preds, density, points, everyone)

    values, again = ours(), fast()  # warm-up, and check that all results agree
    for name, value in values.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-12, atol=1e-12)
    for i in range(options.batch):
        expected = plain(preds[i], density[i], pixels[i], others[i])
        for name, value in zip(NAMES, expected, strict=True):
            tolerance = 0.05 if name == "auc_judd" and options.maps == "uint8" else 1e-9  # another definition of ties
            assert abs(values[name][i] - value) < tolerance, (name, values[name][i], value)
    times: dict[str, list[float]] = {"fast": [], "plain": [], "numpy": [], "pysaliency": []}
    for run in range(options.runs):
        i = run % options.batch
        times["fast"].append(timed(fast) / options.batch)
        times["plain"].append(timed(ours) / options.batch)
        times["numpy"].append(timed(lambda i=i: plain(preds[i], density[i], pixels[i], others[i])))
        if calls and run == 0:  # numba compiles; pysaliency's results agree
            assert abs(calls["auc"](0) - values["auc"][0]) < 1e-9
            assert [call(0) for call in calls.values()]
        if calls:
            times["pysaliency"].append(timed(lambda i=i: [call(i) for call in calls.values()]))
    print(f"{options.maps} maps, batches of {options.batch}, {FIXATIONS} fixations, {POOL} images; CPU time per image")
    middle = {name: float(np.median(seconds)) for name, seconds in times.items() if seconds}
    for name, median in middle.items():
        ratios = f"{median / middle['fast']:5.1f} x fast, {median / middle['plain']:4.1f} x plain"
        print(f"{name:11s} {quartiles(times[name])}  {ratios}")
    for name, kernels in (("fast", True), ("plain", False)):
        seconds = salicon(preds, density, kernels)
        print(f"SALICON validation, {SALICON[0]} images of {SALICON[1]} fixations, {name}: {seconds:.0f} s on 2 cores")


if __name__ == "__main__":
    main()
