"""Choices against plain PyTorch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.functional.coefficients import above_noise, matching_pursuit
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.reconstruction import least

pytestmark = pytest.mark.usefixtures("threads")


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, torch.inf, torch.nan]), min_size=1), st.integers(1, 12))
def test_the_least_are_those_of_a_stable_sort(values, count):
    """Equal values, infinite ones and NaN among them."""
    rows = torch.tensor([values, values[::-1]])
    with plain_only():
        plain = least(rows, count)
    for mine, other in zip(least(rows, count), plain, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 30), st.integers(1, 12), st.sampled_from([0.0, 0.1]))
def test_pursuit_is_that_of_plain_pytorch(rows, candidates, terms, ridge):
    """With a candidate of no variance, a copy of another, and a row of zeros."""
    maps = torch.nn.functional.normalize(noise(2, candidates, 40), dim=-1)
    maps[:, candidates // 2] = 0
    maps[0, -1] = maps[0, 0]
    targets = torch.nn.functional.normalize(noise(2, rows, 40).flip(-1), dim=-1)
    targets[1, 0] = 0
    gram, cross = maps @ maps.mT, targets @ maps.mT
    found = matching_pursuit(gram, cross, terms, ridge=ridge)
    with plain_only():
        plain = matching_pursuit(gram, cross, terms, ridge=ridge)
    assert torch.equal(found.index, plain.index)
    torch.testing.assert_close(found.weights, plain.weights, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 30), st.sampled_from([0.0, 0.1]), st.sampled_from([1e-3, 0.05, 0.3, 2.0]))
def test_terms_above_noise_are_those_of_plain_pytorch(rows, candidates, ridge, least):
    """The last share is above all, so that every row keeps its first term; with a row of zeros."""
    maps = torch.nn.functional.normalize(noise(2, candidates, 40), dim=-1)
    targets = torch.nn.functional.normalize(noise(2, rows, 40).flip(-1), dim=-1)
    targets[1, 0] = 0
    gram, cross = maps @ maps.mT, targets @ maps.mT
    fit, shares = matching_pursuit(gram, cross, 5, ridge=ridge), torch.tensor([least, 2 * least], dtype=torch.float64)
    found = above_noise(fit, gram, cross, shares, ridge)
    with plain_only():
        plain = above_noise(fit, gram, cross, shares, ridge)
    assert torch.equal(found.index, plain.index)
    torch.testing.assert_close(found.weights, plain.weights, rtol=1e-9, atol=1e-9)
