"""Calls of the compiled loops, for tensors on a CPU; `kernels.dispatch.loops_run` decides where they run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share, share_runs

_RESPONSES = 2**17  # values of complex responses at a time: two such arrays stay in the second-level cache
_FAINT = {torch.float32: 2.0**-30, torch.float64: 2.0**-300}
_INTEGER = {torch.float32: torch.int32, torch.float64: torch.int64}


PARTS = ("energy", "even", "odd", "half_wave", "half_squared")
"""The parts of a complex response: see :class:`~explainsal.explanation.bank.Filter`."""


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


def absolute_differences(first: Tensor, second: Tensor) -> Tensor:
    """Compute sums of absolute differences between all rows of ``(A, D)`` and ``(N, D)``: ``(A, N)``."""
    from explainsal.functional.kernels import block_loops as loops

    total = first.new_zeros(len(second), len(first))  # threads divide the second, which has more rows
    mine, others, sums = first.contiguous().numpy(), second.contiguous().numpy(), total.numpy()
    share_runs(lambda run: loops.absolute_differences(others[run], mine, sums[run]), len(second))
    return total.T


def least(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the least values of rows ``(R, N)`` and their positions, ``(R, count)``: :func:`~.reconstruction.least`."""
    from explainsal.functional.kernels import choice_loops as loops

    found = values.new_empty(len(values), min(count, values.shape[1]))
    index = torch.empty(found.shape, dtype=torch.int64)
    rows, into, places = values.contiguous().numpy(), found.numpy(), index.numpy()
    share_runs(lambda run: loops.least(rows[run], into[run], places[run]), len(rows))
    return found, index


def pair_products(first: Tensor, second: Tensor, pairs: Tensor) -> Tensor:
    """Compute the inner products ``(m,)`` of some pairs of rows.

    Args:
        first: Shape ``(A, D)``.
        second: Shape ``(N, D)``.
        pairs: A row of `first` and a row of `second`, shape ``(m, 2)``, int64.
    """
    from explainsal.functional.kernels import row_loops as loops

    found = first.new_empty(len(pairs))
    mine, others, places, out = (one.contiguous().numpy() for one in (first, second, pairs, found))
    share_runs(lambda run: loops.pair_products(mine, others, places[run], out[run]), len(pairs))
    return found


def add_combinations(total: Tensor, maps: Tensor, place: Tensor, weights: Tensor) -> None:
    """Add a weighted sum of maps ``(n, D)`` to every row of `total` ``(R, D)``.

    Args:
        total: Shape ``(R, D)``, contiguous.
        maps: Shape ``(n, D)``, contiguous.
        place: Positions in `maps`, shape ``(R, T)``, int64; -1 adds nothing.
        weights: Shape ``(R, T)``, in the dtype of `total` and the maps.
    """
    from explainsal.functional.kernels import map_loops as loops

    rows, places, factors, sums = maps.numpy(), place.contiguous().numpy(), weights.contiguous().numpy(), total.numpy()
    share_runs(lambda run: loops.add_combinations(rows, places[run], factors[run], sums[run]), len(total))


def filtered(spectra: Tensor, bank: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply complex spectra ``(n, H, W)`` by real transfer functions ``(g, H, W)``: ``(n, g, H, W)``, in `out`."""
    from explainsal.functional.kernels import map_loops as loops

    if out is None:
        out = torch.empty(len(spectra), *bank.shape, dtype=bank.dtype.to_complex())
    out = out.view(len(spectra), *bank.shape)
    given, gains = torch.view_as_real(spectra.contiguous()).flatten(1).numpy(), bank.contiguous().flatten(1).numpy()
    into = torch.view_as_real(out).flatten(2).numpy()
    share_runs(lambda run: loops.filtered(given[run], gains, into[run]), len(spectra))
    return out


class RowScaling(NamedTuple):
    """Parameters of the standardization of rows, see :func:`row_scaling`."""

    weights: Any
    roots: Any
    rounding: float
    reach: float


def row_scaling(length: int, dtype: torch.dtype, weights: Tensor | None = None, *, rooted: bool = False) -> RowScaling:
    """Prepare the standardization of rows.

    Args:
        length: Number of values in a row.
        dtype: dtype of the rows.
        weights: Weight of each value, mean 1; None: equal weights.
        rooted: Whether standardized rows are also multiplied by the roots of the weights.
    """
    own = torch.empty(0, dtype=dtype) if weights is None else weights.reshape(-1).to(dtype).contiguous()
    least = float(own.min()) if len(own) else 1.0
    reach = math.sqrt(length / least) if least > 0 else math.inf
    return RowScaling(own.numpy(), (own.sqrt() if rooted else own[:0]).numpy(), 8 * torch.finfo(dtype).eps, reach)


def write_responses(
    spectra: Tensor, bank: Tensor, takes: Sequence[tuple[int, int, int]], level: Tensor, out: Tensor,
    scaling: RowScaling | None = None,
) -> None:  # fmt: skip
    """Write the parts of the responses of maps to filters, a few responses at a time.

    Args:
        spectra: Spectra of the maps, shape ``(n, H', W')``, complex.
        bank: Transfer functions of the filters, shape ``(g, H', W')``.
            takes: In the order of the filters: a filter, the position in :data:`PARTS` of the part of its response, and
                the position of that part among the maps of a row of `out`.
        level: Factors of the responses to each map, shape ``(n,)``.
        out: Shape ``(n, c, H, W)``; each row is contiguous, but there may be gaps between rows.
        scaling: Standardization of each map; None: no standardization.
    """
    grid, filters = bank[0].numel(), max(1, min(len(bank), _RESPONSES // bank[0].numel()))
    rows = max(1, min(len(spectra), _RESPONSES // (filters * grid)))  # 1 where the filters are split
    tasks = [(i, g) for i in range(0, len(spectra), rows) for g in range(0, len(bank), filters)]
    work = _ResponseWriter(spectra.contiguous(), bank.contiguous(), takes, level, out, scaling, (rows, filters))
    share_runs(lambda run: work(tasks[run]), len(tasks))


class _ResponseWriter:
    """A worker of :func:`write_responses` for some maps and filters; every call has its own work arrays."""

    def __init__(
        self, spectra: Tensor, bank: Tensor, takes: Sequence[tuple[int, int, int]], level: Tensor, out: Tensor,
        scaling: RowScaling | None, at_once: tuple[int, int],
    ) -> None:  # fmt: skip
        self.like, self.count, self.grid, self.at_once = spectra, len(bank), bank.shape[1:], at_once
        self.spectra, self.gains = torch.view_as_real(spectra).flatten(1).numpy(), bank.flatten(1).numpy()
        self.takes = torch.tensor(takes).reshape(-1, 3).numpy()
        filters = range(0, len(bank) + at_once[1], at_once[1])
        count = torch.bincount(torch.tensor([take[0] // at_once[1] for take in takes]), minlength=len(filters))
        self.cuts = [0, *count.cumsum(0).tolist()]
        self.level, self.step, self.size = (
            level.contiguous().numpy(),
            out.stride(0),
            torch.tensor(out.shape[-2:]).numpy(),
        )
        memory, self.scaling = _memory(out.flatten(1)), scaling
        (self.bits, self.magnitude), self.out, nothing = _bits(memory), memory.numpy(), memory[:0].numpy()
        limits = [] if scaling is None else [scaling.rounding, scaling.reach]
        self.limits = torch.tensor(limits, dtype=torch.float64).numpy()
        self.factors = (nothing, nothing) if scaling is None else (scaling.weights, scaling.roots)

    def __call__(self, tasks: Sequence[tuple[int, int]]) -> None:
        from explainsal.functional.kernels import map_loops as loops

        (rows, filters), (height, width) = self.at_once, self.grid
        work = self.like.new_empty(2, rows * filters, height, width)
        products, answers = (torch.view_as_real(one).flatten(2).numpy() for one in work)  # (n, H', 2 W')
        for i, g in tasks:
            some, its = self.spectra[i : i + rows], self.gains[g : g + filters]
            shape, count = (len(some), len(its)), len(some) * len(its)
            loops.filtered(some, its, products[:count].reshape(*shape, -1))
            torch.fft.ifft2(work[0, :count], out=work[1, :count])
            takes = self.takes[self.cuts[g // filters] : self.cuts[g // filters + 1]]
            start = i * self.step
            loops.write_parts(
                answers[:count].reshape(*shape, height, -1), g, takes, self.level[i : i + rows], self.out[start:],
                self.bits[start:], self.step, self.size, self.magnitude, self.limits, *self.factors,
            )  # fmt: skip


def shrunk(maps: Tensor, step: int) -> Tensor:
    """Reduce maps ``(..., H, W)`` by a `step` of 2 or 4 that divides both sides: ``(..., H / step, W / step)``.

    Every pixel is the mean of the 2 x 2 pixels around its center, as in bilinear resizing without antialiasing.
    """
    from explainsal.functional.kernels import map_loops as loops

    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, height, width).contiguous()
    out = flat.new_empty(len(flat), height // step, width // step)
    given, into = flat.numpy(), out.numpy()
    share_runs(lambda run: [loops.shrink(given[i], step, into[i]) for i in range(run.start, run.stop)], len(flat))
    return out.reshape(*maps.shape[:-2], *out.shape[-2:])


def add_there_and_back(total: Tensor, maps: Tensor, scale: float, *, squared: bool) -> None:
    """Resize maps bilinearly to a scale and back, and add the results or their squares to `total`.

    Args:
        total: Shape ``(n, H, W)``, contiguous.
        maps: Shape ``(n, H, W)``; each map is contiguous, but there may be gaps between maps.
        scale: 4, 2 or 1, or 0.5 or 0.25 where the sides stay whole numbers.
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
    """Compute :func:`~.weighted.weighted_scale`, or :func:`~.reconstruction.centered_scale` without weights.

    Args:
        values: Shape ``(..., D)``.
        out: Tensor for the standardized rows; it may be `values`.
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
    scaling = row_scaling(rows.shape[1], rows.dtype, weights, rooted=rooted)
    found, length, step, stride = rows.new_empty(2, len(rows)), rows.shape[1], rows.stride(0), out.stride(0)
    given, into, results = _memory(rows), _memory(out).numpy(), found.numpy()
    (bits, magnitude), numbers = _bits(given), given.numpy()

    def work(run: slice) -> None:
        first, other = run.start * step, run.start * stride
        loops.standardize(
            numbers[first:], bits[first:], magnitude, scaling.rounding, scaling.reach, step, scaling.weights,
            scaling.roots, into[other:], stride, length, results[:, run],
        )  # fmt: skip

    share_runs(work, len(rows))
    return found[0], found[1]


def mean_and_std(rows: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Compute the means and standard deviations of rows ``(n, D)`` as :func:`standardize` does, ``(n,)`` each."""
    from explainsal.functional.kernels import row_loops as loops

    rows = rows if rows.stride(1) == 1 else rows.contiguous()
    scaling = row_scaling(rows.shape[1], rows.dtype, weights)
    found, given, step, length = rows.new_empty(2, len(rows)), _memory(rows), rows.stride(0), rows.shape[1]
    (bits, magnitude), numbers, results = _bits(given), given.numpy(), found.numpy()

    def work(run: slice) -> None:
        first = run.start * step
        loops.describe(
            numbers[first:], bits[first:], magnitude, scaling.rounding, scaling.reach, step, scaling.weights, length,
            results[:, run],
        )  # fmt: skip

    share_runs(work, len(rows))
    return found[0], found[1]


def standardized_columns(
    rows: Tensor, mean: Tensor, inverse: Tensor, weights: Tensor | None, start: int, count: int
) -> Tensor:
    """Compute some columns ``(n, c)`` of standardized rows, times the roots of any weights.

    Args:
        rows: Shape ``(n, D)``.
        mean: Means of the rows, shape ``(n,)``.
        inverse: Inverses of the standard deviations, shape ``(n,)``; where it is 0, the row becomes 0.
        weights: Shape ``(D,)``.
        start: The first column.
        count: Largest number of columns; fewer at the end of a row.
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
    """Run :func:`explainsal.functional.covering.covering` image by image.

    Args:
        gram: Shape ``(B, A, A)``.
        cross: Shape ``(B, C, A)``.
        count: Number of maps to take, at most A.
        copy: A map counts as a copy when less than this share of its variance is unexplained.
        tie: Relative difference below which merits count as equal.
    """
    from explainsal.functional.kernels import choice_loops as loops

    chosen = torch.full((len(gram), count), -1)
    products, others, places = gram.double().contiguous().numpy(), cross.double().contiguous().numpy(), chosen.numpy()
    share(lambda b: loops.cover(products[b], others[b], copy, tie, places[b]), len(gram))
    return chosen


def _memory(rows: Tensor) -> Tensor:
    """Return the memory of rows ``(n, D)`` from the first number to the last, gaps included."""
    count = 0 if len(rows) == 0 else (len(rows) - 1) * rows.stride(0) + rows.shape[1]
    return rows.as_strided((count,), (1,))


def compare(target: Tensor, maps: Tensor, weights: Tensor | None = None) -> Tensor:
    """Measure how well rows ``(n, D)`` reconstruct target rows: ``(8, n)``.

    The eight numbers are the mean absolute error, the mean absolute deviation of the target, the standard deviations of
    target and row (0 where a row is constant up to rounding), their covariance, and the last three with the pixels
    weighted by `weights` ``(D,)``, where given.
    """
    from explainsal.functional.kernels import row_loops as loops

    target, maps, found = target.contiguous(), maps.contiguous(), target.new_empty(8, len(target))
    equal, own = (row_scaling(target.shape[1], target.dtype, some) for some in (None, weights))
    one, other, results = target.numpy(), maps.numpy(), found.numpy()
    (bits, magnitude), (others, _) = _bits(target), _bits(maps)
    reaches = torch.tensor([equal.reach, own.reach], dtype=torch.float64).numpy()
    share_runs(
        lambda run: loops.compare(
            one[run], other[run], bits[run], others[run], magnitude, own.rounding, reaches, own.weights, results[:, run]
        ), len(target),
    )  # fmt: skip
    return found


def pursue(
    gram: Tensor, target: Tensor, terms: int, dependent: float, faint: float, tie: float, ridge: float
) -> tuple[Tensor, Tensor]:
    """Run the signed pursuit of some rows: see :func:`explainsal.functional.coefficients.matching_pursuit`.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        terms: The number of terms T.
        dependent: A candidate is skipped when less than this much of its squared length is unexplained.
        faint: Least absolute correlation at which a row takes a candidate.
        tie: Relative difference below which correlations count as equal; the first such candidate is taken.
        ridge: Value added to the diagonal for the solution of the weights.

    Returns:
        Positions, int64, -1 at unused terms, and weights, float64, both ``(R, T)``.
    """
    from explainsal.functional.kernels import pursuit_loops as loops

    index = torch.full((len(target), terms), -1, dtype=torch.int64)
    weights = torch.zeros(len(target), terms, dtype=torch.float64)
    products, rows = gram.contiguous().numpy(), target.contiguous().numpy()
    places, found = index.numpy(), weights.numpy()
    share_runs(
        lambda run: loops.pursue(products, rows[run], dependent, faint, tie, ridge, places[run], found[run]),
        len(target),
    )
    return index, weights


def _bits(rows: Tensor) -> tuple[Any, Any]:
    """Return the same memory as integers, and the integer of all bits except the sign."""
    kind = _INTEGER[rows.dtype]
    return rows.view(kind).numpy(), torch.tensor(torch.iinfo(kind).max, dtype=kind).numpy()[()]
