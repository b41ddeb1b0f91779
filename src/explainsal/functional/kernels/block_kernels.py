"""Block moments (Section II-B2) and their distances (Eq. 2) by compiled loops, for tensors on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share_runs

_FAINT = {torch.float32: 2.0**-30, torch.float64: 2.0**-300}


class Blocks(NamedTuple):
    """Blocks of maps at their own size, enlarged or reduced.

    Args:
        shrink: Factor by which the maps are reduced, see :func:`shrunk`: 1, 2 or 4.
        cells: Side of a block in pixels of the reduced maps.
        rows: Number of blocks along y.
        columns: Number of blocks along x.
        square: Mean of t^2 over the sample offsets t in a pixel of enlarged maps, else 0.
        size: Mean of the offsets' absolute values.
    """

    shrink: int
    cells: int
    rows: int
    columns: int
    square: float = 0.0
    size: float = 0.0


def block_moments(maps: Tensor, scales: Sequence[Blocks]) -> list[tuple[Tensor, Tensor]]:
    """Compute the mean and variance of blocks of maps ``(..., H, W)``: two ``(..., rows, columns)`` per scale."""
    from explainsal.functional.kernels import block_loops as loops

    if not scales:
        return []
    flat = maps.reshape(-1, *maps.shape[-2:]).contiguous()
    sizes = [one.rows * one.columns for one in scales]
    starts = [sum(sizes[:s]) for s in range(len(scales))]
    found = flat.new_empty(2, len(flat), sum(sizes))
    plan = [
        (one.shrink, one.cells, one.square > 0, one.rows, one.columns, start)
        for one, start in zip(scales, starts, strict=True)
    ]
    offsets = [(one.size / 2, one.square / 4, (one.square - one.size**2) / 4) for one in scales]
    numbers, plans = torch.tensor(offsets, dtype=flat.dtype).numpy(), torch.tensor(plan, dtype=torch.int64).numpy()
    given, (mean, variance), faint = flat.numpy(), found.numpy(), _FAINT[flat.dtype]
    share_runs(lambda run: loops.scaled_moments(given[run], faint, plans, numbers, mean[run], variance[run]), len(flat))
    shape = maps.shape[:-2]
    parts = [found[..., start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return [
        (part[0].unflatten(-1, (how.rows, how.columns)).reshape(*shape, how.rows, how.columns),
         part[1].unflatten(-1, (how.rows, how.columns)).reshape(*shape, how.rows, how.columns))
        for part, how in zip(parts, scales, strict=True)
    ]  # fmt: skip


def absolute_differences(
    first: Tensor, second: Tensor, out: Tensor | None = None, columns: slice | None = None
) -> Tensor:
    """Compute sums of absolute differences between all rows of ``(A, D)`` and ``(N, D)``: ``(A, N)``.

    Args:
        first: Shape ``(A, D)``.
        second: Shape ``(N, D)``.
        out: Tensor to which the sums are added; None: a new one.
        columns: The columns to compare; None: all.
    """
    from explainsal.functional.kernels import block_loops as loops

    total = first.new_zeros(len(first), len(second)) if out is None else out
    start, stop, _ = (columns or slice(None)).indices(first.shape[1])
    mine, others, sums = first.contiguous().numpy(), second.contiguous().numpy(), total.T.numpy()
    # threads divide the second, which has more rows
    share_runs(lambda run: loops.absolute_differences(others[run], mine, (start, stop), sums[run]), len(second))
    return total
