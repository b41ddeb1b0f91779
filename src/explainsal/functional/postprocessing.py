"""Operations on saliency maps before scoring or submission: blur, histogram matching, logarithms."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

TRUNCATE = 4.0  # the Gaussian ends at this many sigma


def gaussian_blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian and mirrored borders (``d c b a | a b c d``), so that the sum stays.

    Args:
        maps: Shape ``(..., H, W)``, floating point.
        sigma: Standard deviation in pixels.

    Returns:
        The same shape.

    Raises:
        ValueError: If `sigma` is not positive.

    Example:
        >>> maps = torch.zeros(1, 9, 9)
        >>> maps[0, 4, 4] = 1
        >>> blurred = gaussian_blur(maps, 1.0)
        >>> round(blurred.sum().item(), 5), round(blurred[0, 4, 4].item(), 4)
        (1.0, 0.1592)
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    rows, columns = (blur_matrix(int(n), float(sigma)).to(maps) for n in maps.shape[-2:])
    return rows @ maps @ columns.T


@lru_cache(maxsize=16)
def blur_matrix(length: int, sigma: float) -> Tensor:
    """Return the blur along an axis as a matrix ``(length, length)``, float64; column i is the blur of pixel i."""
    radius = int(TRUNCATE * sigma + 0.5)
    offset = torch.arange(-radius, radius + 1)
    taps = torch.exp(-0.5 * (offset.double() / sigma) ** 2)
    place = (torch.arange(length)[:, None] + offset).remainder(2 * length)
    place = torch.where(place < length, place, 2 * length - 1 - place)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, place, (taps / taps.sum()).expand(length, -1).contiguous()).T.contiguous()


def log_density(maps: Tensor, uniform: float = 0.0) -> Tensor:
    """Compute natural logarithms of non-negative maps as densities: each map is divided by its sum.

    The exponentials of each result sum to 1. An empty map counts as uniform.

    Args:
        maps: Shape ``(..., H, W)``, non-negative.
        uniform: Share of the uniform density in the mixture, in [0, 1]; with 0 the logarithm of 0 is minus infinity.

    Returns:
        The same shape, float64.

    Raises:
        ValueError: If `uniform` is out of range.

    Example:
        >>> log_density(torch.tensor([[3.0, 1.0]])).exp().tolist()
        [[0.75, 0.25]]
    """
    if not 0 <= uniform <= 1:
        raise ValueError(f"uniform is a share and must lie in [0, 1], got {uniform}")
    maps = maps.double()
    total = maps.sum((-2, -1), keepdim=True)
    even = torch.full_like(maps, 1 / (maps.shape[-2] * maps.shape[-1]))
    return torch.where(total > 0, (1 - uniform) * maps / total + uniform * even, even).log()


def match_histogram(maps: Tensor, quantiles: Tensor) -> Tensor:
    """Map the values of maps to the distribution that `quantiles` describe; the order of pixels and ties are kept.

    Args:
        maps: Shape ``(..., H, W)``.
        quantiles: Shape ``(Q,)``, ascending: the values at evenly spaced ranks, from the least to the largest.

    Returns:
        The same shape and dtype.

    Raises:
        ValueError: If `quantiles` has fewer than two values or is not ascending.

    Example:
        >>> match_histogram(torch.tensor([[5.0, 1.0], [1.0, 9.0]]), torch.tensor([0.0, 3.0])).tolist()
        [[2.0, 0.5], [0.5, 3.0]]
    """
    if quantiles.ndim != 1 or len(quantiles) < 2 or bool((quantiles.diff() < 0).any()):
        raise ValueError("quantiles must be an ascending vector of at least two values")
    flat = maps.reshape(-1, maps.shape[-2] * maps.shape[-1])
    values = F.interpolate(quantiles.to(flat)[None, None], flat.shape[1], mode="linear", align_corners=True)[0, 0]
    return torch.stack([_ranked(row, values) for row in flat]).reshape(maps.shape)


def _ranked(row: Tensor, values: Tensor) -> Tensor:
    """Assign the values in the order of `row`; tied pixels get the mean of their values."""
    _, group, counts = row.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0)
    total = torch.cat([values.new_zeros(1, dtype=torch.float64), values.double().cumsum(0)])
    return ((total[ends] - total[ends - counts]) / counts).to(row.dtype)[group]
