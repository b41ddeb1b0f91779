"""Matching (Eq. 2) where each candidate enters with the sign of its correlation, with few correlations, on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from explainsal.functional.kernels import block_kernels, choice_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.reconstruction import pairwise_mae


def signs_by_pairs(activations: Tensor) -> bool:
    """Return whether :func:`nearest_signed` applies to these maps; other devices compute all correlations at once."""
    return loops_run(activations)


def signed_mae(mine: Tensor, theirs: Tensor, flipped: int) -> tuple[Tensor, Tensor]:
    """Compute the mean absolute errors between descriptors of maps and of candidates, and those of negated maps.

    Args:
        mine: Descriptors of activation maps, shape ``(B, A, D)``.
        theirs: Descriptors of candidates, shape ``(B, N, D)``.
        flipped: How many leading numbers of a descriptor change sign with the map.

    Returns:
        The errors of the maps and those of the negated maps, both ``(B, A, N)``.

    Example:
        >>> [errors.tolist() for errors in signed_mae(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 0.0]]]), 1)]
        [[[[2.0]]], [[[3.0]]]]
    """
    negated = torch.cat([-mine[..., :flipped], mine[..., flipped:]], dim=-1)
    if not loops_run(mine, theirs):
        return pairwise_mae(mine, theirs), pairwise_mae(negated, theirs)
    straight = mine.new_zeros(*mine.shape[:-1], theirs.shape[-2])
    for one, other, sums in zip(mine, theirs, straight, strict=True):
        block_kernels.absolute_differences(one, other, sums, slice(flipped, None))
    opposite = straight.clone()  # the numbers that keep their sign are compared once
    for some, totals in ((mine, straight), (negated, opposite)) if flipped else ():
        for one, other, sums in zip(some, theirs, totals, strict=True):
            block_kernels.absolute_differences(one, other, sums, slice(flipped))
    return straight.div_(mine.shape[-1]), opposite.div_(mine.shape[-1])


def nearest_signed(
    straight: Tensor, opposite: Tensor, count: int, find_negative: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the candidates of least error, each with the sign of its correlation.

    Correlations are only asked for where the smaller of the two errors could be among the least: first for the likely
    candidates, then for all that remain possible.

    Args:
        straight: Error of each map and candidate, shape ``(A, N)``; infinite for unusable candidates.
        opposite: Error of each negated map, shape ``(A, N)``.
        count: Number of candidates per map, at most N.
        find_negative: Function of pairs of a map and a candidate ``(m, 2)``, int64, that returns whether they correlate
            negatively, ``(m,)``.

    Returns:
        Errors in ascending order, positions, and whether the sign is negative, all ``(A, count)``. Equal errors keep
        the order of their positions.

    Example:
        >>> straight, opposite = torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([[4.0, 0.5, 2.5]])
        >>> error, index, negative = nearest_signed(straight, opposite, 2, lambda pairs: pairs[:, 1] == 2)
        >>> error.tolist(), index.tolist(), negative.tolist()
        ([[1.0, 2.5]], [[0, 2]], [[False, True]])
    """
    known = choice_kernels.least_of_two(straight, opposite, count)
    found = torch.full_like(straight[:, :count], torch.inf)
    index = torch.full_like(known, 2 * straight.shape[1])  # twice a position, plus 1 for a negative sign

    def insert(pairs: Tensor) -> None:
        negative, (row, position) = find_negative(pairs), pairs.T
        errors = torch.where(negative, opposite[row, position], straight[row, position])
        coded = torch.stack([row, 2 * position + negative], dim=1)
        choice_kernels.insert_pairs(errors, coded, found, index)

    rows = torch.arange(len(known)).repeat_interleave(count)
    insert(torch.stack([rows, known.flatten()], dim=1))
    insert(choice_kernels.others_possible(straight, opposite, found[:, -1], known))
    return found, index // 2, index % 2 == 1
