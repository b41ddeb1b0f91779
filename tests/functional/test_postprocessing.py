"""Blur against SciPy, histogram matching by its two truths: the values are given, the order is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from explainsal.functional.postprocessing import gaussian_blur, match_histogram
from explainsal.workflows.postprocessing import Postprocessing, mean_quantiles


@pytest.mark.parametrize("sigma", [0.7, 3.0, 9.0])
def test_blur_is_scipys(sigma: float) -> None:
    maps = torch.rand(2, 17, 23, dtype=torch.float64)
    expected = [gaussian_filter(m.numpy(), sigma, mode="reflect", truncate=4.0) for m in maps]
    np.testing.assert_allclose(gaussian_blur(maps, sigma).numpy(), expected, rtol=1e-12)


def test_matching_gives_the_values_and_keeps_the_order() -> None:
    maps, quantiles = torch.rand(2, 9, 11, dtype=torch.float64), torch.rand(99, dtype=torch.float64).sort().values
    matched = match_histogram(maps, quantiles)
    for before, after in zip(maps.flatten(1), matched.flatten(1), strict=True):
        torch.testing.assert_close(after.sort().values, quantiles)
        assert torch.equal(before.argsort(), after.argsort())
    assert match_histogram(torch.full((1, 4, 5), 0.3), quantiles).unique().numel() == 1
    with pytest.raises(ValueError, match="ascending"):
        match_histogram(maps, quantiles.flip(0))


def test_steps_are_said_and_done_in_order() -> None:
    maps, quantiles = torch.rand(1, 1, 8, 9), mean_quantiles([torch.rand(6, 7)])
    both = Postprocessing(blur=2, quantiles=quantiles)
    torch.testing.assert_close(both(maps), match_histogram(gaussian_blur(maps, 2), quantiles))
    assert both.description == "blur 2 px, histogram of training densities"
    assert torch.equal(Postprocessing()(maps), maps)
    with pytest.raises(ValueError, match="positive"):
        Postprocessing(blur=0)
