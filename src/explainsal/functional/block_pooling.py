"""Mean and variance of blocks of cells, for block-wise variance in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def axis_parts(padded: Tensor, dim: int, mean_size: float) -> list[Tensor]:
    """Compute the mean over each source pixel and the difference and curvature of its neighbours along one axis."""
    length = padded.shape[dim] - 2
    before, middle, after = (padded.narrow(dim, start, length) for start in range(3))
    curvature = torch.add(before, after).sub_(middle, alpha=2)
    return [torch.add(middle, curvature, alpha=mean_size / 2), torch.sub(after, before), curvature]


def pool(means: Tensor, within: Tensor | None, cells: int) -> tuple[Tensor, Tensor]:
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
    """Apply :func:`pool` to a map that holds a whole number of blocks of ``rows x columns`` cells."""
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
