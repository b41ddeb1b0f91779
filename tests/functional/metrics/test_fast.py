"""Compiled loops against the plain path: ranks to the bit, sums to 1e-12, on one thread and on several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from explainsal.functional import metrics
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.metrics import Maps, Points, fast
from explainsal.metrics import PROFILES, SaliencyMetrics
from explainsal.types import DensityMap, FixationBatch

pytestmark = pytest.mark.usefixtures("threads")

KINDS = {
    "noise": lambda x: x,
    "peaked": lambda x: x**60,  # most fixated values in one span of the range
    "levels": lambda x: (x * 6).floor(),
    "8 bits": lambda x: (x * 256).floor(),
    "outlier": lambda x: torch.where(x > 0.9995, 1e12, x),
    "negative": lambda x: x - 0.7,
    "tiny": lambda x: 1 + x * 2e-14,
    "denormal": lambda x: x * 5e-322,
    "huge": lambda x: (x - 0.5) * 1e307,
    "constant": lambda x: torch.full_like(x, 0.1),
    "zero": torch.zeros_like,
}


def scene(kind: str, size: tuple[int, int], seed: int = 0, images: int = 4) -> tuple[Tensor, FixationBatch, DensityMap]:
    generator = np.random.default_rng(seed)
    maps = KINDS[kind](torch.from_numpy(generator.random((images, *size))))
    points = [torch.from_numpy(generator.random((n, 2)) * size[::-1]) for n in (0, 1, 40, 900)[:images]]
    return maps, FixationBatch.from_points(points), DensityMap(torch.from_numpy(generator.random((images, *size))))


def scores(preds: Tensor, fixations: FixationBatch, target: DensityMap, profile: str) -> dict[str, Tensor]:
    everyone = metrics.Nonfixations(
        [torch.stack([fixations.x, fixations.y], 1)[fixations.image == i] for i in range(len(preds))],
        [tuple(preds.shape[1:])] * len(preds),
    )
    names = [n for n in PROFILES[profile].metrics if n != "ig"]
    table = SaliencyMetrics(profile, names, nonfixations=everyone, options={"auc_borji": {"splits": 2}})
    return table.scores(preds, fixations, target, index=torch.arange(len(preds)))


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(list(KINDS)),
    size=st.tuples(st.integers(1, 45), st.integers(1, 70)),  # up to three parts of a loop
    profile=st.sampled_from(list(PROFILES)),
    seed=st.integers(0, 10**6),
)
def test_scores_are_those_of_the_plain_path(kind: str, size: tuple[int, int], profile: str, seed: int) -> None:
    preds, fixations, target = scene(kind, size, seed)
    found = scores(preds, fixations, target, profile)
    with plain_only():
        plain = scores(preds, fixations, target, profile)
    for name, value in plain.items():
        exact = name in ("auc", "auc_judd", "sauc", "auc_borji")
        if kind == "tiny" and name in ("cc", "nss"):
            continue  # deviations of 6e-15 from a mean that is known to some 1e-16
        if kind == "huge" and not exact:
            continue  # sums and squares overflow, when depends on the order
        tolerance = 0 if exact else 1e-12
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance, equal_nan=True, msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_counts_are_those_of_comparing_all_pairs(kind: str, dtype: torch.dtype) -> None:
    preds, fixations, _ = scene(kind, (37, 61))
    weights = torch.randint(0, 9, (1, 37 * 61), dtype=dtype, generator=torch.Generator().manual_seed(0))
    weights[0, 5] = 2**31 - 1  # sums beyond 32 bits
    maps, points = Maps(preds), Points.of(fixations, (37, 61))
    counted = [maps.ranks(points).weigh(one) for one in (None, weights.expand(len(preds), -1))]
    for (below, level, total), factor in zip(counted, (torch.ones(1, 37 * 61), weights), strict=True):
        assert torch.equal(total, factor.sum(dim=1).double().expand(len(preds)))
        for image, values in enumerate(maps.values):
            at = values[points.pixel[image]][points.mask[image]][:, None]
            assert torch.equal(below[image][points.mask[image]], ((values < at) * factor).sum(dim=1).double())
            assert torch.equal(level[image][points.mask[image]], ((values == at) * factor).sum(dim=1).double())


def test_more_levels_than_a_short_integer_counts() -> None:
    values = torch.rand(1, 40_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    levels = values.sort(dim=1).values[:, ::2].contiguous()
    found, counts = fast.buckets(values, values.amin(1), values.amax(1), levels)
    assert torch.equal(found[0].long(), 2 * torch.searchsorted(levels[0], values[0]) + torch.isin(values[0], levels[0]))
    assert torch.equal(counts[0], torch.bincount(found[0].long(), minlength=counts.shape[1]))


def test_the_logarithm_is_numpys_from_subnormal_numbers_to_the_greatest() -> None:
    """KLD of a target of one pixel, 1, from maps of one pixel, p, is ln 1/p."""
    powers = np.concatenate([np.linspace(-1021, 1023.9, 4001), np.linspace(-1, 1, 2001), np.linspace(-1e-9, 1e-9, 99)])
    p = np.exp2(powers)
    expected = np.log(1 / p)
    scalings = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(p), 4, 3)
    maps, means = torch.from_numpy(p)[:, None], torch.zeros(len(p), 2, dtype=torch.float64)
    found = fast.density_sums(maps, torch.ones_like(maps), scalings, means, 0.0, fast.KLD)[4]
    np.testing.assert_allclose(found.numpy(), expected, rtol=4.5e-16, atol=0)  # two units in the last place


def test_what_is_undefined_stays_undefined() -> None:
    """Densities of zeros, negative ones, and values that are no numbers."""
    rows = [[5.0, 5.0], [0.0, 0.0], [1.0, -1.0], [2.0, -3.0], [1.0, 3.0], [4.0, 2.0]]
    preds, target = torch.tensor(rows).double()[:, None], DensityMap(torch.tensor(rows[::-1]).double()[:, None])
    options: list[dict[str, Any]] = [
        {"kld": {"normalization": n, "eps": eps}, "sim": {"normalization": n}}
        for n in ("sum", "minmax", "raw")
        for eps in (0.0, 2.0**-52)
    ]
    for one in options:
        found = metrics.against_density(preds, target, one)
        with plain_only():
            plain = metrics.against_density(preds, target, one)
        for name, value in plain.items():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12, equal_nan=True, msg=f"{name} {one}")
    for bad in (torch.nan, torch.inf, -torch.inf):
        preds[1, 0, 1] = bad
        with pytest.raises(ValueError, match=r"images \[1\] in the batch hold NaN or infinity"):
            Maps(preds)


def test_loops_run_by_default_and_not_where_plain_pytorch_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    preds, fixations, target = scene("noise", (5, 6), images=2)
    given: dict[str, Any] = {"fixations": fixations, "density": target, "index": torch.arange(2)}

    def refuse(*_: object) -> None:
        raise AssertionError("a loop ran")

    monkeypatch.setattr(fast, "share", refuse)
    with plain_only():
        SaliencyMetrics(names=["sim", "auc"]).update(preds, **given)
    with pytest.raises(AssertionError, match="ran"):
        SaliencyMetrics(names=["sim", "auc"]).update(preds, **given)
