"""Energies against the responses in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.log_gabor import local_energy, log_gabor_bank

pytestmark = pytest.mark.usefixtures("threads")


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


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


@pytest.mark.parametrize("size", [(9, 12), (300, 400)])  # several maps at a time, and several groups of filters per map
def test_maps_of_zeros_have_responses_of_zeros_among_others(size):
    maps = noise(5, *size)
    maps[1] = maps[3] = 0
    maps[4, 0, 0] = torch.nan
    bank = log_gabor_bank(size, [3.0, 6.0], [0.0, 1.0], [0.5], [0.6], dtype=torch.float64)
    found = local_energy(maps, bank)
    for i in (0, 2):
        torch.testing.assert_close(found[i], local_energy(maps[i], bank), rtol=1e-12, atol=0)
    assert not found[1].any()
    assert not found[3].any()
    assert found[4].isnan().all()
