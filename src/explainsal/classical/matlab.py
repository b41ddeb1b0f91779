"""Batched versions of the MATLAB image operations used by the original code of the classical models.

Maps have shape ``(..., H, W)``. The behavior was checked against Octave: ``imresize`` with antialiasing, ``imfilter``,
``fspecial('gaussian')``, ``mat2gray``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Literal["bicubic", "bilinear"]
Padding = Literal["zero", "replicate", "symmetric", "reflect"]

_MATRIX = 256
"""Maximum length of an axis that is filtered by a matrix product."""

_DIRECT = 400
"""Maximum number of samples of a directly applied kernel; the FFT is five times faster at 27 x 27."""


def imresize(maps: Tensor, size: tuple[int, int] | float, kernel: Kernel = "bicubic") -> Tensor:
    """Resize with antialiasing, as MATLAB does.

    Args:
        maps: Shape ``(..., H, W)``, floating point.
        size: Target height and width, or one scale for both axes (sizes are rounded up, the scale is kept).
        kernel: ``bicubic`` (a = -0.5) or ``bilinear``.

    Returns:
        Shape ``(..., height, width)``.

    Example:
        >>> imresize(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), (1, 2), "bilinear").tolist()
        [[0.625, 2.375]]
    """
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    if isinstance(size, tuple):
        (rows, columns), scales = size, (size[0] / height, size[1] / width)
    else:
        rows, columns, scales = math.ceil(size * height), math.ceil(size * width), (size, size)
    vertical = _resize_matrix(height, rows, scales[0], kernel).to(maps)
    horizontal = _resize_matrix(width, columns, scales[1], kernel).to(maps)
    return vertical @ maps @ horizontal.T


@lru_cache(maxsize=64)
def _resize_matrix(length: int, target: int, scale: float, kernel: Kernel) -> Tensor:
    """Return weights ``(target, length)``, float64; shrinking widens the kernel, edges are mirrored."""
    support = 4.0 if kernel == "bicubic" else 2.0
    widened = min(scale, 1.0)
    centre = torch.arange(1, target + 1, dtype=torch.float64) / scale + 0.5 * (1 - 1 / scale)  # 1-based
    taps = math.ceil(support / widened) + 2
    index = (centre - support / widened / 2).floor()[:, None] + torch.arange(taps)
    shape = _bicubic if kernel == "bicubic" else _triangle
    weights = shape(widened * (centre[:, None] - index))
    weights = weights / weights.sum(dim=1, keepdim=True)
    place = (index.long() - 1) % (2 * length)  # symmetric: 0 .. n-1, n-1 .. 0
    place = torch.where(place < length, place, 2 * length - 1 - place)
    return torch.zeros(target, length, dtype=torch.float64).scatter_add_(1, place, weights)


def _bicubic(x: Tensor) -> Tensor:
    x = x.abs()
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def imfilter(maps: Tensor, kernel: Tensor, padding: Padding = "zero") -> Tensor:
    """Correlate with a kernel, same size; the center of an even kernel of length n is its element (n - 1) // 2.

    Args:
        maps: Shape ``(..., H, W)``.
        kernel: Shape ``(h, w)``, or ``(K, h, w)`` for several kernels on every map.
        padding: Values outside: zeros, the repeated edge, or mirrored with (symmetric) or without (reflect) the edge.

    Returns:
        Shape ``(..., H, W)``, or ``(..., K, H, W)`` for several kernels.
    """
    kernels = kernel if kernel.ndim == 3 else kernel[None]
    height, width = kernels.shape[-2:]
    before = (height - 1) // 2, (width - 1) // 2
    padded = pad(maps, (before[0], height - 1 - before[0]), (before[1], width - 1 - before[1]), padding)
    flat = padded.reshape(-1, 1, *padded.shape[-2:])
    if height * width > _DIRECT and maps.dtype == torch.float64:
        filtered = _through_fft(flat, kernels.to(flat))
    else:
        filtered = F.conv2d(flat, kernels[:, None].to(flat))
    if kernel.ndim == 2:
        return filtered.reshape(maps.shape)
    return filtered.reshape(*maps.shape[:-2], len(kernels), *maps.shape[-2:])


def _through_fft(maps: Tensor, kernels: Tensor) -> Tensor:
    """Correlate ``(N, 1, H, W)`` with ``(K, h, w)`` at valid positions; float64, because an FFT rounds more."""
    size = int(maps.shape[-2]), int(maps.shape[-1])
    spectrum = torch.fft.rfft2(maps) * torch.fft.rfft2(kernels, s=size).conj()
    height, width = kernels.shape[-2:]
    return torch.fft.irfft2(spectrum, s=size)[..., : size[0] - height + 1, : size[1] - width + 1]


def pad(maps: Tensor, rows: tuple[int, int], columns: tuple[int, int], padding: Padding) -> Tensor:
    """Extend maps ``(..., H, W)`` by rows (above, below) and columns (left, right), even beyond the size of the map."""
    if padding == "zero":
        return F.pad(maps, (*columns, *rows))
    return _extend(_extend(maps, -2, *rows, padding), -1, *columns, padding)


def _extend(maps: Tensor, dim: int, before: int, after: int, padding: Padding) -> Tensor:
    """Extend along one axis; only outside samples are indexed, because indexing all costs more than filtering."""
    if not before and not after:
        return maps
    length = int(maps.shape[dim])
    index = _outside(length, before, after, padding).to(maps.device)
    ends = (maps.index_select(dim, part) for part in (index[:before], index[before + length :]))
    return torch.cat([next(ends), maps, next(ends)], dim)


def _outside(length: int, before: int, after: int, padding: Padding) -> Tensor:
    index = torch.arange(-before, length + after)
    if padding == "replicate":
        return index.clamp(0, length - 1)
    if padding == "symmetric":
        index = index % (2 * length)
        return torch.where(index < length, index, 2 * length - 1 - index)
    period = max(2 * length - 2, 1)  # reflect
    index = index % period
    return torch.where(index < length, index, period - index)


def separable(maps: Tensor, rows: Tensor, columns: Tensor, padding: Padding = "zero") -> Tensor:
    """Apply `imfilter` with the kernel ``rows[:, None] * columns``, one axis after the other."""
    return filter_axis(filter_axis(maps, rows, -2, padding), columns, -1, padding)


def filter_axis(maps: Tensor, kernel: Tensor, dim: int, padding: Padding = "zero") -> Tensor:
    """Apply `imfilter` along one axis, -2 or -1: a matrix product on small maps, otherwise a sum over taps."""
    length = int(maps.shape[dim])
    if length > _MATRIX:
        return _tap_by_tap(maps, kernel, dim, padding)
    matrix = _tap_by_tap(torch.eye(length, dtype=maps.dtype, device=maps.device), kernel, -2, padding)
    return matrix @ maps if dim == -2 else maps @ matrix.T


def _tap_by_tap(maps: Tensor, kernel: Tensor, dim: int, padding: Padding) -> Tensor:
    before = (len(kernel) - 1) // 2
    margin = before, len(kernel) - 1 - before
    padded = pad(maps, margin if dim == -2 else (0, 0), margin if dim == -1 else (0, 0), padding)
    filtered = torch.zeros_like(maps)
    for tap, weight in enumerate(kernel.tolist()):
        if weight:
            filtered.add_(padded.narrow(dim, tap, int(maps.shape[dim])), alpha=weight)
    return filtered


def gaussian(length: int, sigma: float) -> Tensor:
    """Return one axis of ``fspecial('gaussian', length, sigma)``: float64, sum 1, centered between the middle samples.

    Example:
        >>> gaussian(3, 1e9).tolist() == [1 / 3] * 3
        True
    """
    offset = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return weights / weights.sum()


def blur(maps: Tensor, length: int, sigma: float, padding: Padding = "zero") -> Tensor:
    """Filter with a square Gaussian of ``length`` samples a side."""
    kernel = gaussian(length, sigma)
    return separable(maps, kernel, kernel, padding)


def min_max(maps: Tensor) -> Tensor:
    """Scale each map to 0..1 (``mat2gray``); a constant map becomes 0."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, 1.0)


def round_half_away(x: Tensor | float) -> Tensor:
    """Round like MATLAB: halves away from zero."""
    x = torch.as_tensor(x, dtype=torch.float64)
    return x.sign() * (x.abs() + 0.5).floor()


def rounded(x: float) -> int:
    """Round one number like MATLAB, to an integer.

    Example:
        >>> rounded(2.5), rounded(11.52)
        (3, 12)
    """
    return int(round_half_away(x))
