"""TensorFlow 1's area and bicubic resizing with `align_corners`, which no other library has.

Both are separable: each is a matrix product from the left and one from the right, in batches and on any device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

_STEPS = 1024  # positions between two pixels at which TensorFlow tabulates the cubic
_A = -0.75  # Keys' parameter


def resize_area(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as ``tf.compat.v1.image.resize_area(..., align_corners=True)``.

    With a step of ``s = (in - 1) / (out - 1)``, value i is the mean over ``[i s, (i + 1) s)`` of a row whose pixel j
    covers ``[j, j + 1)``. The last pixel is repeated beyond the end. This differs from OpenCV's ``INTER_AREA``.

    Args:
        maps: Shape ``(..., H, W)``.
        size: Height and width to reach, in pixels.

    Returns:
        Shape ``(..., *size)``; `maps` itself where it has this size.

    Example:
        >>> resize_area(torch.arange(5.0).reshape(1, 5), (1, 3)).tolist()
        [[0.5, 2.5, 4.0]]
    """
    return _separable(maps, size, _area_weights)


def resize_cubic(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as ``tf.compat.v1.image.resize_bicubic(..., align_corners=True)``.

    This is Keys' cubic with a = -0.75 at positions rounded to 1/1024 of a pixel. The border is repeated.

    Args:
        maps: Shape ``(..., H, W)``.
        size: Height and width to reach, in pixels.

    Returns:
        Shape ``(..., *size)``; `maps` itself where it has this size. Values may exceed those of `maps`.

    Example:
        >>> resize_cubic(torch.tensor([[0.0, 8.0]]), (1, 3)).tolist()
        [[0.0, 4.0, 8.0]]
    """
    return _separable(maps, size, _cubic_weights)


def _separable(maps: Tensor, size: tuple[int, int], weights: Callable[[int, int], Tensor]) -> Tensor:
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    if width != size[1]:
        maps = maps @ weights(width, size[1]).to(maps).T
    if height != size[0]:
        maps = weights(height, size[0]).to(maps) @ maps
    return maps


def _step(length: int, wanted: int) -> float:
    return (length - 1) / (wanted - 1) if wanted > 1 else length / wanted


@lru_cache(maxsize=64)
def _area_weights(length: int, wanted: int) -> Tensor:
    """Compute the shares ``(wanted, length)`` of the pixels in each mean, with edges in float32 as in TensorFlow."""
    step = _step(length, wanted)
    if step == 0:  # a single pixel is repeated
        return torch.ones(wanted, 1, dtype=torch.float64)
    edges = torch.arange(wanted + 1, dtype=torch.float32) * torch.tensor(step, dtype=torch.float32)
    pixels = torch.arange(length + int(step) + 2, dtype=torch.float32)
    ends = torch.minimum(edges[1:, None], pixels + 1)
    covered = (ends - torch.maximum(edges[:-1, None], pixels)).clamp_min(0) / step
    weights = covered[:, :length].clone()
    weights[:, -1] += covered[:, length:].sum(1)
    return weights


@lru_cache(maxsize=64)
def _cubic_weights(length: int, wanted: int) -> Tensor:
    """Compute the weights ``(wanted, length)`` of the four pixels around each position, float64."""
    places = torch.arange(wanted, dtype=torch.float32) * torch.tensor(_step(length, wanted), dtype=torch.float32)
    first = places.floor()
    fraction = ((places - first) * _STEPS).round().double() / _STEPS
    weights = torch.zeros(wanted, length, dtype=torch.float64)
    for tap in (-1, 0, 1, 2):
        pixel = (first.long() + tap).clamp(0, length - 1)
        weights.scatter_add_(1, pixel[:, None], _cubic((fraction - tap).abs())[:, None])
    return weights


def _cubic(x: Tensor) -> Tensor:
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * _A - 4 * _A
    return torch.where(x <= 1, near, far)
