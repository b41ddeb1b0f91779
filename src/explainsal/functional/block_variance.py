"""Block-wise variance, the paper's description of a map (Section II-B2), computed without making enlarged maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

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
    return _pool(_crop(maps, block_size, partial), None, block_size)[1]


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
        results.append(_pool(_crop(means, cells, partial), within, cells))
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
                block_kernels.block_moments(resize_to_scale(some, scale), [blocks])[0] for some in flat.split(at_once)
            ]
            shape = (*maps.shape[:-2], blocks.rows, blocks.columns)
            mean, variance = (torch.cat(some).reshape(shape) for some in zip(*parts, strict=True))
            found[scale] = mean, variance
    found |= zip(together, block_kernels.block_moments(maps, list(together.values())), strict=True)
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
    return [_axis_parts(column, -2, mean_size) for column in _axis_parts(padded, -1, mean_size)]


def _axis_parts(padded: Tensor, dim: int, mean_size: float) -> list[Tensor]:
    """Compute the mean over each source pixel and the difference and curvature of its neighbours along one axis."""
    length = padded.shape[dim] - 2
    before, middle, after = (padded.narrow(dim, start, length) for start in range(3))
    curvature = torch.add(before, after).sub_(middle, alpha=2)
    return [torch.add(middle, curvature, alpha=mean_size / 2), torch.sub(after, before), curvature]


def _pool(means: Tensor, within: Tensor | None, cells: int) -> tuple[Tensor, Tensor]:
    """Compute the mean and variance of blocks of ``cells x cells`` cells from the cells' means and inner variances."""
    rows = []
    for top, height in _spans(means.shape[-2], cells):
        row = []
        for left, width in _spans(means.shape[-1], cells):
            part = means.narrow(-2, top, height).narrow(-1, left, width)
            inner = None if within is None else within.narrow(-2, top, height).narrow(-1, left, width)
            row.append(_pool_whole(part, inner, min(cells, height), min(cells, width)))
        rows.append(_joined(row, -1))
    return _joined(rows, -2)


def _joined(parts: list[tuple[Tensor, Tensor]], dim: int) -> tuple[Tensor, Tensor]:
    if len(parts) == 1:
        return parts[0]
    return torch.cat([mean for mean, _ in parts], dim), torch.cat([variance for _, variance in parts], dim)


def _pool_whole(means: Tensor, within: Tensor | None, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Apply :func:`_pool` to a map that holds a whole number of blocks of ``rows x columns`` cells."""
    # On a CPU, halving by pairs avoids means of large numbers, and rows are contiguous in memory. On an accelerator,
    # each halving costs launches and a pass over memory, so that a single reduction is faster.
    by_pairs = means.device.type == "cpu"
    while by_pairs and rows % 2 == 0:
        means, within = _merge_pairs(means, within, -2)
        rows //= 2
    while by_pairs and columns % 2 == 0:
        means, within = _merge_pairs(means, within, -1)
        columns //= 2
    if rows > 1 or columns > 1:
        blocks = means.unflatten(-1, (-1, columns)).unflatten(-3, (-1, rows))  # (..., Hb, rows, Wb, columns)
        between, mean = torch.var_mean(blocks, dim=(-3, -1), correction=0)
        if within is not None:
            between = between + within.unflatten(-1, (-1, columns)).unflatten(-3, (-1, rows)).mean(dim=(-3, -1))
        return mean, between
    return means, torch.zeros_like(means) if within is None else within


def _merge_pairs(means: Tensor, within: Tensor | None, dim: int) -> tuple[Tensor, Tensor]:
    """Merge pairs of neighbouring cells: mean of the means, mean of the variances + (half difference)^2."""
    first, second = _alternate(means, dim)
    half = torch.sub(second, first).mul_(0.5)
    merged = torch.add(first, half)
    half.square_()
    if within is not None:
        one, other = _alternate(within, dim)
        half.add_(one, alpha=0.5).add_(other, alpha=0.5)
    return merged, half


def _alternate(maps: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    pairs = maps.unflatten(dim, (-1, 2))
    return pairs.select(dim, 0), pairs.select(dim, 1)


def _spans(length: int, block: int) -> list[tuple[int, int]]:
    """Return the start and length of the whole blocks along an axis, then of the cut block; empty spans are omitted."""
    whole = length // block * block
    return [(start, size) for start, size in ((0, whole), (whole, length - whole)) if size]


def _crop(maps: Tensor, block: int, partial: str) -> Tensor:
    if partial == "keep":
        return maps
    if partial != "crop":
        raise ValueError(f"partial must be 'keep' or 'crop', got {partial!r}")
    height, width = (n // block * block or n for n in maps.shape[-2:])
    return maps[..., :height, :width]
