"""Sums over a data set, and the shared coefficients derived from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from explainsal.distillation.moments import Moments
from explainsal.functional.covering import covering


def test_moments_find_the_shared_coefficients_of_all_images():
    generator = np.random.default_rng(0)
    candidates = generator.normal(2.0, [[[1.0]], [[5.0]], [[0.1]], [[3.0]], [[1.0]]], size=(4, 5, 8, 9))
    candidates[:, 4] = 7.0  # constant: not usable
    maps = np.stack([3 * candidates[:, 1] - 40 * candidates[:, 2] + 5, 0 * candidates[:, 0] + 2], axis=1)
    c, x = torch.from_numpy(candidates), torch.from_numpy(maps)
    whole, parts = Moments(5, 2), Moments(5, 2)
    whole.add(c, x)
    for i in (0, 1, 2, 3):
        parts.add(c[i : i + 1], x[i : i + 1])
    fit = whole.fit(2, 2)
    assert sorted(fit.index[0].tolist()) == [1, 2]
    weights = dict(zip(fit.index[0].tolist(), fit.weight[0].tolist(), strict=True))
    assert [weights[1], weights[2], fit.constant[0].item()] == pytest.approx([3, -40, 5], rel=1e-6)
    assert fit.index[1].tolist() == [-1, -1]
    assert (fit.constant[1].item(), fit.kept, math.isnan(fit.explained[1])) == (2.0, (0,), True)
    assert whole.spread[4] == 0
    assert_close(whole.spread[:4], torch.from_numpy(candidates[:, :4].std((0, 2, 3))))
    assert_close(parts.fit(2, 2).weight, fit.weight)
    assert_close(whole.lowest, torch.from_numpy(maps.min((0, 2, 3))))


def test_few_terms_are_a_least_squares_fit_on_their_support():
    generator = torch.Generator().manual_seed(1)
    c, x = torch.rand(3, 6, 5, 7, generator=generator).double(), torch.rand(3, 2, 5, 7, generator=generator).double()
    moments = Moments(6, 2)
    moments.add(c, x)
    fit = moments.fit(3, 2)
    for a in range(2):
        columns = c.transpose(0, 1).flatten(1)[fit.index[a]].numpy().T
        design = np.column_stack([columns, np.ones(len(columns))])
        expected = np.linalg.lstsq(design, x[:, a].flatten().numpy(), rcond=None)[0]
        np.testing.assert_allclose([*fit.weight[a], fit.constant[a]], expected, rtol=1e-6)


def test_the_pool_is_the_greedy_choice_by_explained_variance():
    generator = np.random.default_rng(2)
    maps = generator.normal(size=(200, 5))
    rebuilt = maps @ generator.normal(size=(5, 5)) * 0.3 + generator.normal(size=(200, 5))
    rebuilt[:, 4] = rebuilt[:, 0] * 2  # a copy
    maps, rebuilt = maps - maps.mean(0), rebuilt - rebuilt.mean(0)
    maps /= maps.std(0)
    chosen = []
    for _ in range(4):
        left = {}
        for i in set(range(5)) - set(chosen):
            columns = rebuilt[:, [*chosen, i]]
            if np.linalg.matrix_rank(columns, tol=1e-6) > len(chosen):
                left[i] = np.linalg.lstsq(columns, maps, rcond=None)[1].sum()
        chosen.append(min(left, key=left.get))
    gram, cross = (torch.from_numpy(a.T @ rebuilt / 200) for a in (rebuilt, maps))
    assert covering(gram[None], cross[None], 5).tolist() == [[*chosen, -1]]
