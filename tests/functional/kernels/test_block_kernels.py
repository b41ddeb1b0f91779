"""Block moments and distances against the materialised computation in NumPy, and against plain PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.functional.block_variance import block_variance, scaled_block_moments
from explainsal.functional.reconstruction import pairwise_mae
from explainsal.functional.resize import resize_bilinear, scaled_size

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


@pytest.mark.parametrize("size", [(8, 12), (20, 24), (36, 48), (28, 80)])
def test_moments_of_a_map_do_not_depend_on_the_maps_beside_it(size):
    maps = noise(70, *size, dtype=torch.float32)
    maps[3], maps[10], maps[-1] = 0, maps[10] * 1e-20, torch.nan
    for alone, together in zip(
        zip(*(scaled_block_moments(one, SCALES) for one in maps), strict=True),
        scaled_block_moments(maps, SCALES),
        strict=True,
    ):
        for part in range(2):
            expected = torch.stack([one[part] for one in alone])
            torch.testing.assert_close(together[part], expected, rtol=0, atol=0, equal_nan=True)
    assert all(not part[3].any() and part[-1].isnan().all() for part in scaled_block_moments(maps, SCALES)[0])


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 5), st.sampled_from([torch.nan, torch.inf, 1.0])
)
def test_rows_of_zeros_have_the_distances_of_any_other_rows(zeros, count, last):
    theirs, mine = noise(len(zeros), 600), noise(count, 600)
    theirs[torch.tensor(zeros)] = 0
    mine[-1, -1] = last
    expected = (mine[:, None] - theirs).abs().mean(-1)
    torch.testing.assert_close(pairwise_mae(mine, theirs), expected, rtol=1e-12, atol=0, equal_nan=True)


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
