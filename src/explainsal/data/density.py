"""Fixation density of one image: its fixations, counted per pixel and blurred with a Gaussian."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

TRUNCATE = 4.0  # the kernel ends at this many sigma, as in scipy.ndimage.gaussian_filter


def fixation_density(points: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    r"""Compute blurred fixation counts, in fixations per pixel.

    A Gaussian is separable and the counts are a sum of points, so the blurred map is one matrix product, :math:`D =
    K_y[r]^T K_x[c]`, over the rows r and columns c of the fixations. The product is exact and takes milliseconds for an
    image of 600 x 800 with 140 fixations; a convolution with 193 taps takes a tenth of a second.

    The convention is that of pysaliency's ``FixationMap``: each fixation counts, the kernel is truncated at 4 sigma and
    normalized, and the border is reflected (``d c b a | a b c d``), so that the map sums to the number of fixations.

    Args:
        points: Shape ``(N, 2)``: (x, y) in pixels, inside the image.
        size: Height and width in pixels.
        sigma: Standard deviation of the Gaussian in pixels.

    Returns:
        Shape ``(H, W)``, float32.

    Raises:
        ValueError: If `sigma` is not positive or a point is outside the image.

    Example:
        >>> density = fixation_density(np.array([[10.5, 20.0], [10.5, 20.0]]), (30, 40), sigma=2.0)
        >>> np.unravel_index(density.argmax(), density.shape) == (20, 10), round(float(density.sum()), 4)
        (True, 2.0)
    """
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    height, width = size
    points = points.reshape(-1, 2)
    if not ((points >= 0) & (points < (width, height))).all():  # also false for NaN
        raise ValueError(f"fixations outside the image of {height} x {width} (H x W) pixels")
    columns, rows = torch.from_numpy(np.floor(points).astype(np.int64)).unbind(1)
    with torch.autocast("cpu", enabled=False):  # a caller's bfloat16 would round the density
        return torch.mm(_kernel(height, sigma)[rows].T, _kernel(width, sigma)[columns]).numpy()


@lru_cache(maxsize=16)
def _kernel(length: int, sigma: float) -> Tensor:
    """Return the matrix whose row i spreads a point in pixel i over ``length`` pixels, float32; rows sum to 1."""
    radius = int(TRUNCATE * sigma + 0.5)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
    taps = taps / taps.sum()
    target = torch.arange(length)[:, None] + torch.arange(-radius, radius + 1)[None]
    period = target.remainder(2 * length)  # reflection about the pixel edges has period 2 * length
    folded = torch.where(period < length, period, 2 * length - 1 - period)
    kernel = torch.zeros(length, length, dtype=torch.float64)
    return kernel.scatter_add_(1, folded, taps.expand(length, -1).contiguous()).float()
