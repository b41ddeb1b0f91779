"""Exact ranks of a few values among many pixels, without sorting the pixels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.metrics import fast
from explainsal.functional.metrics.chunks import chunks

CELLS = 1 << 14
_MOST_SHARED = 0.15  # largest share of pixels that are selected for comparison


class Ranks:
    """Weights of the pixels below and equal to the values at the fixations.

    An exact AUC needs the ranks of a few hundred values among all pixels, not an order of the pixels. With
    ``u_0 < u_1 < ...`` the distinct fixated values, each pixel is put into its *bucket*: ``2k + 1`` if it equals
    ``u_k``, ``2k`` if it lies between ``u_{k-1}`` and ``u_k``. Every count is then a cumulative histogram.

    The bucket of most pixels follows from a table over equal cells of the value range. Only pixels that share a cell
    with a fixated value are compared. Rounding cannot change a result, because the cell of a value is a non-decreasing
    function of it.

    Args:
        values: Shape ``(B, P)``, float64, all pixels.
        low: Minima, shape ``(B,)``.
        high: Maxima, shape ``(B,)``.
        at: Values at the fixations, shape ``(B, N)``.
        mask: Mask of the fixations that count, shape ``(B, N)``, bool.

    Example:
        >>> values = torch.tensor([[1.0, 2.0, 2.0, 5.0]], dtype=torch.float64)
        >>> at, mask = torch.tensor([[2.0, 5.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.bool)
        >>> below, level, total = Ranks(values, values.amin(1), values.amax(1), at, mask).weigh()
        >>> below.tolist(), level.tolist(), total.tolist()
        ([[1.0, 3.0]], [[2.0, 1.0]], [4.0])
    """

    def __init__(self, values: Tensor, low: Tensor, high: Tensor, at: Tensor, mask: Tensor) -> None:
        levels = _levels(at, mask)
        self._images, self._length = len(levels), 2 * levels.shape[1] + 1
        self._below = 2 * torch.searchsorted(levels, at.contiguous())  # pixels in buckets 0.._below are below the value
        self._uniform: tuple[Tensor, Tensor, Tensor] | None = None
        self._fast = loops_run(values)
        if self._fast:
            self._bucket, counts = fast.buckets(values, low, high, levels)
            self._uniform = self._counts(counts)
        else:
            self._bucket = _buckets(values, low, high, levels)  # image * length + bucket

    def weigh(self, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the weight of the pixels below each fixated value, of the pixels equal to it, and of all pixels.

        Args:
            weights: Shape ``(B, P)``, int32 or int64; None counts every pixel once.

        Returns:
            Two tensors ``(B, N)`` and one ``(B,)``, float64 (exact for integers).
        """
        if weights is None:
            if self._uniform is None:
                self._uniform = self._counts(torch.bincount(self._bucket, minlength=self._images * self._length))
            return self._uniform
        if self._fast:
            return self._counts(fast.weigh_buckets(self._bucket, weights, self._length))
        histogram = torch.zeros(self._images * self._length, dtype=weights.dtype, device=weights.device)
        return self._counts(histogram.index_add_(0, self._bucket, weights.reshape(-1)))

    def _counts(self, histogram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reached = histogram.reshape(self._images, self._length).cumsum(dim=1).to(torch.float64)
        below = reached.gather(1, self._below)
        return below, reached.gather(1, self._below + 1) - below, reached[:, -1]


def _levels(at: Tensor, mask: Tensor) -> Tensor:
    """Return the distinct fixated values, sorted and padded with at least one infinity: ``(B, L)``."""
    levels = torch.where(mask, at, torch.inf).sort(dim=1).values
    levels[:, 1:] = torch.where(levels[:, 1:] == levels[:, :-1], torch.inf, levels[:, 1:])
    return F.pad(levels.sort(dim=1).values, (0, 1), value=torch.inf)


def _buckets(values: Tensor, low: Tensor, high: Tensor, levels: Tensor) -> Tensor:
    """Compute the bucket of every pixel, plus image * length: ``(B * P,)``, int32."""
    table = _Table(low, high, levels)
    buckets = torch.empty(values.numel(), dtype=torch.int32, device=values.device)
    parts = list(chunks(values))
    most = max((values[part].numel() for part in parts), default=0)
    # reused for every chunk, so that the memory stays in the cache and is allocated once
    scaled, cells = values.new_empty(most), buckets.new_empty(most)
    waiting = []
    for rows, columns in parts:
        part = values[rows, columns]
        count, start = part.numel(), rows.start * values.shape[1] + columns.start
        cell = table.cells(part, rows, out=(scaled[:count], cells[:count]))
        bucket = buckets[start : start + count]
        torch.index_select(table.entries, 0, cell, out=bucket)
        shared = _found(_native(bucket) < 0)
        flat = part.reshape(-1)
        if len(shared) > _MOST_SHARED * count:
            value = torch.index_select(table.held, 0, cell, out=scaled[:count])
            bucket.bitwise_xor_(bucket >> 31)  # -1 - x where x is below 0
            _add_reached(bucket, flat, value)
            shared = _found(_native(value) != _native(value))
        if len(shared):
            waiting.append((shared + start, cell[shared], flat[shared]))
    if waiting:
        place, cell, value = (torch.cat(w) for w in zip(*waiting, strict=True))
        buckets[place] = table.compare(cell, value)
    return buckets


class _Table:
    """Table of the cells of each image.

    `entries`, int32: the bucket, plus image * length, of pixels in a cell without a fixated value; in a cell with
    fixated values, -1 minus the bucket of a pixel below them. `held`, float64: the single fixated value in the cell,
    infinity for none, NaN for several.
    """

    def __init__(self, low: Tensor, high: Tensor, levels: Tensor) -> None:
        images, self._length = len(levels), 2 * levels.shape[1] + 1
        scale = torch.where(high > low, (CELLS - 1) / (high - low), 0.0)
        self._scale = torch.where(scale.isfinite(), scale, 0.0)[:, None]  # 0 (one cell) on overflow, for tiny ranges
        self._low, self._levels = low[:, None], levels
        image = torch.arange(images, device=low.device)[:, None]
        self._first = (image * CELLS).to(torch.int32)
        real = levels.isfinite()
        place = self.cells(levels.clamp(max=high[:, None]), slice(None)).view_as(levels)[real].long()
        count = torch.bincount(place, minlength=images * CELLS).view(images, CELLS)
        before = 2 * (count.cumsum(dim=1) - count) + image * self._length
        self.entries = torch.where(count > 0, -1 - before, before).to(torch.int32).flatten()
        self.held = torch.full((images * CELLS,), torch.inf, dtype=torch.float64, device=low.device)
        self.held[place] = torch.where(count.view(-1)[place] > 1, torch.nan, levels[real])

    def cells(self, values: Tensor, rows: slice, out: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return the cell of each value of the images `rows`, flat, int32, cut from at most (CELLS - 1) (1 + 2^-52)."""
        scaled, cells = out or (values.new_empty(values.numel()), self._first.new_empty(values.numel()))
        torch.sub(values, self._low[rows], out=scaled.view(values.shape)).mul_(self._scale[rows])
        cells.copy_(scaled).view(values.shape).add_(self._first[rows])
        return cells

    def compare(self, cells: Tensor, values: Tensor) -> Tensor:
        """Return the buckets, int32, of values in cells with a fixated value."""
        value = self.held.index_select(0, cells)
        bucket = -1 - self.entries.index_select(0, cells)
        _add_reached(bucket, values, value)
        crowded = _found(_native(value) != _native(value))
        if len(crowded):
            row, value = cells[crowded].long() // CELLS, values[crowded]
            reached = _search(self._levels, row, value)
            level = self._levels[row, (reached - 1).clamp(min=0)] == value
            bucket[crowded] = (row * self._length + 2 * reached - level.long()).int()
        return bucket


def _search(levels: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """Count the levels of its row that each value reaches, by a binary search on all values at once."""
    width = (1 << levels.shape[1].bit_length()) - 1  # with this padding every probe below is in range
    flat = F.pad(levels, (0, width - levels.shape[1]), value=torch.inf).flatten()
    position = first = row * width
    step = (width + 1) // 2
    while step:
        passed = flat.index_select(0, position + (step - 1)) <= values
        position = position + passed.int() * step
        step //= 2
    return position - first


def _add_reached(buckets: Tensor, values: Tensor, held: Tensor) -> None:
    """Add 1 to the buckets of values that equal the cell's value, 2 where they exceed it, 0 where it is NaN."""
    for reached in (_native(values) >= _native(held), _native(values) > _native(held)):
        buckets.add_(torch.as_tensor(reached))


def _native(values: Tensor) -> Any:
    """Return the same memory for comparisons; a NumPy array on a CPU, where these are six times as fast."""
    return values.numpy() if values.device.type == "cpu" else values


def _found(mask: Any) -> Tensor:
    """Return the positions where a vector is True."""
    return mask.nonzero().flatten() if isinstance(mask, Tensor) else torch.from_numpy(mask.nonzero()[0])
