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
