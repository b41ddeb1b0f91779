"""Loops that choose: the least of many numbers, and the maps that together explain most of others."""

from __future__ import annotations

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop


@loop
def comes_before(one: float, other: float) -> bool:
    """Whether a number is less than another; NaN counts as larger than everything."""
    return one < other or (other != other and one == one)


@loop
def insert(value: float, position: int, last: int, found: Array, index: Array) -> None:
    """Put a number where it belongs among the first `last` ones, behind its equals; the later ones move on."""
    t = last
    while t > 0 and comes_before(value, found[t - 1]):
        found[t], index[t] = found[t - 1], index[t - 1]
        t -= 1
    found[t], index[t] = value, position


@loop
def least(values: Array, found: Array, index: Array) -> None:
    """Write the least values of every row in ascending order; of equal values the first comes first.

    Args:
        values: Shape ``(R, N)``; NaN counts as larger than everything.
        found: Shape ``(R, T)``, T at most N.
        index: Shape ``(R, T)``, int64: their positions.
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


@summing_loop
def inner(one: Array, other: Array) -> float:
    """Inner product in float64."""
    found = 0.0
    for x in range(len(one)):
        found += one[x] * other[x]
    return found


@loop
def add_times(values: Array, by: float, out: Array) -> None:
    """Add numbers times a number."""
    for x in range(len(out)):
        out[x] += by * values[x]


@loop
def add_squares(values: Array, out: Array) -> None:
    """Add the squares of numbers."""
    for x in range(len(out)):
        out[x] += values[x] * values[x]


@loop
def best_map(explained: Array, novelty: Array, least: Array, tie: float, merit: Array) -> int:
    """The first map that explains as much of the rest as any, relative to what of itself is new; -1 where none does.

    Args:
        explained: Shape ``(A,)``: what each explains.
        novelty: Shape ``(A,)``: what of each is new.
        least: Shape ``(A,)``: a map of which less is new does not count.
        tie: Merits that differ by less, relatively, are equal.
        merit: Shape ``(A,)``, to work in.
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
    """Take from every map what the one just taken explains of it.

    Args:
        explained: Shape ``(A,)``: what each map explains of the rest; less than 0 becomes 0.
        novelty: Shape ``(A,)``: what of each is new.
        both: Shape ``(A,)``: inner products of what the one taken and each explain of the targets.
        row: Shape ``(A,)``: inner products of the one taken with all, as far as they are new.
        share: One divided by its own.
        size: Squared length of what it explains of the targets.
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
        copy: Share of itself of which less must be new for a map to count as a copy.
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
        for s in range(t):  # what the ones before explain of this one goes
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
