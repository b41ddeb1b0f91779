"""Weights fixed by errors, candidates chosen by the fit of the weighted sum: against making every sum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from explainsal.functional.greedy import inverse_error_pursuit
from explainsal.functional.kernels.dispatch import plain_only


def problem(rows, candidates, dimension, seed):
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.randn(candidates, dimension, dtype=torch.float64, generator=generator)
    targets = torch.randn(rows, dimension, dtype=torch.float64, generator=generator)
    errors = torch.rand(2, rows, candidates, dtype=torch.float64, generator=generator) + 0.2
    return torch.nn.functional.normalize(atoms), torch.nn.functional.normalize(targets), errors


def every_sum(atoms, target, errors, terms):
    """Indices and weights, from all longer sums."""
    chosen, total, most = [], torch.zeros_like(target), 0.0
    for _ in range(terms):
        options = []
        for n, atom in enumerate(atoms):
            for sign, error in ((1, errors[0, n]), (-1, errors[1, n])):
                longer = total + sign / error * atom
                if n not in [m for m, _ in chosen]:
                    options.append(((longer @ target / longer.norm()).item(), n, (sign / error).item(), longer))
        value, n, weight, longer = max(options, key=lambda one: one[0], default=(0.0,) * 4)
        if value**2 <= most**2 * (1 + 1e-6):
            break
        total, most = longer, value
        chosen.append((n, weight))
    return [n for n, _ in chosen], torch.tensor([w for _, w in chosen], dtype=torch.float64) / total.norm()


@pytest.mark.parametrize("plainly", [False, True])
@given(st.integers(1, 12), st.integers(3, 20), st.integers(1, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_each_step_takes_the_best_of_all_longer_sums(plainly, candidates, dimension, terms, seed):
    atoms, targets, errors = problem(3, candidates, dimension, seed)
    with plain_only(plainly):
        fit = inverse_error_pursuit((atoms @ atoms.T)[None], (targets @ atoms.T)[None], *errors[:, None], terms)
    for a, target in enumerate(targets):
        index, weights = every_sum(atoms, target, errors[:, a], terms)
        assert fit.index[0, a].tolist() == index + [-1] * (terms - len(index))
        assert_close(fit.weights[0, a, : len(index)], weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("plainly", [False, True])
def test_a_candidate_without_error_is_the_whole_sum_and_empty_places_are_not_used(plainly):
    atoms, targets, errors = problem(1, 4, 9, 0)
    errors[0, 0, 2], errors[:, 0, 3], atoms[3] = 0, torch.inf, 0
    targets[0] = atoms[2]
    gram, cross = atoms @ atoms.T, targets @ atoms.T
    with plain_only(plainly):
        fit = inverse_error_pursuit(gram[None], cross[None], *errors[:, None], 3)
        errors[0, 0, 2] = 0.1
        other = inverse_error_pursuit(gram[None], 0 * cross[None], *errors[:, None], 3)
    assert fit.index.tolist() == [[[2, -1, -1]]]
    assert_close(fit.weights[0, 0], torch.tensor([1.0, 0, 0], dtype=torch.float64))
    assert other.index.tolist() == [[[-1, -1, -1]]]  # a constant map
    assert not other.weights.any()


def test_no_terms_are_refused():
    with pytest.raises(ValueError, match="terms must be at least 1"):
        inverse_error_pursuit(*torch.zeros(4, 1, 1, 1), 0)
