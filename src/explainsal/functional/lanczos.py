"""Pillow's Lanczos resizing of 8-bit images, bit for bit, in batches and on any device."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_SUPPORT = 3.0  # lobes of the kernel
_BITS = 22  # Pillow's fixed point: weights are integers in units of 2^-22


def resize_lanczos(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize 8-bit images as ``PIL.Image.resize(..., LANCZOS)`` does.

    The kernel widens where an image shrinks. Every row is resized first, then every column. Each pass is rounded to 8
    bits. The weights are in fixed point, so that all sums are sums of integers, which float64 holds exactly on every
    device. Pillow 13 resizes the columns first where that saves work; the older versions with which the networks were
    trained do not.

    Args:
        images: Shape ``(..., H, W)``, uint8.
        size: Target height and width, in pixels.

    Returns:
        Shape ``(..., *size)``, uint8; `images` itself where it has this size.

    Raises:
        ValueError: If the images are not uint8.

    Example:
        >>> resize_lanczos(torch.tensor([[0, 255]], dtype=torch.uint8), (1, 4)).tolist()
        [[0, 59, 196, 255]]
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"images must be uint8, as Pillow's are, got {images.dtype}")
    height, width = int(images.shape[-2]), int(images.shape[-1])
    if width != size[1]:
        images = _rounded(images.double() @ _weights(width, size[1]).to(images.device).T)
    if height != size[0]:
        images = _rounded(_weights(height, size[0]).to(images.device) @ images.double())
    return images


def _rounded(sums: Tensor) -> Tensor:
    return torch.floor((sums + 2 ** (_BITS - 1)) / 2**_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _weights(length: int, wanted: int) -> Tensor:
    """Compute the fixed-point weights ``(wanted, length)``, integers in float64."""
    step = length / wanted
    widening = max(step, 1.0)
    matrix = torch.zeros(wanted, length, dtype=torch.float64)
    for i in range(wanted):
        center = (i + 0.5) * step
        first = max(0, int(center - _SUPPORT * widening + 0.5))
        last = min(length, int(center + _SUPPORT * widening + 0.5))
        taps = [_lanczos((p - center + 0.5) * (1.0 / widening)) for p in range(first, last)]
        share = 1.0 / sum(taps)  # reciprocals as in Pillow: the last bit of a weight can decide a rounding
        fixed = [math.trunc(tap * share * 2**_BITS + math.copysign(0.5, tap)) for tap in taps]
        matrix[i, first:last] = torch.tensor(fixed, dtype=torch.float64)
    return matrix


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / _SUPPORT) if -_SUPPORT <= x < _SUPPORT else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
