"""Metrics against plain NumPy loops, on maps with ties, repeated fixations, odd sizes and every scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import metrics as oracle
from torch import Tensor

from explainsal.functional import metrics
from explainsal.functional.metrics import Maps, Nonfixations
from explainsal.types import DensityMap, FixationBatch, FixationMap

SIZE = (7, 11)
pytestmark = pytest.mark.usefixtures("kernels")


def scene(seed: int, levels: int, images: int = 3) -> tuple[np.ndarray, np.ndarray, list[oracle.Points]]:
    """Maps with `levels` distinct values (0: no ties), densities, fixations with repeats; the last image has none."""
    generator = np.random.default_rng(seed)
    maps = generator.normal(size=(images, *SIZE))
    if levels:
        maps = np.floor(levels * generator.random((images, *SIZE)) ** 2)
    points = [
        [tuple(generator.integers(SIZE).tolist()) for _ in range(generator.integers(1, 25))] for _ in range(images - 1)
    ]
    return maps, generator.random((images, *SIZE)), [*points, []]


def batch(points: list[oracle.Points]) -> FixationBatch:
    fraction = 0.25  # anywhere within the pixel
    xy = [torch.tensor([(c + fraction, r + fraction) for r, c in p], dtype=torch.float64) for p in points]
    return FixationBatch.from_points(xy)


def agree(actual: Tensor, expected: list[float], tolerance: float = 1e-12) -> None:
    assert actual.dtype == torch.float64
    np.testing.assert_allclose(actual.numpy(), expected, rtol=tolerance, atol=tolerance)


cases = given(seed=st.integers(0, 10**6), levels=st.sampled_from([0, 1, 2, 3, 10, 255]))
few = settings(deadline=None, max_examples=40)


@few
@cases
def test_against_densities(seed: int, levels: int) -> None:
    maps, densities, _ = scene(seed, levels)
    preds, target = torch.from_numpy(maps), DensityMap(torch.from_numpy(densities))
    agree(metrics.sim(preds, target), [oracle.sim(m, d) for m, d in zip(maps, densities, strict=True)])
    agree(metrics.cc(preds, target), [oracle.cc(m, d) for m, d in zip(maps, densities, strict=True)])
    agree(metrics.kl_div(preds, target), [oracle.kl_div(m, d) for m, d in zip(maps, densities, strict=True)])


@few
@cases
def test_at_fixations(seed: int, levels: int) -> None:
    maps, densities, points = scene(seed, levels)
    preds, fixations, baseline = torch.from_numpy(maps), batch(points), torch.from_numpy(densities)
    both = list(zip(maps, points, strict=True))
    agree(metrics.nss(preds, fixations), [oracle.nss(m, p) for m, p in both])
    agree(metrics.auc(preds, fixations), [oracle.auc(m, p) for m, p in both])
    gains = [oracle.information_gain(m, p, b) for (m, p), b in zip(both, densities, strict=True)]
    agree(metrics.information_gain(preds, fixations, baseline), gains)
    likelihood = [oracle.information_gain(m, p, np.full(SIZE, 1.0)) for m, p in both]
    nats = (np.array(likelihood) - math.log2(maps[0].size)) * math.log(2)
    agree(metrics.log_likelihood(preds, fixations), nats)


@few
@cases
def test_shuffled(seed: int, levels: int) -> None:
    maps, _, points = scene(seed, levels)
    others = [points[1] + points[0], points[0] * 3, points[1]]
    counts = FixationMap.from_fixations(batch(others), SIZE)
    expected = [oracle.shuffled_auc(m, p, o) for m, p, o in zip(maps, points, others, strict=True)]
    agree(metrics.shuffled_auc(torch.from_numpy(maps), batch(points), counts), expected)
    one = FixationMap(counts.counts[:1].to(torch.uint8))  # one map for all images, of a small type
    expected = [oracle.shuffled_auc(m, p, others[0]) for m, p in zip(maps, points, strict=True)]
    agree(metrics.shuffled_auc(torch.from_numpy(maps), batch(points), one), expected)


@few
@given(seed=st.integers(0, 10**6))
def test_judd_without_ties_is_the_original_loop(seed: int) -> None:
    maps, _, points = scene(seed, levels=0)
    expected = [oracle.auc_judd_once(m, p, np.zeros(SIZE)) if p else np.nan for m, p in zip(maps, points, strict=True)]
    for ties in ("jitter_mean", "diagonal", "pessimistic"):
        agree(metrics.auc_judd(torch.from_numpy(maps), batch(points), ties=ties), expected)


@pytest.mark.parametrize("levels", [2, 3, 6])
def test_judd_with_ties_is_the_mean_over_jitter(levels: int) -> None:
    maps, _, points = scene(7, levels)
    generator = np.random.default_rng(0)
    noises = generator.random((4000, *SIZE)) * 1e-7
    actual = metrics.auc_judd(torch.from_numpy(maps), batch(points))
    for image in range(2):
        values = [oracle.auc_judd_once(maps[image], points[image], noise) for noise in noises]
        error = np.std(values) / np.sqrt(len(values))
        assert error > 1e-5  # the jitter matters here
        assert abs(actual[image].item() - np.mean(values)) < 4 * error


@few
@cases
def test_judd_pessimistic_is_the_original_loop_with_ties(seed: int, levels: int) -> None:
    maps, _, points = scene(seed, levels)
    expected = [
        np.nan if not p else 0.5 if m.min() == m.max() else oracle.auc_judd_once(m, p, np.zeros(SIZE))
        for m, p in zip(maps, points, strict=True)
    ]
    agree(metrics.auc_judd(torch.from_numpy(maps), batch(points), ties="pessimistic"), expected)


@few
@cases
def test_grid_thresholds(seed: int, levels: int) -> None:
    maps, _, points = scene(seed, levels or 1000)
    others = [points[1], points[0], points[0]]
    counts = FixationMap.from_fixations(batch(others), SIZE)
    for step, drop, unique in ((0.1, False, True), (0.01, True, False)):
        expected = []
        for m, p, o in zip(maps, points, others, strict=True):
            if not p or m.min() == m.max():
                expected.append(np.nan)
                continue
            scaled = (m - m.min()) / (m.max() - m.min())
            positives = [float(scaled[q]) for q in (set(p) if unique else p)]
            expected.append(oracle.grid_auc(positives, [float(scaled[q]) for q in o], step, drop))
        actual = metrics.sampled_shuffled_auc(
            torch.from_numpy(maps), batch(points), counts, splits=None, step=step, unique=unique, drop_maximum=drop
        )
        agree(actual, expected)


@pytest.mark.parametrize("levels", [0, 4])
def test_borji_with_fine_thresholds_tends_to_the_exact_auc(levels: int) -> None:
    maps, _, points = scene(7, levels)
    exact = metrics.auc(torch.from_numpy(maps), batch(points), unique=True)
    borji = metrics.auc_borji(torch.from_numpy(maps), batch(points), splits=4000, step=0.001)
    assert (borji[:2] - exact[:2]).abs().max() < 0.01
    assert borji[2].isnan()


def test_pool_is_all_others_scaled_and_truncated() -> None:
    generator = np.random.default_rng(0)
    sizes = [(7, 11), (14, 22), (30, 5), (7, 11)]
    points = [generator.random((9, 2)) * [w, h] for h, w in sizes]
    pool = Nonfixations([torch.from_numpy(p) for p in points], sizes)
    for size in ((7, 11), (30, 5)):
        index = [i for i, s in enumerate(sizes) if s == size]
        counts = pool.others(torch.tensor(index), size).counts
        for row, image in enumerate(index):
            expected = np.zeros(size, dtype=int)
            for r, c in oracle.other_points(points, sizes, image):
                expected[r, c] += 1
            np.testing.assert_array_equal(counts[row].numpy(), expected)


def test_maps_are_prepared_once_and_shared() -> None:
    maps, densities, points = scene(1, 5)
    preds, fixations = torch.from_numpy(maps), batch(points)
    prepared, placed = Maps(preds), metrics.Points.of(fixations, SIZE)
    for function in (metrics.nss, metrics.auc, metrics.auc_judd, metrics.information_gain):
        torch.testing.assert_close(
            function(prepared, placed), function(preds, fixations), rtol=0, atol=0, equal_nan=True
        )
    target = DensityMap(torch.from_numpy(densities))
    for function in (metrics.sim, metrics.cc, metrics.kl_div):
        torch.testing.assert_close(function(prepared, Maps.of(target)), function(preds, target), rtol=0, atol=0)
