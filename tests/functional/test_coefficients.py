"""Weights against independent least squares, and the conditions that make a fit the best one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch.testing import assert_close

from explainsal.functional.coefficients import inverse_mae_weights, matching_pursuit


def problem(rows, candidates, dimension, seed, correlated=0.5):
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.randn(candidates, dimension, dtype=torch.float64, generator=generator)
    atoms = atoms + correlated * torch.randn(1, dimension, dtype=torch.float64, generator=generator)
    atoms = atoms / atoms.norm(dim=1, keepdim=True)
    targets = torch.randn(rows, dimension, dtype=torch.float64, generator=generator)
    return atoms, targets / targets.norm(dim=1, keepdim=True)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=10))
@settings(deadline=None)
def test_weights_are_non_negative_and_sum_to_1(errors):
    weights = inverse_mae_weights(torch.tensor(errors, dtype=torch.float64))
    assert weights.min() >= 0
    assert weights.sum().item() == pytest.approx(1)


def test_weights_are_inverse_errors():
    assert_close(inverse_mae_weights(torch.tensor([1.0, 2.0, 4.0])), torch.tensor([4.0, 2.0, 1.0]) / 7)


def test_tiny_errors_do_not_overflow():
    weights = inverse_mae_weights(torch.tensor([1e-42, 2e-42, 1.0]))
    assert weights.isfinite().all()
    assert weights[0] > weights[1] > weights[2]


@given(st.integers(1, 4), st.integers(2, 12), st.integers(4, 30), st.integers(1, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_pursuit_is_the_textbook_one(rows, candidates, dimension, terms, seed):
    atoms, targets = problem(rows, candidates, dimension, seed)
    terms = min(terms, dimension - 1)  # with as many atoms as dimensions nothing is left to rank
    fit = matching_pursuit(atoms @ atoms.T, targets @ atoms.T, terms)
    for row in range(rows):
        support, weights, x, d = [], np.zeros(0), targets[row].numpy(), atoms.numpy()
        for _ in range(min(terms, candidates)):
            score = abs(d @ (x - weights @ d[support])) if support else abs(d @ x)
            score[support] = -1
            if score.max() < 1e-5:
                break
            support.append(int(score.argmax()))
            weights = np.linalg.lstsq(d[support].T, x, rcond=None)[0]
        assert fit.index[row, : len(support)].tolist() == support
        assert_close(fit.weights[row, : len(support)].numpy(), weights, rtol=1e-6, atol=1e-8)


@given(st.integers(1, 4), st.integers(2, 20), st.integers(8, 30), st.integers(1, 8), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_non_negative_weights_are_the_best_on_their_support(rows, candidates, dimension, terms, seed):
    atoms, targets = problem(rows, candidates, dimension, seed)
    fit = matching_pursuit(atoms @ atoms.T, targets @ atoms.T, terms, nonnegative=True)
    assert (fit.weights >= 0).all()
    for row in range(rows):
        used = fit.index[row][fit.index[row] >= 0]
        if len(used):
            best, _ = nnls(atoms[used].T.numpy(), targets[row].numpy())
            mine = fit.weights[row][fit.index[row] >= 0]
            assert_close(mine.numpy(), best, rtol=1e-6, atol=1e-8)


def test_enough_terms_reproduce_a_combination_exactly():
    atoms, _ = problem(1, 10, 40, 3)
    target = 2 * atoms[4] - 0.5 * atoms[7] + 0.1 * atoms[1]
    fit = matching_pursuit(atoms @ atoms.T, (atoms @ target)[None], 10)
    rebuilt = (fit.weights[0][:, None] * atoms[fit.index[0].clamp_min(0)]).sum(0)
    assert_close(rebuilt, target, rtol=1e-8, atol=1e-8)


def test_doubled_and_empty_candidates_are_left_out():
    atoms, targets = problem(2, 4, 12, 5)
    atoms = torch.cat([atoms, atoms, torch.zeros(2, 12, dtype=torch.float64)])
    fit = matching_pursuit(atoms @ atoms.T, targets @ atoms.T, 8)
    for row in fit.index:
        used = row[row >= 0].tolist()
        assert len({i % 4 for i in used}) == len(used) == 4
        assert max(used) < 8
    assert fit.weights.isfinite().all()


def test_dead_rows_take_no_candidate():
    atoms, targets = problem(2, 6, 12, 5)
    targets[1] = 0
    fit = matching_pursuit(atoms @ atoms.T, targets @ atoms.T, 3)
    assert fit.index[1].tolist() == [-1, -1, -1]
    assert (fit.weights[1] == 0).all()
    assert (fit.index[0] >= 0).all()


def test_ties_go_to_the_lower_index():
    fit = matching_pursuit(torch.eye(3), torch.tensor([[0.5, 0.7, 0.7]]), 1)
    assert fit.index.tolist() == [[1]]


@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_batch_is_fitted_as_its_problems_are_alone(nonnegative):
    problems = [problem(5, 20, 15, seed) for seed in range(3)]
    problems[1][1][2] = 0  # a dead row among others
    grams = torch.stack([atoms @ atoms.T for atoms, _ in problems])
    crosses = torch.stack([targets @ atoms.T for atoms, targets in problems])
    together = matching_pursuit(grams, crosses, 6, nonnegative=nonnegative)
    for b in range(3):
        alone = matching_pursuit(grams[b], crosses[b], 6, nonnegative=nonnegative)
        assert torch.equal(together.index[b], alone.index)
        assert_close(together.weights[b], alone.weights, rtol=1e-12, atol=1e-12)
