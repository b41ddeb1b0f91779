"""Block variance against plain loops, and the shortcuts against the maps that they avoid making."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import explanation as plain
from torch.testing import assert_close

from explainsal.functional.block_variance import (
    block_variance,
    enlarged_block_variance,
    scaled_block_moments,
    scaled_block_variance,
)
from explainsal.functional.resize import resize_bilinear, scaled_size, there_and_back

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))  # odd, not divisible by 8, smaller than a block
SEEDS = st.integers(0, 2**31)


def random_maps(size, seed, dtype=torch.float64):
    return torch.randn(2, *size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@given(SIZES, st.sampled_from([1, 3, 4, 7, 8]), SEEDS)
@settings(deadline=None, max_examples=40)
def test_equals_the_variance_of_every_block(size, block, seed):
    maps = random_maps(size, seed)
    expected = np.stack([plain.block_variances(one.numpy(), block) for one in maps])
    assert_close(block_variance(maps, block).flatten(-2).numpy(), expected, rtol=1e-9, atol=1e-12)


@given(SIZES, st.sampled_from([0.25, 0.5, 1, 2, 3, 4, 8]), st.sampled_from(["keep", "crop"]), SEEDS)
@settings(deadline=None, max_examples=80)
def test_a_scaled_map_need_not_be_made(size, scale, partial, seed):
    maps = random_maps(size, seed)
    made = block_variance(resize_bilinear(maps, scaled_size(size, scale)), partial=partial)
    actual = scaled_block_variance(maps, scale, partial=partial)
    assert actual.shape == made.shape
    assert_close(actual, made, rtol=1e-9, atol=1e-9 * max(made.max().item(), 1e-3))


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 2, 4, 8])
@pytest.mark.parametrize("wavelength", [3, 12, 48, 200])
@pytest.mark.parametrize("size", [(60, 84), (61, 83), (41, 30)])
def test_smooth_maps_keep_their_variance_in_float32(size, scale, wavelength):
    """Waves on a high level: one pass over squares would lose them to cancellation."""
    y, x = (torch.arange(n, dtype=torch.float64) for n in size)
    maps = (1 + 0.5 * torch.sin(2 * math.pi * (x + 0.6 * y[:, None]) / wavelength))[None]
    exact = block_variance(resize_bilinear(maps, scaled_size(size, scale)))
    bound = 1e-4 * exact.max().item()
    assert_close(scaled_block_variance(maps.float(), scale).double(), exact, rtol=0, atol=bound)
    made = block_variance(resize_bilinear(maps.float(), scaled_size(size, scale)))
    assert_close(made.double(), exact, rtol=0, atol=bound)


@given(SIZES, st.sampled_from([0.25, 0.5, 1, 2, 4]), SEEDS)
@settings(deadline=None, max_examples=60)
def test_there_and_back_equals_two_resizings(size, scale, seed):
    maps = random_maps(size, seed)
    made = resize_bilinear(resize_bilinear(maps, scaled_size(size, scale)), size)
    assert_close(there_and_back(maps, scale), made, rtol=1e-9, atol=1e-12)


@given(SIZES, SIZES, SEEDS)
@settings(deadline=None, max_examples=40)
def test_resizing_is_the_plain_bilinear_one(old, new, seed):
    maps = random_maps(old, seed)
    expected = np.stack([plain.resize(one.numpy(), new) for one in maps])
    assert_close(resize_bilinear(maps, new).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_resizing_equals_opencv():
    import cv2

    image = np.random.default_rng(0).random((37, 52), dtype=np.float32)
    for size in [(74, 104), (18, 26), (20, 99)]:
        expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
        assert_close(resize_bilinear(torch.from_numpy(image), size).numpy(), expected, rtol=0, atol=1e-5)


def test_constant_maps_have_none():
    assert (block_variance(torch.full((20, 20), 7.3)) == 0).all()
    assert (enlarged_block_variance(torch.full((20, 20), 7.3), 4) == 0).all()


def test_cut_blocks_can_be_left_out():
    maps = torch.rand(19, 20)
    assert block_variance(maps, 8, partial="crop").shape == (2, 2)
    assert block_variance(maps, 8).shape == (3, 3)
    assert_close(block_variance(maps, 8, partial="crop"), block_variance(maps, 8)[:2, :2])
    assert block_variance(maps[:5, :6], 8, partial="crop").shape == (1, 1)


@pytest.mark.parametrize(("call", "message"), [
    (lambda m: block_variance(m, 0), "at least 1"),
    (lambda m: block_variance(m, 8, partial="pad"), "'keep' or 'crop'"),
    (lambda m: enlarged_block_variance(m, 3, 8), "divide"),
])  # fmt: skip
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(8, 8))


@given(SIZES, st.sampled_from([0.5, 1, 2, 4]), SEEDS)
@settings(deadline=None, max_examples=40)
def test_block_means_of_a_scaled_map_come_along(size, scale, seed):
    maps = random_maps(size, seed)
    made = resize_bilinear(maps, scaled_size(size, scale)).numpy()
    mean, variance = scaled_block_moments(maps, [4, scale, 1])[1]  # beside scales that share work
    rows, columns = made.shape[-2:]
    for i in range(mean.shape[-2]):
        for j in range(mean.shape[-1]):
            block = made[:, 8 * i : min(8 * i + 8, rows), 8 * j : min(8 * j + 8, columns)]
            assert_close(mean[:, i, j].numpy(), block.mean((1, 2)), rtol=1e-9, atol=1e-12)
    assert torch.equal(variance, scaled_block_variance(maps, scale))
