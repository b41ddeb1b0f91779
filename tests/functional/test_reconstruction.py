"""Matching, combining and measuring against NumPy one pair at a time."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import explanation as plain
from torch.testing import assert_close

from explainsal.functional.reconstruction import fuse_scales, least, pairwise_mae, pearson, standardize


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 700), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_pairwise_mae_is_the_error_of_every_pair(rows, others, length, seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(2, rows, length, dtype=torch.float64, generator=generator)
    b = torch.rand(2, others, length, dtype=torch.float64, generator=generator)
    expected = abs(a.numpy()[:, :, None] - b.numpy()[:, None]).mean(-1)
    assert_close(pairwise_mae(a, b).numpy(), expected, rtol=1e-12, atol=0)
    assert_close(pairwise_mae(a.float(), b.float()).numpy(), expected.astype("float32"), rtol=1e-5, atol=1e-7)


def test_equal_values_come_in_the_order_of_their_position():
    values = torch.tensor([[2.0, 1.0, 1.0, torch.nan, 0.0, 1.0]])
    assert least(values, 4)[1].tolist() == [[4, 1, 2, 5]]
    assert least(values, 99)[1].tolist() == [[4, 1, 2, 5, 0, 3]]


def test_fusion_resizes_there_and_back_and_takes_the_root_of_the_squares():
    maps, scales = torch.rand(1, 5, 9, 13, dtype=torch.float64), (4, 2, 1, 0.5, 0.25)
    total = np.zeros((9, 13))
    for one, scale in zip(maps[0].numpy(), scales, strict=True):
        total += plain.resize(plain.resize(one, plain.scaled_size((9, 13), scale)), (9, 13)) ** 2
    assert_close(fuse_scales(maps, scales)[0].numpy(), np.sqrt(total), rtol=1e-10, atol=1e-12)


def test_correlation_is_numpys():
    a, b = torch.rand(4, 6, 7, dtype=torch.float64), torch.rand(4, 6, 7, dtype=torch.float64)
    expected = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    assert_close(pearson(a, b), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_correlation_with_constants_is_defined():
    live, flat = torch.rand(1, 4, 4), torch.full((1, 4, 4), 0.3)
    assert pearson(flat, live).isnan().all()  # nothing to fit
    assert pearson(live, flat).item() == 0  # nothing was fitted


def test_constant_up_to_rounding_is_constant():
    noisy = 100 + torch.tensor([[0.0, 7.6e-6, 0.0, -7.6e-6]])  # one unit in the last place of float32 at 100
    assert (standardize(noisy) == 0).all()
    assert (standardize(100 + torch.tensor([[0.0, 1e-2]])) != 0).all()
