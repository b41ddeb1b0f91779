"""Block moments (Section II-B2) and their distances (Eq. 2) by compiled loops, for tensors on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share_runs

Plan = tuple[int, int, int, int]
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


def block_moments(maps: Tensor, scales: Sequence[Blocks], block_size: int) -> list[tuple[Tensor, Tensor]]:
    """Compute the mean and variance of blocks of maps ``(..., H, W)``: two ``(..., rows, columns)`` per scale."""
    from explainsal.functional.kernels import block_loops as loops

    if not scales:
        return []
    flat = maps.reshape(-1, *maps.shape[-2:]).contiguous()
    sizes = [one.rows * one.columns for one in scales]
    starts = [sum(sizes[:s]) for s in range(len(scales))]
    found = flat.new_empty(2, len(flat), sum(sizes))
    plans = [(one, (one.cells, one.rows, one.columns, start)) for one, start in zip(scales, starts, strict=True)]
    own = _integers([(one.shrink, *plan) for one, plan in plans if not one.square], 5)
    pairs, numbers = _pairs([(one, plan) for one, plan in plans if one.square])
    how = (
        _FAINT[flat.dtype],
        block_size,
        own,
        _integers(pairs, 2, 4),
        np.array(numbers, flat.numpy().dtype).reshape(-1, 8),
    )
    given, (mean, variance) = flat.numpy(), found.numpy()
    share_runs(lambda run: loops.scaled_moments(given[run], *how, mean[run], variance[run]), len(flat))
    shape = maps.shape[:-2]
    parts = [found[..., start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return [
        (part[0].reshape(*shape, one.rows, one.columns), part[1].reshape(*shape, one.rows, one.columns))
        for part, one in zip(parts, scales, strict=True)
    ]


def _integers(numbers: Sequence[object], *shape: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64).reshape(-1, *shape)


def _pairs(plans: Sequence[tuple[Blocks, Plan]]) -> tuple[list[tuple[Plan, Plan]], list[list[float]]]:
    """Pair an enlarging scale with factor 2, which shares its work; a scale that is left has a partner without blocks.

    Factor 2 has the partner of factor 4, if no other, so that its sums are the same beside any scales of a preset.
    """
    pairs: list[tuple[Plan, Plan]] = []
    numbers: list[list[float]] = []
    twice = [(one, plan) for one, plan in plans if _bend(one) == 0]
    for one, plan in [each for each in plans if each not in twice]:
        slope, bend, other, partner = _slope(one), _bend(one), 0.0, (plan[0], 0, 0, 0)
        if twice and twice[0][0].size == one.size:
            two, partner = twice.pop()
            other = _slope(two)
        pairs.append((plan, partner))
        numbers.append([one.size / 2, slope, slope**2, bend, slope * bend, bend**2, other, other**2])
    for one, plan in twice:
        pairs.append(((plan[0] // 2 if plan[0] % 2 == 0 else plan[0], 0, 0, 0), plan))
        numbers.append([one.size / 2, 0, 0, 0, 0, 0, _slope(one), _slope(one) ** 2])
    return pairs, numbers


def _slope(one: Blocks) -> float:
    return one.square / 4


def _bend(one: Blocks) -> float:
    return (one.square - one.size**2) / 4


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
    from explainsal.functional.kernels import comparison_loops as loops

    total = first.new_zeros(len(first), len(second)) if out is None else out
    start, stop, _ = (columns or slice(None)).indices(first.shape[1])
    mine, others, sums = first.contiguous().numpy(), second.contiguous().numpy(), total.T.numpy()
    # threads divide the second, which has more rows
    share_runs(lambda run: loops.absolute_differences(others[run], mine, (start, stop), sums[run]), len(second))
    return total
