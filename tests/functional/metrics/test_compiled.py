"""Compiled kernels against the plain path: ranks to the bit, sums to 1e-12, on one thread and on several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from explainsal.errors import UserError
from explainsal.functional import metrics, native, native_build
from explainsal.functional.metrics import Maps, Points, compiled
from explainsal.functional.native import native_kernels
from explainsal.metrics import CC, PROFILES, SaliencyMetrics
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
    table.native = native._active.get()
    return table.scores(preds, fixations, target, index=torch.arange(len(preds)))


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(list(KINDS)),
    size=st.tuples(st.integers(1, 45), st.integers(1, 70)),  # up to three parts of a kernel's loop
    profile=st.sampled_from(list(PROFILES)),
    seed=st.integers(0, 10**6),
)
def test_scores_are_those_of_the_plain_path(kind: str, size: tuple[int, int], profile: str, seed: int) -> None:
    preds, fixations, target = scene(kind, size, seed)
    plain = scores(preds, fixations, target, profile)
    with native_kernels():
        found = scores(preds, fixations, target, profile)
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
    with native_kernels():
        maps, points = Maps(preds), Points.of(fixations, (37, 61))
        counted = [maps.ranks(points).weigh(one) for one in (None, weights.expand(len(preds), -1))]
    for (below, level, total), factor in zip(counted, (torch.ones(1, 37 * 61), weights), strict=True):
        assert torch.equal(total, factor.sum(dim=1).double().expand(len(preds)))
        for image, values in enumerate(maps.values):
            at = values[points.pixel[image]][points.mask[image]][:, None]
            assert torch.equal(below[image][points.mask[image]], ((values < at) * factor).sum(dim=1).double())
            assert torch.equal(level[image][points.mask[image]], ((values == at) * factor).sum(dim=1).double())


def test_the_logarithm_is_numpys_from_subnormal_numbers_to_the_greatest() -> None:
    """KLD of a target of one pixel, 1, from maps of one pixel, p, is ln 1/p."""
    powers = np.concatenate([np.linspace(-1021, 1023.9, 4001), np.linspace(-1, 1, 2001), np.linspace(-1e-9, 1e-9, 99)])
    p = np.exp2(powers)
    expected = np.log(1 / p)
    scalings = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(p), 4, 3)
    maps, means = torch.from_numpy(p)[:, None], torch.zeros(len(p), 2, dtype=torch.float64)
    with native_kernels():
        found = compiled.density_sums(maps, torch.ones_like(maps), scalings, means, 0.0, compiled.KLD)[4]
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
        plain = metrics.against_density(preds, target, one)
        with native_kernels():
            found = metrics.against_density(preds, target, one)
        for name, value in plain.items():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12, equal_nan=True, msg=f"{name} {one}")
    for bad in (torch.nan, torch.inf, -torch.inf):
        preds[1, 0, 1] = bad
        with native_kernels(), pytest.raises(ValueError, match=r"images \[1\] in the batch hold NaN or infinity"):
            Maps(preds)


def test_a_metric_uses_kernels_only_where_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    preds, fixations, target = scene("noise", (5, 6), images=2)
    given: dict[str, Any] = {"fixations": fixations, "density": target, "index": torch.arange(2)}
    plain, fast = (SaliencyMetrics(names=["sim", "auc"], compile=one) for one in (False, True))

    def refuse(*_: object) -> None:
        raise AssertionError("a compiled kernel ran")

    monkeypatch.setattr(compiled, "kernel", refuse)
    plain.update(preds, **given)
    with pytest.raises(AssertionError, match="ran"):
        fast.update(preds, **given)


def test_without_a_compiler_a_metric_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    native_build.library.cache_clear()
    monkeypatch.setattr(native_build.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="install one, or leave compile=False"):
        CC(compile=True)
    native_build.library.cache_clear()
