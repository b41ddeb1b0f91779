"""Exact ranks of few values among many pixels, without sorting the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

CELLS = 1 << 14


class Ranks:
    """How much weight lies below, and level with, the values at the fixations.

    An exact AUC needs the rank of a few hundred values among all pixels, not an order of the pixels. Each pixel is put
    into its *bucket*: how many of the 2N sorted bounds (v, and the next number above v, for every fixated value v) it
    reaches. Pixels level with v are then alone in their bucket, and every count is a cumulative histogram.

    The bucket of most pixels follows from a table over equal cells of the value range; only pixels that share a cell
    with a bound are searched. Rounding cannot change a result: the cell of a value is a non-decreasing function of it.

    Args:
        values: Shape ``(B, P)``, float64, all pixels.
        low: Shape ``(B,)``, the minima. Likewise `high`, the maxima.
        at: Shape ``(B, N)``, values at the fixations.
        mask: Shape ``(B, N)``, bool: which of them count.

    Example:
        >>> values = torch.tensor([[1.0, 2.0, 2.0, 5.0]], dtype=torch.float64)
        >>> at, mask = torch.tensor([[2.0, 5.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.bool)
        >>> below, level = Ranks(values, values.amin(1), values.amax(1), at, mask).weigh()
        >>> below.tolist(), level.tolist()
        ([[1.0, 3.0]], [[2.0, 1.0]])
    """

    def __init__(self, values: Tensor, low: Tensor, high: Tensor, at: Tensor, mask: Tensor) -> None:
        above = at.new_full((), torch.inf)
        real = torch.where(mask, at, above)
        bounds = torch.cat([real, torch.where(mask, at.nextafter(above), above)], dim=1).sort(dim=1).values
        self._images, self._length = bounds.shape[0], bounds.shape[1] + 1
        self._below = torch.searchsorted(bounds, at.contiguous())  # pixels in buckets 0.._below are below the value
        self._level = torch.searchsorted(bounds, at.contiguous(), right=True)  # buckets _below+1.._level are level
        self._bucket = _flat_buckets(values, low, high, bounds)  # (B*P,), image * length + bucket

    def weigh(self, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weight of the pixels below each fixated value, and of the pixels level with it.

        Args:
            weights: Shape ``(B, P)``, integers; None counts every pixel once.

        Returns:
            Two tensors ``(B, N)``, float64 (exact for integers).
        """
        length = self._images * self._length
        if weights is None:
            histogram = torch.bincount(self._bucket, minlength=length)
        else:
            histogram = torch.zeros(length, dtype=weights.dtype, device=weights.device)
            histogram.index_add_(0, self._bucket, weights.reshape(-1))
        reached = histogram.reshape(self._images, self._length).cumsum(dim=1).to(torch.float64)
        below = reached.gather(1, self._below)
        return below, reached.gather(1, self._level) - below


def _flat_buckets(values: Tensor, low: Tensor, high: Tensor, bounds: Tensor) -> Tensor:
    images, length = bounds.shape[0], bounds.shape[1] + 1
    span = high - low
    scale = torch.where(span > 0, (CELLS - 1) / span, 0.0)[:, None]
    scale = torch.where(scale.isfinite(), scale, 0.0)  # a span so small that its inverse overflows: one cell
    image = torch.arange(images, device=values.device, dtype=torch.int32)[:, None]
    held = torch.where(bounds.isfinite(), _cells(bounds.clamp(max=high[:, None]), low, scale) + image * CELLS, -1)
    held = torch.bincount(held.flatten() + 1, minlength=images * CELLS + 1)[1:].reshape(images, CELLS)  # bounds in it
    start = image * length
    table = torch.where(held > 0, -1, held.cumsum(dim=1) + start).to(torch.int32).flatten()
    bucket = table.index_select(0, (_cells(values, low, scale) + image * CELLS).flatten())
    shared = (bucket < 0).nonzero().flatten()  # pixels in a cell with a bound
    row = shared // values.shape[1]
    bucket[shared] = _search(bounds, row, values.reshape(-1)[shared]) + start.flatten()[row]
    return bucket


def _cells(values: Tensor, low: Tensor, scale: Tensor) -> Tensor:
    return ((values - low[:, None]) * scale).clamp_(max=CELLS - 1).to(torch.int32)


def _search(bounds: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """How many bounds of its row each value reaches: a binary search on all values at once."""
    reached = torch.zeros(len(values), dtype=torch.int32, device=values.device)
    flat, width = bounds.reshape(-1), bounds.shape[1]
    first = row * width
    step = 1 << max(width.bit_length() - 1, 0)
    while step:
        probe = reached + step
        inside = probe <= width
        passed = inside & (flat[first + torch.where(inside, probe, 1) - 1] <= values)
        reached = torch.where(passed, probe, reached)
        step >>= 1
    return reached
