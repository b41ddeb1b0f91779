"""Fusion of maps against plain PyTorch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.reconstruction import fuse_scales

pytestmark = pytest.mark.usefixtures("threads")


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["root_sum_squares", "mean"]))
def test_fusion_is_that_of_the_plain_path(height, width, fusion):
    maps, scales = noise(2, 3, 6, height, width), (4, 2, 1, 0.5, 0.25, 3)
    found = fuse_scales(maps, scales, fusion)
    with plain_only():
        plain = fuse_scales(maps, scales, fusion)
    torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-12)
