"""Which maps form the next pool."""

from __future__ import annotations

import numpy as np
import torch

from explainsal.explanation.rebuilt import Rebuilt, Terms, best_maps, covering_maps, measure_fit


def rebuilt(target, maps):
    return Rebuilt(maps, target, Terms(torch.zeros(0), torch.zeros(0)))


def test_errors_are_numpys_and_relative_ones_are_relative_to_the_mean_absolute_deviation():
    target, maps = torch.rand(2, 3, 5, 6, dtype=torch.float64), torch.rand(2, 3, 5, 6, dtype=torch.float64)
    fit = measure_fit(target, maps)
    x, r = target.numpy()[1, 2], maps.numpy()[1, 2]
    assert np.isclose(fit.mae[1, 2], abs(x - r).mean())
    assert np.isclose(fit.relative_mae[1, 2], abs(x - r).mean() / abs(x - x.mean()).mean())


def test_plain_error_takes_dead_maps_and_relative_error_does_not():
    target = torch.rand(1, 3, 8, 8)
    target[0, 1] = 0.5
    maps = target + torch.tensor([0.3, 0.01, 0.1]).reshape(1, 3, 1, 1)
    fit = measure_fit(target, maps)
    assert best_maps(rebuilt(target, maps), fit, "mae", 2).tolist() == [[1, 2]]
    assert best_maps(rebuilt(target, maps), fit, "relative_mae", 3).tolist() == [[2, 0, -1]]


def test_coverage_prefers_a_new_map_to_a_better_copy():
    a, b = torch.randn(8, 8), torch.randn(8, 8)
    target = torch.stack([a, a, a, b])[None]
    noise = 0.05 * torch.randn(8, 8)
    maps = torch.stack([a, a, a, b + 5 * noise])[None]
    fit = measure_fit(target, maps)
    assert best_maps(rebuilt(target, maps), fit, "correlation", 2).tolist() == [[0, 1]]
    assert best_maps(rebuilt(target, maps), fit, "coverage", 4).tolist() == [[0, 3, -1, -1]]


def test_coverage_is_greedy_explained_variance():
    target, maps = torch.randn(2, 6, 7, 9), torch.randn(2, 6, 7, 9)
    chosen = covering_maps(target, maps, 3)
    for b in range(2):
        x = target[b].flatten(1).double().numpy()
        r = maps[b].flatten(1).double().numpy()
        x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        r = r - r.mean(1, keepdims=True)
        taken = []
        for step in range(3):
            left = []
            for j in range(6):
                basis = r[[*taken, j]].T
                rest = x.T - basis @ np.linalg.lstsq(basis, x.T, rcond=None)[0]
                left.append(np.inf if j in taken else (rest**2).sum())
            taken.append(int(np.argmin(left)))
            assert chosen[b, step] == taken[-1]


def test_coverage_takes_first_what_explains_the_maps_that_count():
    one, other = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.stack([one, one, other])[None]
    assert covering_maps(target, target, 1).tolist() == [[0]]
    assert covering_maps(target, target, 1, None, torch.tensor([[0.5, 0.5, 2.0]])).tolist() == [[2]]
    assert covering_maps(target, target, 1, None, torch.tensor([[1.0, 1.0, 1.0]])).tolist() == [[0]]


def test_maps_with_nan_are_not_taken():
    target, maps = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    maps[0, 0] = torch.nan
    assert sorted(covering_maps(target, maps, 3)[0].tolist()) == [-1, 1, 2]


def test_maps_a_few_at_a_time_give_the_same_fit_and_the_same_choice(monkeypatch):
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(2, 7, 9, 11, generator=generator)
    maps = target + torch.rand(2, 7, 9, 11, generator=generator)
    target[0, 2], maps[1, 4] = 1.0, torch.nan
    whole, chosen = measure_fit(target, maps), covering_maps(target, maps, 5)
    parts = measure_fit(target, maps, at_once=3)
    for name in ("mae", "relative_mae", "correlation"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), equal_nan=True)
    monkeypatch.setattr("explainsal.functional.covering._PIXELS", 40)
    assert torch.equal(covering_maps(target, maps, 5), chosen)
