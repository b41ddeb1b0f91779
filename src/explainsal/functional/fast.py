"""What the engine computes by compiled loops, for tensors on a CPU; `kernels.dispatch.loops_run` says where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share, share_runs

_FAINT = {torch.float32: 2.0**-30, torch.float64: 2.0**-300}
_INTEGER = {torch.float32: torch.int32, torch.float64: torch.int64}


PARTS = ("energy", "even", "odd", "half_wave", "half_squared")
"""What can be taken of a complex response: see :class:`~explainsal.explanation.bank.Filter`."""


class Blocks(NamedTuple):
    """Blocks of maps as they are, enlarged or made smaller.

    Args:
        shrink: How often the maps are made smaller, see :func:`shrunk`: 1, 2 or 4.
        cells: Side of a block in pixels of these.
        rows: How many blocks there are along y.
        columns: The same along x.
        square: Mean of t^2 over the sample offsets t in a pixel of maps that are enlarged, else 0.
        size: Mean of their absolute values.
    """

    shrink: int
    cells: int
    rows: int
    columns: int
    square: float = 0.0
    size: float = 0.0


def block_moments(maps: Tensor, scales: Sequence[Blocks]) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of blocks of maps ``(..., H, W)``: per scale two tensors ``(..., rows, columns)``."""
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


def absolute_differences(first: Tensor, second: Tensor) -> Tensor:
    """Sums of absolute differences between all rows of ``(A, D)`` and of ``(N, D)``: ``(A, N)``."""
    from explainsal.functional.kernels import block_loops as loops

    total = first.new_zeros(len(second), len(first))  # threads share out the second, whose rows are more
    mine, others, sums = first.contiguous().numpy(), second.contiguous().numpy(), total.numpy()
    share_runs(lambda run: loops.absolute_differences(others[run], mine, sums[run]), len(second))
    return total.T


def least(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As :func:`~.reconstruction.least`: the least values of rows ``(R, N)`` and their positions, ``(R, count)``."""
    from explainsal.functional.kernels import choice_loops as loops

    found = values.new_empty(len(values), min(count, values.shape[1]))
    index = torch.empty(found.shape, dtype=torch.int64)
    rows, into, places = values.contiguous().numpy(), found.numpy(), index.numpy()
    share_runs(lambda run: loops.least(rows[run], into[run], places[run]), len(rows))
    return found, index


def add_combinations(total: Tensor, maps: Tensor, place: Tensor, weights: Tensor) -> None:
    """Add to every row of `total` ``(R, D)`` some of the maps ``(n, D)``, each times its weight.

    Args:
        total: Shape ``(R, D)``, contiguous.
        maps: Shape ``(n, D)``, contiguous.
        place: Shape ``(R, T)``, int64: positions in `maps`; -1 adds nothing.
        weights: Shape ``(R, T)``, of the dtype of `total` and of the maps.
    """
    from explainsal.functional.kernels import map_loops as loops

    rows, places, factors, sums = maps.numpy(), place.contiguous().numpy(), weights.contiguous().numpy(), total.numpy()
    share_runs(lambda run: loops.add_combinations(rows, places[run], factors[run], sums[run]), len(total))


def filtered(spectra: Tensor, bank: Tensor, out: Tensor | None = None) -> Tensor:
    """Complex spectra ``(n, H, W)`` times real transfer functions ``(g, H, W)``: ``(n, g, H, W)``, in `out` if any."""
    from explainsal.functional.kernels import map_loops as loops

    if out is None:
        out = torch.empty(len(spectra), *bank.shape, dtype=bank.dtype.to_complex())
    out = out.view(len(spectra), *bank.shape)
    given, gains = torch.view_as_real(spectra.contiguous()).flatten(1).numpy(), bank.contiguous().flatten(1).numpy()
    into = torch.view_as_real(out).flatten(2).numpy()
    share_runs(lambda run: loops.filtered(given[run], gains, into[run]), len(spectra))
    return out


def write_parts(responses: Tensor, some: range, level: Tensor, parts: Sequence[str], first: int, out: Tensor) -> None:
    """Write what is taken of complex responses to some filters of a bank.

    Args:
        responses: Shape ``(n, g, H', W')``, contiguous.
        some: Which of the g filters.
        level: Shape ``(n,)``: what the responses to each map are multiplied by.
        parts: Some of :data:`PARTS`, one after the other for each filter.
        first: Where in `out` to begin.
        out: Shape ``(n, c, H, W)``; the maps of a row lie one after the other, rows may lie apart.
    """
    from explainsal.functional.kernels import map_loops as loops

    given, by = torch.view_as_real(responses).flatten(3).numpy(), level.contiguous().numpy()
    codes, step, size = torch.tensor([PARTS.index(part) for part in parts]).numpy(), out.stride(0), out.shape[-2:]
    into, sides = _memory(out.flatten(1)).numpy(), torch.tensor(size).numpy()
    share_runs(
        lambda run: loops.write_parts(
            given[run], some.start, some.stop, by[run], codes, first, into[run.start * step :], step, sides
        ), len(out),
    )  # fmt: skip


def shrunk(maps: Tensor, step: int) -> Tensor:
    """Maps ``(..., H, W)`` made 2 or 4 times smaller, where `step` divides both sides: ``(..., H / step, W / step)``.

    Every pixel is the mean of the 2 x 2 pixels around its center, as bilinear resizing without antialiasing has it.
    """
    from explainsal.functional.kernels import map_loops as loops

    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, height, width).contiguous()
    out = flat.new_empty(len(flat), height // step, width // step)
    given, into = flat.numpy(), out.numpy()
    share_runs(lambda run: [loops.shrink(given[i], step, into[i]) for i in range(run.start, run.stop)], len(flat))
    return out.reshape(*maps.shape[:-2], *out.shape[-2:])


def add_there_and_back(total: Tensor, maps: Tensor, scale: float, *, squared: bool) -> None:
    """Add to `total` the maps taken to a scale and back bilinearly, or the squares of these.

    Args:
        total: Shape ``(n, H, W)``, contiguous.
        maps: Shape ``(n, H, W)``; every map contiguous, but they may lie apart.
        scale: 4, 2, 1, or where it keeps sides whole 0.5 or 0.25.
        squared: Whether squares are added.
    """
    from explainsal.functional.kernels import map_loops as loops

    given, into = maps.numpy(), total.numpy()
    if scale < 1:
        step = round(1 / scale)
        away = [abs((p + 0.5) / step - 0.5) for p in range(step)]
        sides = torch.tensor([[1 - one, one] for one in away], dtype=total.dtype).numpy()
        small = (total.shape[1] // step, total.shape[2] // step)

        def work(run: slice) -> None:
            between = total.new_empty(small).numpy()
            for i in range(run.start, run.stop):
                loops.add_shrunk_and_back(given[i], step, sides, squared, between, into[i])

    else:
        side = {1.0: 0.0, 2.0: 0.125, 4.0: 0.0625}[float(scale)]
        sides = torch.tensor([1 - 2 * side, side], dtype=total.dtype).numpy()

        def work(run: slice) -> None:
            for i in range(run.start, run.stop):
                loops.add_enlarged_and_back(given[i], sides, squared, into[i])

    share_runs(work, len(total))


def standardize(
    values: Tensor, out: Tensor | None = None, weights: Tensor | None = None, *, rooted: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`~.weighted.weighted_scale`, or where there are no weights :func:`~.reconstruction.centered_scale`.

    Args:
        values: Shape ``(..., D)``.
        out: Where the standardized rows go; it may be `values`.
        weights: Shape ``(D,)``, or ``(B, 1, ..., 1, D)`` for values ``(B, ..., D)``.
        rooted: Whether the rows are also multiplied by the roots of the weights.
    """
    if weights is not None and weights.numel() > weights.shape[-1]:
        parts = zip(values, weights, values if out is None else out, strict=True)
        found = [standardize(v, None if out is None else o, w, rooted=rooted) for v, w, o in parts]
        forms, means, stds = (torch.stack(some) for some in zip(*found, strict=True))
        return (forms if out is None else out), means, stds
    into = torch.empty_like(values, memory_format=torch.contiguous_format) if out is None else out
    if into.ndim > 2 and not into.is_contiguous():
        found = [standardize(v, o, weights, rooted=rooted) for v, o in zip(values, into, strict=True)]
        return into, torch.stack([one[1] for one in found]), torch.stack([one[2] for one in found])
    means, stds = _standardize_rows(values, into.view(-1, into.shape[-1]), weights, rooted)
    shape = (*values.shape[:-1], 1)
    return into, means.reshape(shape), stds.reshape(shape)


def _standardize_rows(values: Tensor, out: Tensor, weights: Tensor | None, rooted: bool) -> tuple[Tensor, Tensor]:
    from explainsal.functional.kernels import row_loops as loops

    rows = values.reshape(-1, values.shape[-1])
    rows = rows if rows.stride(1) == 1 else rows.contiguous()
    own = rows.new_empty(0) if weights is None else weights.reshape(-1).to(rows.dtype).contiguous()
    roots = own.sqrt().numpy() if rooted else rows.new_empty(0).numpy()
    found = rows.new_empty(2, len(rows))
    given, into, factors, results, length = _memory(rows), _memory(out), own.numpy(), found.numpy(), rows.shape[1]
    (bits, magnitude), values_, written = _bits(given), given.numpy(), into.numpy()
    step, stride, rounding, reach = rows.stride(0), out.stride(0), 8 * torch.finfo(rows.dtype).eps, _reach(rows, own)

    def work(run: slice) -> None:
        first, other = run.start * step, run.start * stride
        loops.standardize(
            values_[first:], bits[first:], magnitude, rounding, reach, step, factors, roots, written[other:], stride,
            length, results[:, run],
        )  # fmt: skip

    share_runs(work, len(rows))
    return found[0], found[1]


def mean_and_std(rows: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What :func:`standardize` finds of rows ``(n, D)``, ``(n,)`` each, without standardizing them."""
    from explainsal.functional.kernels import row_loops as loops

    rows = rows if rows.stride(1) == 1 else rows.contiguous()
    own = rows.new_empty(0) if weights is None else weights.contiguous()
    found, given, step, length = rows.new_empty(2, len(rows)), _memory(rows), rows.stride(0), rows.shape[1]
    (bits, magnitude), values, factors, results = _bits(given), given.numpy(), own.numpy(), found.numpy()
    rounding, reach = 8 * torch.finfo(rows.dtype).eps, _reach(rows, own)

    def work(run: slice) -> None:
        first = run.start * step
        loops.describe(values[first:], bits[first:], magnitude, rounding, reach, step, factors, length, results[:, run])

    share_runs(work, len(rows))
    return found[0], found[1]


def standardized_columns(
    rows: Tensor, mean: Tensor, inverse: Tensor, weights: Tensor | None, start: int, count: int
) -> Tensor:
    """Some columns ``(n, c)`` of standardized rows, times the roots of the weights if there are any.

    Args:
        rows: Shape ``(n, D)``.
        mean: Shape ``(n,)``.
        inverse: Shape ``(n,)``: of the standard deviations; where it is 0, the row is.
        weights: Shape ``(D,)``.
        start: The first column.
        count: How many columns; as many as there are.
    """
    from explainsal.functional.kernels import row_loops as loops

    out = rows.new_empty(len(rows), min(count, rows.shape[1] - start))
    roots = rows.new_empty(0) if weights is None else weights.sqrt()
    given, into, means, shares = rows.contiguous().numpy(), out.numpy(), mean.numpy(), inverse.numpy()
    share_runs(
        lambda run: loops.write_columns(given[run], means[run], shares[run], roots.numpy(), start, into[run]), len(rows)
    )
    return out


def covering(gram: Tensor, cross: Tensor, count: int, copy: float, tie: float) -> Tensor:
    """As :func:`explainsal.functional.covering.covering`, image by image.

    Args:
        gram: Shape ``(B, A, A)``.
        cross: Shape ``(B, C, A)``.
        count: How many maps to take, at most A.
        copy: Share of itself of which less must be new for a map to count as a copy.
        tie: Relative difference below which merits are equal.
    """
    from explainsal.functional.kernels import choice_loops as loops

    chosen = torch.full((len(gram), count), -1)
    products, others, places = gram.double().contiguous().numpy(), cross.double().contiguous().numpy(), chosen.numpy()
    share(lambda b: loops.cover(products[b], others[b], copy, tie, places[b]), len(gram))
    return chosen


def _memory(rows: Tensor) -> Tensor:
    """The numbers from the first of some rows ``(n, D)`` to their last, with what lies between."""
    count = 0 if len(rows) == 0 else (len(rows) - 1) * rows.stride(0) + rows.shape[1]
    return rows.as_strided((count,), (1,))


def _reach(rows: Tensor, weights: Tensor) -> float:
    """The most standard deviations that a number of a row can be away from the mean."""
    least = float(weights.min()) if len(weights) else 1.0
    return math.sqrt(rows.shape[1] / least) if least > 0 else math.inf


def compare(target: Tensor, maps: Tensor, weights: Tensor | None = None) -> Tensor:
    """How well rows ``(n, D)`` rebuild others: ``(8, n)``.

    Mean absolute error, mean absolute deviation of the target, standard deviations of target and row (0 where a row is
    constant up to rounding), covariance; and the last three in which pixels count by weights ``(D,)``, where given.
    """
    from explainsal.functional.kernels import row_loops as loops

    target, maps, found = target.contiguous(), maps.contiguous(), target.new_empty(8, len(target))
    own = target.new_empty(0) if weights is None else weights.reshape(-1).to(target.dtype).contiguous()
    one, other, factors, results = target.numpy(), maps.numpy(), own.numpy(), found.numpy()
    bits, magnitude = _bits(target)
    others = _bits(maps)[0]
    rounding = 8 * torch.finfo(target.dtype).eps
    reaches = torch.tensor([_reach(target, own[:0]), _reach(target, own)], dtype=torch.float64).numpy()
    share_runs(
        lambda run: loops.compare(
            one[run], other[run], bits[run], others[run], magnitude, rounding, reaches, factors, results[:, run]
        ), len(target),
    )  # fmt: skip
    return found


def pursue(
    gram: Tensor, target: Tensor, terms: int, dependent: float, faint: float, ridge: float
) -> tuple[Tensor, Tensor]:
    """Signed pursuit of some rows: see :func:`explainsal.functional.coefficients.matching_pursuit`.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        terms: T.
        dependent: A candidate of whose squared length less is new is passed over.
        faint: A row takes no candidate that correlates less.
        ridge: Added to the diagonal when weights are solved for.

    Returns:
        Positions, int64, -1 where nothing was taken, and weights, float64, both ``(R, T)``.
    """
    from explainsal.functional.kernels import pursuit_loops as loops

    index = torch.full((len(target), terms), -1, dtype=torch.int64)
    weights = torch.zeros(len(target), terms, dtype=torch.float64)
    products, rows = gram.contiguous().numpy(), target.contiguous().numpy()
    places, found = index.numpy(), weights.numpy()
    share_runs(
        lambda run: loops.pursue(products, rows[run], dependent, faint, ridge, places[run], found[run]), len(target)
    )
    return index, weights


def _bits(rows: Tensor) -> tuple[Any, Any]:
    """The same memory as integers, and the integer of all bits but the sign."""
    kind = _INTEGER[rows.dtype]
    return rows.view(kind).numpy(), torch.tensor(torch.iinfo(kind).max, dtype=kind).numpy()[()]
