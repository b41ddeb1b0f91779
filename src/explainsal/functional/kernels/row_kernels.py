"""Standardized rows and comparisons of rows by compiled loops, for tensors on a CPU."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share_runs

_INTEGER = {torch.float32: torch.int32, torch.float64: torch.int64}


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
    given, into, results = memory_of(rows), memory_of(out).numpy(), found.numpy()
    (bits, magnitude), numbers = bits_of(given), given.numpy()

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
    found, given, step, length = rows.new_empty(2, len(rows)), memory_of(rows), rows.stride(0), rows.shape[1]
    (bits, magnitude), numbers, results = bits_of(given), given.numpy(), found.numpy()

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


def compare(target: Tensor, maps: Tensor, weights: Tensor | None = None) -> Tensor:
    """Measure how well rows ``(n, D)`` reconstruct target rows: ``(8, n)``.

    The eight numbers are the mean absolute error, the mean absolute deviation of the target, the standard deviations of
    target and row (0 where a row is constant up to rounding), their covariance, and the last three with the pixels
    weighted by `weights` ``(D,)``, where given.
    """
    from explainsal.functional.kernels import comparison_loops as loops

    target, maps, found = target.contiguous(), maps.contiguous(), target.new_empty(8, len(target))
    equal, own = (row_scaling(target.shape[1], target.dtype, some) for some in (None, weights))
    one, other, results = target.numpy(), maps.numpy(), found.numpy()
    (bits, magnitude), (others, _) = bits_of(target), bits_of(maps)
    reaches = torch.tensor([equal.reach, own.reach], dtype=torch.float64).numpy()
    share_runs(
        lambda run: loops.compare(
            one[run], other[run], bits[run], others[run], magnitude, own.rounding, reaches, own.weights, results[:, run]
        ), len(target),
    )  # fmt: skip
    return found


def finite(rows: Tensor) -> Tensor:
    """Return whether all numbers of each row ``(n, D)`` are finite, ``(n,)``, bool."""
    from explainsal.functional.kernels import row_loops as loops

    found, infinity = torch.empty(len(rows), dtype=torch.bool), rows.new_full((1,), math.inf)
    (bits, magnitude), results, (limit, _) = bits_of(rows.contiguous()), found.numpy(), bits_of(infinity)
    share_runs(lambda run: loops.find_finite(bits[run], magnitude, limit[0], results[run]), len(rows))
    return found


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


def memory_of(rows: Tensor) -> Tensor:
    """Return the memory of rows ``(n, D)`` from the first number to the last, gaps included."""
    count = 0 if len(rows) == 0 else (len(rows) - 1) * rows.stride(0) + rows.shape[1]
    return rows.as_strided((count,), (1,))


def bits_of(rows: Tensor) -> tuple[Any, Any]:
    """Return the same memory as integers, and the integer of all bits except the sign."""
    kind = _INTEGER[rows.dtype]
    return rows.view(kind).numpy(), torch.tensor(torch.iinfo(kind).max, dtype=kind).numpy()[()]
