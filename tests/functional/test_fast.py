"""Compiled loops against the materialised computation in NumPy, and against plain PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.explanation import PRESETS, Explainer
from explainsal.functional import fast
from explainsal.functional.block_variance import block_variance, scaled_block_moments
from explainsal.functional.coefficients import matching_pursuit
from explainsal.functional.kernels.dispatch import plain_only, share, shares, threads_for_shares
from explainsal.functional.log_gabor import local_energy, log_gabor_bank
from explainsal.functional.reconstruction import fuse_scales, inner_products, least, pairwise_mae
from explainsal.functional.resize import resize_bilinear, scaled_size
from explainsal.functional.weighted import compare_maps, scale_rows

pytestmark = pytest.mark.usefixtures("threads")

SCALES = (8, 4, 2, 1, 0.5, 0.25)


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([4, 8]), st.sampled_from(["keep", "crop"]))
def test_moments_are_those_of_the_materialised_maps(height, width, block, partial):
    maps = noise(2, height, width) + 3
    found = scaled_block_moments(maps, SCALES, block, partial=partial)
    for scale, (mean, variance) in zip(SCALES, found, strict=True):
        made = resize_bilinear(maps, scaled_size((height, width), scale))
        expected = block_variance(made, block, partial=partial)
        torch.testing.assert_close(variance, expected, rtol=1e-9, atol=1e-12)
        corner = made[:, :block, :block].mean((-2, -1))
        torch.testing.assert_close(mean[:, 0, 0], corner, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wavelength", [3, 12, 48, 200])
def test_smooth_maps_keep_their_variance_in_float32(wavelength):
    x = torch.arange(101, dtype=torch.float64)
    wave = (
        1 + torch.sin(2 * torch.pi * x / wavelength)[None, :] * torch.cos(2 * torch.pi * x[:67] / wavelength)[:, None]
    )
    found = scaled_block_moments(wave.float(), SCALES)
    for scale, (_, variance) in zip(SCALES, found, strict=True):
        expected = block_variance(resize_bilinear(wave, scaled_size((67, 101), scale)))
        assert (variance - expected).abs().max() <= 1e-4 * expected.max()


@pytest.mark.parametrize("level", [1e-12, 1e-20, 3e-21, 1e-21, 1e-30])
def test_faint_maps_keep_their_variance_in_float32(level):
    """Their squares are subnormal numbers, or none at all."""
    maps = (noise(2, 24, 40) * level).float()
    found = scaled_block_moments(maps, SCALES)
    for (mean, variance), (exact_mean, exact) in zip(found, scaled_block_moments(maps.double(), SCALES), strict=True):
        assert (variance - exact).abs().max() <= 1e-4 * exact.max() + 1e-45  # the least number above 0 of float32
        assert (mean - exact_mean).abs().max() <= 1e-6 * level


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["root_sum_squares", "mean"]))
def test_fusion_is_that_of_the_plain_path(height, width, fusion):
    maps, scales = noise(2, 3, 6, height, width), (4, 2, 1, 0.5, 0.25, 3)
    found = fuse_scales(maps, scales, fusion)
    with plain_only():
        plain = fuse_scales(maps, scales, fusion)
    torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-12)


def test_constant_maps_have_no_variance_and_nan_stays_where_it_is():
    maps = torch.full((2, 16, 16), 0.1)
    maps[1, 2, 2] = torch.nan
    for _, variance in scaled_block_moments(maps, (4, 2, 1)):
        assert (variance[0] == 0).all()
        assert variance[1].isnan().any()
        assert variance[1, -1, -1] == 0


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 1100))
def test_distances_are_numpys(mine, others, length):
    first, second = noise(mine, length), noise(others, length).flip(-1)
    found = pairwise_mae(first, second)
    coarse = pairwise_mae(first.float(), second.float())
    expected = abs(first.numpy()[:, None] - second.numpy()[None]).mean(-1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(coarse.numpy(), expected, rtol=1e-5, atol=1e-7)


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
@given(st.integers(1, 21), st.integers(1, 21), st.sampled_from(["circular", "reflect"]), st.booleans())
def test_energy_is_the_magnitude_of_the_response(height, width, border, plain):
    maps, mirrored = noise(3, height, width), border == "reflect"
    grid = (2 * height, 2 * width) if mirrored else (height, width)
    bank = log_gabor_bank(grid, [3.0, 6.0], [0.0, 1.0], [0.5], [0.6], dtype=torch.float64)
    with plain_only(plain):
        found = local_energy(maps, bank, border=border)
        coarse = local_energy(maps.float(), bank.float(), border=border)
    whole = np.pad(maps, ((0, 0), (0, height), (0, width)), mode="symmetric") if mirrored else maps.numpy()
    expected = abs(np.fft.ifft2(np.fft.fft2(whole)[:, None] * bank.numpy()))[..., :height, :width]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(coarse.numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("size", [(16, 24), (13, 18)])
def test_an_explanation_is_the_same_in_plain_pytorch(preset, size):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 1, 3, padding=1))
    net, images = net.double(), noise(2, 3, *size)
    looped = Explainer(net, preset)(images)
    with plain_only():
        plain = Explainer(net, preset)(images)
    torch.testing.assert_close(looped.explainable_map, plain.explainable_map, rtol=1e-9, atol=1e-12)
    for mine, other in zip(looped.layers, plain.layers, strict=True):
        assert torch.equal(mine.coefficients.filter, other.coefficients.filter)


def test_loops_run_by_default_and_not_where_plain_pytorch_is_asked_for(monkeypatch):
    def refuse(*args):
        raise AssertionError("a loop ran")

    monkeypatch.setattr(fast, "share_runs", refuse)
    with plain_only():
        pairwise_mae(noise(2, 3), noise(2, 3))
    with pytest.raises(AssertionError, match="ran"):
        pairwise_mae(noise(2, 3), noise(2, 3))


def test_operations_of_shared_work_start_no_threads_of_their_own():
    mine, theirs = torch.get_num_threads(), []
    share(lambda _: theirs.append(torch.get_num_threads()), 8)
    assert theirs == [1] * 8
    assert torch.get_num_threads() == mine


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


def test_shared_work_keeps_the_mode_of_its_caller():
    with torch.inference_mode():
        rows = noise(300, 20)
        assert inner_products(rows).is_inference()
        torch.testing.assert_close(inner_products(rows), rows @ rows.mT, rtol=1e-12, atol=1e-12)


def test_threads_are_left_to_shares_and_given_back():
    before = torch.get_num_threads()
    with threads_for_shares():
        assert torch.get_num_threads() == 1
        assert shares() == before
    assert torch.get_num_threads() == shares() == before
