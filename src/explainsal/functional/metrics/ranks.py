"""Exact ranks of few values among many pixels, without sorting the pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 1 << 14
BLOCK = 16384  # pixels of each map handled at a time on a CPU
_MOST_SHARED = 0.1  # share of pixels up to which they are picked out to be compared


class Ranks:
    """How much weight lies below, and level with, the values at the fixations.

    An exact AUC needs the rank of a few hundred values among all pixels, not an order of the pixels. Each pixel is put
    into its *bucket*: how many of the sorted bounds (v, and the next number above v, for every fixated value v) it
    reaches. Pixels level with v are then alone in their bucket, and every count is a cumulative histogram.

    The bucket of most pixels follows from a table over equal cells of the value range; only pixels that share a cell
    with a bound are compared. Rounding cannot change a result: the cell of a value is a non-decreasing function of it.

    Args:
        values: Shape ``(B, P)``, float64, all pixels.
        low: Shape ``(B,)``, the minima. Likewise `high`, the maxima.
        at: Shape ``(B, N)``, values at the fixations.
        mask: Shape ``(B, N)``, bool: which of them count.

    Example:
        >>> values = torch.tensor([[1.0, 2.0, 2.0, 5.0]], dtype=torch.float64)
        >>> at, mask = torch.tensor([[2.0, 5.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.bool)
        >>> below, level, total = Ranks(values, values.amin(1), values.amax(1), at, mask).weigh()
        >>> below.tolist(), level.tolist(), total.tolist()
        ([[1.0, 3.0]], [[2.0, 1.0]], [4.0])
    """

    def __init__(self, values: Tensor, low: Tensor, high: Tensor, at: Tensor, mask: Tensor) -> None:
        bounds = _bounds(at, mask)
        self._images, self._length = bounds.shape
        at = at.contiguous()
        self._below = torch.searchsorted(bounds, at)  # pixels in buckets 0.._below are below the value
        self._level = torch.searchsorted(bounds, at.nextafter(bounds.new_full((), torch.inf)))  # .._level not above it
        self._bucket = _buckets(values, low, high, bounds).flatten()  # image * length + bucket
        self._uniform: tuple[Tensor, Tensor, Tensor] | None = None

    def weigh(self, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Weight of the pixels below each fixated value, of the pixels level with it, and of all pixels.

        Args:
            weights: Shape ``(B, P)``, int32 or int64; None counts every pixel once.

        Returns:
            Two tensors ``(B, N)`` and one ``(B,)``, float64 (exact for integers).
        """
        if weights is None:
            if self._uniform is None:
                self._uniform = self._counts(torch.bincount(self._bucket, minlength=self._images * self._length))
            return self._uniform
        histogram = torch.zeros(self._images * self._length, dtype=weights.dtype, device=weights.device)
        return self._counts(histogram.index_add_(0, self._bucket, weights.reshape(-1)))

    def _counts(self, histogram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reached = histogram.reshape(self._images, self._length).cumsum(dim=1).to(torch.float64)
        below = reached.gather(1, self._below)
        return below, reached.gather(1, self._level) - below, reached[:, -1]


def _bounds(at: Tensor, mask: Tensor) -> Tensor:
    """Every fixated value and the next number above it, sorted, each once; filled up with infinities, two at least."""
    infinity = at.new_full((), torch.inf)
    bounds = torch.cat([at, at.nextafter(infinity)], dim=1)
    bounds = torch.where(mask.repeat(1, 2), bounds, infinity).sort(dim=1).values
    bounds[:, 1:] = torch.where(bounds[:, 1:] == bounds[:, :-1], infinity, bounds[:, 1:])
    return F.pad(bounds.sort(dim=1).values, (0, 2), value=torch.inf)


def _buckets(values: Tensor, low: Tensor, high: Tensor, bounds: Tensor) -> Tensor:
    """Bucket of every pixel, plus image * length: ``(B, P)``, int32."""
    span = high - low
    scale = torch.where(span > 0, (CELLS - 1) / span, 0.0)[:, None]
    scale = torch.where(scale.isfinite(), scale, 0.0)  # a span so small that its inverse overflows: one cell
    offset = torch.arange(len(bounds), device=values.device, dtype=torch.int32)[:, None] * CELLS
    table = _table(_cells(bounds.clamp(max=high[:, None]), low, scale) + offset, bounds, low == high)
    buckets = torch.empty(values.shape, dtype=torch.int32, device=values.device)
    width = BLOCK if values.device.type == "cpu" else values.shape[1]
    for first in range(0, values.shape[1], width):
        part = values[:, first : first + width]
        entry = table.index_select(0, _cells(part, low, scale).add_(offset).flatten())
        shared = (entry < 0).nonzero().flatten()  # pixels in a cell with a bound
        if len(shared) > _MOST_SHARED * len(entry):
            entry = _settle(entry, part.flatten(), bounds)
        else:
            entry[shared] = _settle(entry[shared], part.flatten()[shared], bounds)
        buckets[:, first : first + width] = entry.reshape(part.shape)
    return buckets


def _cells(values: Tensor, low: Tensor, scale: Tensor) -> Tensor:
    return (values - low[:, None]).mul_(scale).to(torch.int32)  # at most (CELLS - 1) (1 + 2^-52), so below CELLS


def _table(cells: Tensor, bounds: Tensor, constant: Tensor) -> Tensor:
    """What to know of each cell, ``(B * CELLS,)``, int32: how many bounds lie in earlier cells, plus image * length.

    This is the bucket of a cell without a bound. A cell with one or two has -1 minus it, a cell with more another
    B * length less: the pixels in it have to be compared; but those of a constant map reach the first of two bounds.
    """
    images, length = bounds.shape
    held = torch.bincount(torch.where(bounds.isfinite(), cells, -1).flatten() + 1, minlength=images * CELLS + 1)
    held = held[1:].reshape(images, CELLS)
    before = held.cumsum(dim=1) - held + torch.arange(images, device=held.device)[:, None] * length
    table = torch.where(held > 0, -1 - before - torch.where(held > 2, images * length, 0), before)
    table[:, 0] = torch.where(constant, before[:, 0] + held[:, 0] // 2, table[:, 0])
    return table.to(torch.int32).flatten()


def _settle(entry: Tensor, values: Tensor, bounds: Tensor) -> Tensor:
    """Buckets, int32, of values by their cell's table entry: entries below 0 are compared with the cell's bounds."""
    flat, number = bounds.flatten(), bounds.numel()
    first = torch.where(entry < 0, -1 - entry, entry)  # of the bounds in the cell, or after it
    many = first >= number
    first = first - many.int() * number
    bucket = first + (values >= flat.index_select(0, first)) + (values >= flat.index_select(0, first + 1))
    crowded = many.nonzero().flatten()
    if len(crowded):
        row = first[crowded].long() // bounds.shape[1]
        bucket[crowded] = (_search(bounds, row, values[crowded]) + row * bounds.shape[1]).int()
    return bucket


def _search(bounds: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """How many bounds of its row each value reaches: a binary search on all values at once."""
    width = (1 << bounds.shape[1].bit_length()) - 1  # padded, every probe below is in range
    flat = F.pad(bounds, (0, width - bounds.shape[1]), value=torch.inf).flatten()
    position = first = row * width
    step = (width + 1) // 2
    while step:
        passed = flat.index_select(0, position + (step - 1)) <= values
        position = position + passed.int() * step
        step //= 2
    return position - first
