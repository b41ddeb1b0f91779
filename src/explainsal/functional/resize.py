"""Plain bilinear resizing: half-pixel centres, no antialiasing, in one step (docs/decisions/0003)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.kernels import map_kernels
from explainsal.functional.kernels.dispatch import loops_run


def resize_bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps bilinearly, as ``cv2.INTER_LINEAR`` does.

    Args:
        maps: Shape ``(..., H, W)``.
        size: Target height and width, in pixels.

    Returns:
        Shape ``(..., *size)``; `maps` itself where it has this size.

    Example:
        >>> import torch
        >>> resize_bilinear(torch.tensor([[0.0, 4.0]]), (1, 4)).tolist()
        [[0.0, 1.0, 3.0, 4.0]]
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    flat = maps.reshape(1, -1, *maps.shape[-2:])
    resized = F.interpolate(flat, size=tuple(size), mode="bilinear", align_corners=False, antialias=False)
    return resized.reshape(*maps.shape[:-2], *size)


def resize_to_scale(maps: Tensor, scale: float) -> Tensor:
    """Resize maps bilinearly to a relative scale.

    At a scale of 1/2 or 1/4 that divides the sides, every pixel is the mean of the 2 x 2 pixels around its centre.

    Args:
        maps: Shape ``(..., H, W)``.
        scale: Relative scale, as for :func:`scaled_size`.

    Returns:
        Shape ``(..., *scaled_size((H, W), scale))``.

    Example:
        >>> import torch
        >>> resize_to_scale(torch.arange(16.0).reshape(4, 4), 0.25).tolist()
        [[7.5]]
    """
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    if scale not in (0.5, 0.25) or not keeps_whole((height, width), scale):
        return resize_bilinear(maps, scaled_size((height, width), scale))
    step = round(1 / scale)
    if loops_run(maps):
        return map_kernels.shrunk(maps, step)
    first = step // 2 - 1
    rows = maps[..., first::step, :] + maps[..., first + 1 :: step, :]
    return (rows[..., first::step] + rows[..., first + 1 :: step]).mul_(0.25)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Compute the size of a map at a relative scale: rounded down, at least one pixel.

    Example:
        >>> scaled_size((9, 12), 0.25), scaled_size((9, 12), 4)
        ((2, 3), (36, 48))
    """
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def keeps_whole(size: tuple[int, int], scale: float) -> bool:
    """Return whether both sides at a relative scale are whole numbers of pixels."""
    return not (size[0] * scale % 1 or size[1] * scale % 1)


def there_and_back(maps: Tensor, scale: float) -> Tensor:
    """Resize maps to a relative scale and back to their own size.

    For the scales 2 and 4 the enlarged map is never made. Enlarging by 2 and returning is the separable filter [.125,
    .75, .125]; enlarging by 4 and returning is [.0625, .875, .0625]; the border pixel is repeated.

    Args:
        maps: Shape ``(..., H, W)``.
        scale: Relative scale, as for :func:`scaled_size`.

    Returns:
        Shape ``(..., H, W)``.

    Example:
        >>> import torch
        >>> there_and_back(torch.tensor([[0.0, 8.0, 0.0]]), 2).tolist()
        [[1.0, 6.0, 1.0]]
    """
    if scale == 1:
        return maps
    if scale in (2, 4):
        side = 0.125 if scale == 2 else 0.0625
        return _three_taps(_three_taps(maps, side, -1), side, -2)
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    return resize_bilinear(resize_bilinear(maps, scaled_size((height, width), scale)), (height, width))


def _three_taps(maps: Tensor, side: float, dim: int) -> Tensor:
    """Filter with [side, 1 - 2 side, side] along one axis; the border pixel is repeated."""
    length = maps.shape[dim]
    out = maps.mul(1 - 2 * side)
    for start, stop in ((0, 1), (1, 0)):  # the neighbour before, the neighbour after
        out.narrow(dim, stop, length - 1).add_(maps.narrow(dim, start, length - 1), alpha=side)
    for border in (0, length - 1):
        out.narrow(dim, border, 1).add_(maps.narrow(dim, border, 1), alpha=side)
    return out
