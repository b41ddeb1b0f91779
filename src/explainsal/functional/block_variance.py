"""Block-wise variance, the paper's description of a map (Section II-B2), computed without making enlarged maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.block_pooling import axis_parts, pool
from explainsal.functional.kernels import block_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.resize import keeps_whole, resize_to_scale, scaled_size

Partial = Literal["keep", "crop"]

# Pixels that plain PyTorch describes together on a CPU, for enlarged and for other scales, so that the dozen arrays of
# the former and the three of the latter stay in the second-level cache.
_CPU_PIXELS = (2**16, 2**18)
_PIXELS = 2**20  # pixels of resized maps that compiled code makes at a time


def block_variance(maps: Tensor, block_size: int = 8, *, partial: Partial = "keep") -> Tensor:
    """Compute the population variance of every block of a map.

    Args:
        maps: Shape ``(..., H, W)``.
        block_size: Side of a block, in pixels.
        partial: Treatment of the cut blocks at the right and lower edge: ``"keep"`` takes the variance of the
            pixels that they have, ``"crop"`` omits them (a map smaller than a block is then one block).

    Returns:
        Shape ``(..., Hb, Wb)``: ``ceil(H / block_size)`` rows with ``"keep"``, ``max(1, floor(...))`` with ``"crop"``.

    Raises:
        ValueError: If `block_size` is not positive or `partial` is unknown.

    Example:
        >>> block_variance(torch.tensor([[1.0, 3.0, 5.0], [1.0, 3.0, 9.0]]), 2).tolist()
        [[1.0, 4.0]]
    """
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1 pixel, got {block_size}")
    return pool(_crop(maps, block_size, partial), None, block_size)[1]


def scaled_block_variance(maps: Tensor, scale: float, block_size: int = 8, *, partial: Partial = "keep") -> Tensor:
    """Compute the block variance of bilinearly resized maps: ``block_variance(resize(maps, scale))``.

    This is the variance of :func:`scaled_block_moments` at a single scale.
    """
    return scaled_block_moments(maps, [scale], block_size, partial=partial)[0][1]


def scaled_block_moments(
    maps: Tensor, scales: Sequence[float], block_size: int = 8, *, partial: Partial = "keep"
) -> list[tuple[Tensor, Tensor]]:
    """Compute the mean and variance of every block of the maps, resized bilinearly to several scales.

    Enlarged maps are not made where their blocks hold whole source pixels (:func:`enlarged_block_variance`). The scales
    2, 4 and 8 share most of their work.

    Args:
        maps: Shape ``(..., H, W)``.
        scales: Relative scales, e.g. 4, 2, 1, 0.5, 0.25.
        block_size: Side of a block at each scale, in pixels.
        partial: See :func:`block_variance`.

    Returns:
        Two tensors ``(..., Hb, Wb)`` per scale, with the means and variances of the blocks of the resized map.

    Raises:
        ValueError: If `block_size` is not positive or `partial` is unknown.

    Example:
        >>> [(mean, variance)] = scaled_block_moments(torch.tensor([[1.0, 3.0], [1.0, 3.0]]), [1])
        >>> mean.item(), variance.item()
        (2.0, 1.0)
    """
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1 pixel, got {block_size}")
    if loops_run(maps):
        return _fast_moments(maps, scales, block_size, partial)
    flat, found = maps.reshape(-1, *maps.shape[-2:]), dict[float, tuple[Tensor, Tensor]]()
    if maps.device.type != "cpu" or len(flat) == 0:
        return _plain_moments(maps, scales, block_size, partial)
    for pixels, some in zip(_CPU_PIXELS, _enlarging_and_other(scales), strict=True):
        groups = flat.split(max(1, pixels // flat[0].numel())) if some else ()
        parts = [_plain_moments(group, some, block_size, partial) for group in groups]
        found |= zip(some, (_together(one, maps.shape[:-2]) for one in zip(*parts, strict=True)), strict=False)
    return [found[scale] for scale in scales]


def _enlarging_and_other(scales: Sequence[float]) -> tuple[list[float], list[float]]:
    return [scale for scale in scales if scale > 1], [scale for scale in scales if scale <= 1]


def _together(parts: Sequence[tuple[Tensor, Tensor]], shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Join means and variances of groups of maps, and give them the maps' shape ``(...)``."""
    mean, variance = (torch.cat(some).reshape(*shape, *some[0].shape[1:]) for some in zip(*parts, strict=True))
    return mean, variance


def _plain_moments(
    maps: Tensor, scales: Sequence[float], block_size: int, partial: Partial
) -> list[tuple[Tensor, Tensor]]:
    """Compute :func:`scaled_block_moments` in plain PyTorch."""
    shared: dict[float, _Parts] = {}
    results = []
    for scale in scales:
        if _holds_whole_pixels(scale, block_size):
            means, within = _source_pixel_moments(maps, int(scale), shared)
            cells = block_size // int(scale)
        else:
            means, within, cells = resize_to_scale(maps, scale), None, block_size
        within = None if within is None else _crop(within, cells, partial)
        results.append(pool(_crop(means, cells, partial), within, cells))
    return results


def enlarged_block_variance(maps: Tensor, factor: int, block_size: int = 8, *, partial: Partial = "keep") -> Tensor:
    r"""Compute the block variance of maps enlarged bilinearly by a whole factor, from the maps themselves.

    Inside one source pixel the enlarged map is sampled at offsets :math:`t = (p + .5)/k - .5`. Its mean over the pixel
    is a separable 3-tap filter. Its variance is a sum of squares of separable differences. A block pools ``block_size /
    factor`` source pixels: the mean of their variances plus the variance of their means. All terms except the means are
    differences of neighbours, so that smooth maps keep their variance in float32 (docs/decisions/0010).

    Args:
        maps: Shape ``(..., H, W)``.
        factor: Enlargement k, a divisor of `block_size`.
        block_size: Side of a block in pixels of the enlarged map.
        partial: See :func:`block_variance`.

    Returns:
        Shape ``(..., Hb, Wb)``, the blocks of the enlarged map.

    Raises:
        ValueError: If `factor` does not divide `block_size`.

    Example:
        >>> from explainsal.functional.resize import resize_bilinear
        >>> ramp = torch.arange(8.0).expand(8, 8)
        >>> enlarged = resize_bilinear(ramp, (32, 32))
        >>> bool(torch.allclose(enlarged_block_variance(ramp, 4), block_variance(enlarged), atol=1e-6))
        True
    """
    if factor < 1 or block_size % factor:
        raise ValueError(f"the factor must divide the block size {block_size}, got {factor}")
    return scaled_block_variance(maps, factor, block_size, partial=partial)


# Nine parts: the mean, difference and curvature along x times those along y.
_Parts = list[list[Tensor]]


def _source_pixel_moments(maps: Tensor, factor: int, shared: dict[float, _Parts]) -> tuple[Tensor, Tensor]:
    """Compute the mean and variance of the enlarged map inside every source pixel, both ``(..., H, W)``.

    Along one axis the enlarged map is ``mean + t d / 2 + (|t| - mean|t|) c / 2`` with d the difference and c the
    curvature of the neighbours. The three parts are orthogonal, so that their variances add. All even factors have the
    same mean|t| and share the parts.
    """
    square, mean_size = _offset_moments(factor)
    slope, bend = square / 4, (square - mean_size**2) / 4  # bend is 0 for factor 2
    if mean_size not in shared:
        shared[mean_size] = _parts(maps, mean_size)
    parts, within = shared[mean_size], torch.zeros_like(maps)
    for i, along_x in enumerate((1.0, slope, bend)):
        for j, along_y in enumerate((1.0, slope, bend)):
            if i + j and along_x * along_y:
                within.addcmul_(parts[i][j], parts[i][j], value=along_x * along_y)
    return parts[0][0], within


def _fast_moments(
    maps: Tensor, scales: Sequence[float], block_size: int, partial: Partial
) -> list[tuple[Tensor, Tensor]]:
    """Compute :func:`scaled_block_moments` by compiled loops, which take all scales of a map while it is in the cache.

    A resized map is made only for a scale that does not divide a side.
    """
    size = (int(maps.shape[-2]), int(maps.shape[-1]))
    found, together = {}, {}
    for scale in scales:
        if _holds_whole_pixels(scale, block_size):
            together[scale] = _blocks(size, block_size // int(scale), partial, offsets=_offset_moments(int(scale)))
        elif scale in (1, 0.5, 0.25) and keeps_whole(size, scale):
            together[scale] = _blocks(size, block_size, partial, shrink=round(1 / scale))
        else:
            blocks = _blocks(scaled_size(size, scale), block_size, partial)
            flat = maps.reshape(-1, *size)
            at_once = max(1, int(_PIXELS / (scale * scale * size[0] * size[1])))
            parts = [
                block_kernels.block_moments(resize_to_scale(some, scale), [blocks], block_size)[0]
                for some in flat.split(at_once)
            ]
            shape = (*maps.shape[:-2], blocks.rows, blocks.columns)
            mean, variance = (torch.cat(some).reshape(shape) for some in zip(*parts, strict=True))
            found[scale] = mean, variance
    found |= zip(together, block_kernels.block_moments(maps, list(together.values()), block_size), strict=True)
    return [found[scale] for scale in scales]


def _blocks(
    size: tuple[int, int], cells: int, partial: Partial, *, shrink: int = 1, offsets: tuple[float, float] = (0.0, 0.0)
) -> block_kernels.Blocks:
    if partial not in ("keep", "crop"):
        raise ValueError(f"partial must be 'keep' or 'crop', got {partial!r}")
    height, width = (n // shrink for n in size)
    if partial == "keep":
        return block_kernels.Blocks(shrink, cells, -(-height // cells), -(-width // cells), *offsets)
    return block_kernels.Blocks(shrink, cells, max(1, height // cells), max(1, width // cells), *offsets)


def _holds_whole_pixels(scale: float, block_size: int) -> bool:
    """Return whether a block of a map enlarged by `scale` holds whole pixels of the map."""
    return scale > 1 and scale == int(scale) and block_size % int(scale) == 0


def _offset_moments(factor: int) -> tuple[float, float]:
    r"""Compute the means of t^2 and \|t\| over the sample offsets t of an enlarged map inside a source pixel."""
    offsets = [(p + 0.5) / factor - 0.5 for p in range(factor)]
    return sum(t * t for t in offsets) / factor, sum(abs(t) for t in offsets) / factor


def _parts(maps: Tensor, mean_size: float) -> _Parts:
    height, width = maps.shape[-2:]
    padded = F.pad(maps.reshape(1, -1, height, width), (1, 1, 1, 1), mode="replicate")
    padded = padded.reshape(*maps.shape[:-2], height + 2, width + 2)
    return [axis_parts(column, -2, mean_size) for column in axis_parts(padded, -1, mean_size)]


def _crop(maps: Tensor, block: int, partial: str) -> Tensor:
    if partial == "keep":
        return maps
    if partial != "crop":
        raise ValueError(f"partial must be 'keep' or 'crop', got {partial!r}")
    height, width = (n // block * block or n for n in maps.shape[-2:])
    return maps[..., :height, :width]
