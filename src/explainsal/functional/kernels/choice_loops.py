"""Loops that choose the least of many numbers."""

from __future__ import annotations

from explainsal.functional.kernels.jit import Array, loop


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
