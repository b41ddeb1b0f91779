"""Choices of candidates and of maps by compiled loops, for tensors on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share, share_runs


def least(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the least values of rows ``(R, N)`` and their positions, ``(R, count)``: :func:`~.reconstruction.least`."""
    from explainsal.functional.kernels import choice_loops as loops

    found = values.new_empty(len(values), min(count, values.shape[1]))
    index = torch.empty(found.shape, dtype=torch.int64)
    rows, into, places = values.contiguous().numpy(), found.numpy(), index.numpy()
    share_runs(lambda run: loops.least(rows[run], into[run], places[run]), len(rows))
    return found, index


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


def least_of_two(straight: Tensor, opposite: Tensor, count: int) -> Tensor:
    """Find the positions ``(R, count)`` of the least of the smaller of two numbers ``(R, N)`` of every row."""
    from explainsal.functional.kernels import choice_loops as loops

    found = straight.new_empty(len(straight), count)
    index = torch.empty(found.shape, dtype=torch.int64)
    one, other, into, places = straight.numpy(), opposite.numpy(), found.numpy(), index.numpy()
    share_runs(lambda run: loops.least_of_two(one[run], other[run], into[run], places[run]), len(one))
    return index


def others_possible(straight: Tensor, opposite: Tensor, worst: Tensor, known: Tensor) -> Tensor:
    """Return pairs of a row and a position ``(m, 2)`` whose smaller number is finite and at most `worst`.

    Args:
        straight: Shape ``(R, N)``.
        opposite: Shape ``(R, N)``.
        worst: Shape ``(R,)``.
        known: Positions to leave out, shape ``(R, T)``, int64.
    """
    from explainsal.functional.kernels import choice_loops as loops

    limit = worst.clamp_max(torch.finfo(worst.dtype).max)
    one, other, most, places = (some.contiguous().numpy() for some in (straight, opposite, limit, known))
    work, pairs = torch.empty(straight.shape[1], dtype=torch.bool), torch.empty(2 * known.numel(), 2, dtype=torch.int64)
    count = loops.others_possible(one, other, most, places, work.numpy(), pairs.numpy())
    if count > len(pairs):
        pairs = torch.empty(count, 2, dtype=torch.int64)
        loops.others_possible(one, other, most, places, work.numpy(), pairs.numpy())
    return pairs[:count]


def insert_pairs(errors: Tensor, pairs: Tensor, found: Tensor, index: Tensor) -> None:
    """Insert numbers ``(m,)`` of pairs ``(m, 2)`` into the sorted numbers ``(R, T)`` of their rows, and positions."""
    from explainsal.functional.kernels import choice_loops as loops

    loops.insert_pairs(errors.contiguous().numpy(), pairs.contiguous().numpy(), found.numpy(), index.numpy())


def keep_above(
    gram: Tensor, target: Tensor, index: Tensor, least: float, jitter: float, ridge: float
) -> tuple[Tensor, Tensor]:
    """Keep the terms of a pursuit that explain enough: see :func:`explainsal.functional.coefficients.above_noise`.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        index: Shape ``(R, T)``, int64; -1 at unused terms.
        least: Least share of the residual that a term must explain.
        jitter: Value added to the diagonal for the shares.
        ridge: Value added to the diagonal for the weights.

    Returns:
        Positions and weights, float64, as of :func:`pursue`.
    """
    from explainsal.functional.kernels import pursuit_loops as loops

    index = index.clone(memory_format=torch.contiguous_format)
    weights = torch.zeros(index.shape, dtype=torch.float64)
    products, rows = gram.contiguous().numpy(), target.contiguous().numpy()
    loops.keep_above(products, rows, least, jitter, ridge, index.numpy(), weights.numpy())
    return index, weights


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


def pursue_sums(
    gram: Tensor, target: Tensor, errors: Tensor, opposite: Tensor, terms: int,
    better: float, tie: float, least_energy: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run the pursuit with weights fixed by errors: see :func:`explainsal.functional.greedy.inverse_error_pursuit`.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        errors: Shape ``(R, N)``.
        opposite: Shape ``(R, N)``.
        terms: The number of terms T.
        better: Least relative increase of the squared correlation.
        tie: Relative difference below which squared correlations are equal.
        least_energy: Sums of less energy are not used.

    Returns:
        Positions, int64, -1 at unused terms, and weights, float64, both ``(R, T)``.
    """
    from explainsal.functional.kernels import greedy_loops as loops

    index = torch.full((len(target), terms), -1, dtype=torch.int64)
    weights = torch.zeros(len(target), terms, dtype=torch.float64)
    products, rows, straight, reversed_ = (one.contiguous().numpy() for one in (gram, target, errors, opposite))
    places, found = index.numpy(), weights.numpy()

    def work(run: slice) -> None:
        loops.pursue_sums(
            products, rows[run], straight[run], reversed_[run], better, tie, least_energy, places[run], found[run]
        )

    share_runs(work, len(target))
    return index, weights
