"""Loops of choices: the least of many numbers, and the maps that together explain most of the other maps."""

from __future__ import annotations

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop


@loop
def comes_before(one: float, other: float) -> bool:
    """Return whether a number is less than another; NaN counts as larger than everything."""
    return one < other or (other != other and one == one)


@loop
def insert(value: float, position: int, last: int, found: Array, index: Array) -> None:
    """Insert a number into the sorted first `last` ones, after its equals, and move the later ones by one."""
    t = last
    while t > 0 and comes_before(value, found[t - 1]):
        found[t], index[t] = found[t - 1], index[t - 1]
        t -= 1
    found[t], index[t] = value, position


@loop
def least(values: Array, found: Array, index: Array) -> None:
    """Write the least values of every row in ascending order; equal values keep the order of their positions.

    Args:
        values: Shape ``(R, N)``; NaN counts as larger than everything.
        found: Shape ``(R, T)``, T at most N.
        index: Their positions, shape ``(R, T)``, int64.
    """
    count = found.shape[1]
    for r in range(len(values)):
        row = values[r]
        for x in range(count):
            insert(row[x], x, x, found[r], index[r])
        worst = found[r, count - 1]
        for x in range(count, len(row)):
            if not row[x] >= worst and comes_before(row[x], worst):
                insert(row[x], x, count - 1, found[r], index[r])
                worst = found[r, count - 1]


@loop
def least_of_two(straight: Array, opposite: Array, found: Array, index: Array) -> None:
    """Write the least of the smaller of two numbers ``(R, N)`` of every row, as :func:`least` does."""
    count = found.shape[1]
    for r in range(len(straight)):
        one, other = straight[r], opposite[r]
        for x in range(count):
            insert(min(one[x], other[x]), x, x, found[r], index[r])
        worst = found[r, count - 1]
        for x in range(count, len(one)):
            if one[x] < worst or other[x] < worst:
                insert(min(one[x], other[x]), x, count - 1, found[r], index[r])
                worst = found[r, count - 1]


@loop
def others_possible(
    straight: Array, opposite: Array, worst: Array, known: Array, row: Array, pairs: Array
) -> int:  # fmt: skip
    """Write the pairs whose smaller number is at most that of the worst known one; return how many there are.

    Args:
        straight: Shape ``(R, N)``.
        opposite: Shape ``(R, N)``.
        worst: Shape ``(R,)``.
        known: Positions that are not written, shape ``(R, T)``, int64.
        row: Work array, shape ``(N,)``, bool.
        pairs: Shape ``(m, 2)``, int64: row and position; pairs beyond m are only counted.
    """
    total = 0
    for r in range(len(straight)):
        one, other, limit = straight[r], opposite[r], worst[r]
        for x in range(len(one)):
            row[x] = one[x] <= limit or other[x] <= limit
        for t in range(known.shape[1]):
            row[known[r, t]] = False
        for x in range(len(one)):
            if row[x]:
                if total < len(pairs):
                    pairs[total, 0], pairs[total, 1] = r, x
                total += 1
    return total


@loop
def insert_pairs(errors: Array, pairs: Array, found: Array, index: Array) -> None:
    """Insert the numbers of some pairs ``(m, 2)`` into the sorted numbers of their rows; equals keep their order.

    Args:
        errors: Shape ``(m,)``.
        pairs: Row and position, shape ``(m, 2)``, int64.
        found: Sorted numbers of every row, shape ``(R, T)``; changed.
        index: Their positions, shape ``(R, T)``, int64; changed.
    """
    last = found.shape[1] - 1
    for k in range(len(pairs)):
        r, position, value = pairs[k, 0], pairs[k, 1], errors[k]
        numbers, places = found[r], index[r]
        t = last + 1
        while t > 0 and (value < numbers[t - 1] or (value == numbers[t - 1] and position < places[t - 1])):
            if t <= last:
                numbers[t], places[t] = numbers[t - 1], places[t - 1]
            t -= 1
        if t <= last:
            numbers[t], places[t] = value, position


@summing_loop
def inner(one: Array, other: Array) -> float:
    """Compute an inner product in float64."""
    found = 0.0
    for x in range(len(one)):
        found += one[x] * other[x]
    return found


@loop
def add_times(values: Array, by: float, out: Array) -> None:
    """Add `values` times `by` to `out`."""
    for x in range(len(out)):
        out[x] += by * values[x]


@loop
def add_squares(values: Array, out: Array) -> None:
    """Add the squares of `values` to `out`."""
    for x in range(len(out)):
        out[x] += values[x] * values[x]


@loop
def best_map(explained: Array, novelty: Array, least: Array, tie: float, merit: Array) -> int:
    """Return the first map of greatest merit, explained over own unexplained variance, or -1 if all merits are 0.

    Args:
        explained: Variance of the targets that each map explains, shape ``(A,)``.
        novelty: Unexplained variance of each map, shape ``(A,)``.
        least: Least unexplained variance with which a map counts, shape ``(A,)``.
        tie: Merits with a smaller relative difference are equal.
        merit: Work array, shape ``(A,)``.
    """
    most = 0.0
    for x in range(len(merit)):
        merit[x] = explained[x] / novelty[x] if novelty[x] > least[x] else 0.0
        most = max(most, merit[x])
    for x in range(len(merit)):
        if most > 0 and merit[x] >= most * (1 - tie):
            return x
    return -1


@loop
def lose(explained: Array, novelty: Array, both: Array, row: Array, share: float, size: float) -> None:
    """Subtract from every map the variance that the newly chosen map explains.

    Args:
        explained: Variance of the targets that each map explains, shape ``(A,)``; negative results become 0.
        novelty: Unexplained variance of each map, shape ``(A,)``.
        both: Inner products of the target covariances that the chosen map explains with those of each map, shape
            ``(A,)``.
        row: Residual covariances of the chosen map with all maps, shape ``(A,)``.
        share: Inverse of the chosen map's residual variance.
        size: Squared length of the target covariances that the chosen map explains.
    """
    for x in range(len(row)):
        part = row[x] * share
        explained[x] = max(explained[x] - part * (2 * both[x] - part * size), 0.0)
        novelty[x] -= row[x] * part


@loop
def cover(gram: Array, cross: Array, copy: float, tie: float, chosen: Array) -> None:
    """Write the choice of :func:`explainsal.functional.covering.covering`.

    Args:
        gram: Shape ``(A, A)``, float64.
        cross: Shape ``(C, A)``, float64.
        copy: A map counts as a copy when less than this share of its variance is unexplained.
        tie: See :func:`best_map`.
        chosen: Shape ``(T,)``, int64, filled with -1.
    """
    count, targets, terms = len(gram), len(cross), len(chosen)
    rows, columns = np.empty((terms, count)), np.empty((terms, targets))
    shares, both, merit = np.empty(terms), np.empty(count), np.empty(count)
    novelty, explained = np.diag(gram).copy(), np.zeros(count)
    least = copy * novelty
    for a in range(targets):
        add_squares(cross[a], explained)
    for t in range(terms):
        best = best_map(explained, novelty, least, tie, merit)
        if best < 0:
            return
        chosen[t] = best
        row, column = rows[t], columns[t]
        row[:], column[:] = gram[best], cross[:, best]
        for s in range(t):  # subtract the covariances that the earlier maps explain
            known = rows[s, best] * shares[s]
            add_times(rows[s], -known, row)
            add_times(columns[s], -known, column)
        shares[t] = 1 / row[best]
        both[:] = 0
        for a in range(targets):
            add_times(cross[a], column[a], both)
        for s in range(t):
            add_times(rows[s], -shares[s] * inner(column, columns[s]), both)
        lose(explained, novelty, both, row, shares[t], inner(column, column))
