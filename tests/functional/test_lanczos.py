"""Pillow itself is the oracle: equal to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from explainsal.functional.lanczos import resize_lanczos

SIDE = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.integers(0, 2**31))
@example(60, 67, 32, 48, 0)
@example(1, 1, 9, 7, 0)
def test_every_bit_is_pillows(height, width, new_height, new_width, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    wide = Image.fromarray(picture).resize((new_width, height), Image.Resampling.LANCZOS)  # Pillow 13 may turn these
    expected = np.asarray(wide.resize((new_width, new_height), Image.Resampling.LANCZOS))  # two around
    actual = resize_lanczos(torch.from_numpy(picture).permute(2, 0, 1), (new_height, new_width))
    assert np.array_equal(actual.permute(1, 2, 0).numpy(), expected)


def test_overshoot_is_clamped_to_8_bits():
    edge = torch.tensor([[0, 0, 0, 255, 255, 255]], dtype=torch.uint8)
    assert resize_lanczos(edge, (1, 24)).float().aminmax() == (0.0, 255.0)


def test_floating_point_images_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        resize_lanczos(torch.rand(3, 4, 4), (2, 2))
