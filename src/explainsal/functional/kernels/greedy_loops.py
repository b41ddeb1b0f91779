"""The pursuit with weights that are fixed by errors (Eq. 3), row by row, from inner products alone, in float64."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop
from explainsal.functional.kernels.pursuit_loops import best_candidate


@loop
def weigh(errors: Array, opposite: Array, gram: Array, plus: Array, minus: Array) -> None:
    """Write the weights of a row's candidates with either sign, ``(N,)`` each: the largest is 1, unusable ones 0."""
    least = math.inf
    for x in range(len(errors)):
        least = min(least, errors[x], opposite[x])
    for x in range(len(errors)):
        usable = gram[x, x] > 0.5 and least < math.inf
        if least == 0:
            plus[x] = 1.0 if usable and errors[x] == 0 else 0.0
            minus[x] = -1.0 if usable and opposite[x] == 0 else 0.0
        else:
            plus[x] = least / errors[x] if usable else 0.0
            minus[x] = -least / opposite[x] if usable else 0.0


@loop
def rate_sums(
    weights: Array, target: Array, with_sum: Array, fit: float, energy: float, least_energy: float, merit: Array
) -> None:
    """Write the squared correlation of a row with each longer sum; 0 where it is negative or the sum vanishes."""
    for x in range(len(weights)):
        product = fit + weights[x] * target[x]
        after = energy + weights[x] * (2 * with_sum[x] + weights[x])
        merit[x] = product * product / after if product > 0 and after > least_energy else 0.0


@loop
def take_larger(merit: Array, other: Array) -> None:
    """Replace the values of `merit` by those of `other` where these are larger."""
    for x in range(len(merit)):
        merit[x] = max(merit[x], other[x])


@loop
def add_share(total: Array, row: Array, share: float) -> None:
    """Add a multiple of a row to `total`."""
    for x in range(len(total)):
        total[x] += share * row[x]


@loop
def pursue_sums(
    gram: Array, target: Array, errors: Array, opposite: Array, better: float, tie: float, least_energy: float,
    index: Array, weights: Array,
) -> None:  # fmt: skip
    """Write the chosen candidates and weights: see :func:`explainsal.functional.greedy.inverse_error_pursuit`.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        errors: Shape ``(R, N)``.
        opposite: Shape ``(R, N)``.
        better: Least relative increase of the squared correlation.
        tie: Relative difference below which squared correlations are equal.
        least_energy: Sums of less energy are not used.
        index: Shape ``(R, T)``, int64, filled with -1.
        weights: Shape ``(R, T)``, float64, filled with 0.
    """
    candidates = len(gram)
    plus, minus, merit, other = np.empty(candidates), np.empty(candidates), np.empty(candidates), np.empty(candidates)
    with_sum, positive = np.empty(candidates), np.empty(candidates)
    bits = merit.view(np.int64)
    for r in range(len(target)):
        weigh(errors[r], opposite[r], gram, plus, minus)
        with_sum[:] = 0.0
        fit, energy, most, count = 0.0, 0.0, 0.0, 0
        while count < index.shape[1]:
            rate_sums(plus, target[r], with_sum, fit, energy, least_energy, merit)
            rate_sums(minus, target[r], with_sum, fit, energy, least_energy, other)
            positive[:] = merit
            take_larger(merit, other)
            best, x = best_candidate(merit, bits, tie)
            if not best > most * (1 + better):
                break
            weight = minus[x] if other[x] > positive[x] * (1 + tie) else plus[x]
            energy += weight * (2 * with_sum[x] + weight)
            fit += weight * target[r, x]
            add_share(with_sum, gram[x], weight)
            plus[x], minus[x], most = 0.0, 0.0, best
            index[r, count], weights[r, count] = x, weight
            count += 1
        for t in range(count):
            weights[r, t] /= math.sqrt(energy)
