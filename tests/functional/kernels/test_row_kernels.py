"""Standardized and compared rows against plain PyTorch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.functional.images import finite_maps
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.weighted import compare_maps, scale_rows

pytestmark = pytest.mark.usefixtures("threads")


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 2100), st.booleans(), st.sampled_from(["new", "same", "apart"]))
def test_weighted_rows_are_those_of_plain_pytorch(rows, length, rooted, where):
    """Written to new memory, over the values, or between other rows; a constant row, one without numbers."""
    values = noise(2, rows, length)
    values[0, 0] = 0.1
    values[1, 0] = torch.nan
    weights = noise(2, 1, length).abs()
    weights /= weights.mean(-1, keepdim=True)
    for own in (weights, None):
        with plain_only():
            plain = scale_rows(values, own, rooted=rooted)
        given = values.clone()
        apart = torch.zeros(2, 2 * rows, length, dtype=torch.float64)
        out = {"new": None, "same": given, "apart": apart[:, ::2]}[where]
        found = scale_rows(given, own, out, rooted=rooted)
        for mine, other in zip(found, plain, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9, equal_nan=True)
        assert out is None or found[0].data_ptr() == out.data_ptr()
        assert not apart[:, 1::2].any()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 50), st.integers(1, 50))
def test_comparisons_are_those_of_plain_pytorch(rows, height, width):
    """With a constant target, a constant reconstruction, and one without numbers."""
    target, maps = noise(2, rows, height, width) + 5, noise(2, rows, height, width).flip(-1)
    target[0, 0], maps[1, -1], maps[1, 0, 0, 0] = 0.1, 0.1, torch.nan
    weights = noise(2, 1, height * width).abs() + 1e-3
    weights /= weights.mean(-1, keepdim=True)
    for own in (weights, None):
        with plain_only():
            plain = compare_maps(target, maps, own)
        for mine, other in zip(compare_maps(target, maps, own), plain, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("level", [0.0, 1e3, 1e6, 1e9])
def test_rows_are_constant_up_to_rounding_as_in_plain_pytorch(level):
    """Deviations around the share of the largest magnitude below which a row is constant."""
    values = level + noise(200, 999).float() * torch.logspace(-3, 3, 200)[:, None]
    with plain_only():
        plain = scale_rows(values)[2]
    assert torch.equal(scale_rows(values)[2] == 0, plain == 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_with_infinity_or_nan_are_found(dtype):
    maps = noise(2, 5, 3, 7).to(dtype)
    maps[0, 1, 2, 3], maps[1, 0, 0, 0], maps[1, 4, 2, 6] = torch.nan, -torch.inf, torch.inf
    maps[0, 0, 0, 0] = torch.finfo(dtype).max
    found = finite_maps(maps)
    with plain_only():
        assert torch.equal(found, finite_maps(maps))
    assert found.logical_not().nonzero().tolist() == [[0, 1], [1, 0], [1, 4]]
