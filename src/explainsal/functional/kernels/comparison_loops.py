"""Loops over rows of numbers: comparing maps; see `row_loops` for the types of numbers."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop
from explainsal.functional.kernels.row_loops import PART, is_constant, product, total

LENGTH = 512
"""Length of a piece of the rows of a distance, such that all pieces stay in the second-level cache."""


@summing_loop
def differences(target: Array, row: Array, mean: float, other: float) -> tuple[float, float, float, float, float]:
    """Sum \\|target - row\\|, \\|target - mean\\|, and the squares and products of both about their means."""
    zero = row.dtype.type(0)
    away, spread, one, two, both = zero, zero, zero, zero, zero
    for x in range(len(row)):
        mine, its = target[x] - mean, row[x] - other
        away += abs(target[x] - row[x])
        spread += abs(mine)
        one += mine * mine
        two += its * its
        both += mine * its
    return away, spread, one, two, both


@summing_loop
def weighted_products(
    target: Array, row: Array, weights: Array, mean: float, other: float
) -> tuple[float, float, float]:
    """Sum the weighted squares and products of two rows about their means."""
    zero = row.dtype.type(0)
    one, two, both = zero, zero, zero
    for x in range(len(row)):
        mine, its = target[x] - mean, row[x] - other
        heavy = weights[x] * mine
        one += heavy * mine
        two += weights[x] * its * its
        both += heavy * its
    return one, two, both


@loop
def means(target: Array, row: Array, weights: Array) -> tuple[float, float, float, float]:
    """Compute the means of two rows and their weighted means, which are 0 without weights."""
    one, two, heavy, other = 0.0, 0.0, 0.0, 0.0
    for start in range(0, len(row), PART):
        mine, its = target[start : start + PART], row[start : start + PART]
        one += total(mine)
        two += total(its)
        if len(weights):
            part = weights[start : start + PART]
            heavy += product(mine, part)
            other += product(its, part)
    kind, length = row.dtype.type, len(row)
    return kind(one / length), kind(two / length), kind(heavy / length), kind(other / length)


@loop
def compare_rows(target: Array, row: Array, weights: Array, sums: Array) -> tuple[float, float, float, float]:
    """Write the sums of :func:`differences` and :func:`weighted_products` divided by D; return the rows' means.

    Args:
        target: Shape ``(D,)``.
        row: Shape ``(D,)``.
        weights: Shape ``(D,)``, or empty.
        sums: Shape ``(8,)``.
    """
    mean, other, heavy, its = means(target, row, weights)
    sums[:] = 0
    for start in range(0, len(row), PART):
        one, two = target[start : start + PART], row[start : start + PART]
        found = differences(one, two, mean, other)
        for k in range(5):
            sums[k] += found[k]
        if len(weights):
            more = weighted_products(one, two, weights[start : start + PART], heavy, its)
            for k in range(3):
                sums[5 + k] += more[k]
    sums /= len(row)
    return mean, other, heavy, its


@loop
def deviation(
    row: Array, bits: Array, magnitude: int, mean: float, variance: float, rounding: float, reach: float
) -> float:
    """Return the standard deviation of a row, or 0 where it is constant up to rounding: see :func:`is_constant`."""
    std = math.sqrt(variance)
    return 0.0 if is_constant(row, bits, magnitude, mean, std, rounding, reach) else std


@loop
def compare(
    target: Array, rows: Array, bits: Array, others: Array, magnitude: int, rounding: float, reaches: Array,
    weights: Array, out: Array,
) -> None:  # fmt: skip
    """Measure how well every row reconstructs its target: see :func:`~.row_kernels.compare`.

    Args:
        target: Shape ``(n, D)``.
        rows: Shape ``(n, D)``.
        bits: Bits of the target, see :func:`largest_magnitude`.
        others: Bits of the rows.
        magnitude: See :func:`largest_magnitude`.
        rounding: See :func:`standardize`.
        reaches: Reach without and with weights, shape ``(2,)``: see :func:`standardize`.
        weights: Shape ``(D,)``, mean 1; or empty.
        out: Shape ``(8, n)``.
    """
    sums = np.empty(8)
    for i in range(len(target)):
        one, two, mine, its = target[i], rows[i], bits[i], others[i]
        mean, other, heavy, second = compare_rows(one, two, weights, sums)
        out[0, i], out[1, i], out[4, i], out[7, i] = sums[0], sums[1], sums[4], sums[7]
        out[2, i] = deviation(one, mine, magnitude, mean, sums[2], rounding, reaches[0])
        out[3, i] = deviation(two, its, magnitude, other, sums[3], rounding, reaches[0])
        out[5, i] = deviation(one, mine, magnitude, heavy, sums[5], rounding, reaches[1])
        out[6, i] = deviation(two, its, magnitude, second, sums[6], rounding, reaches[1])


@summing_loop
def distances(w: Array, x: Array, y: Array, z: Array, p: Array, q: Array, sums: Array) -> None:
    """Write the sums of absolute differences between four rows and two others to `sums` ``(4, 2)``."""
    zero = p.dtype.type(0)
    wp, xp, yp, zp, wq, xq, yq, zq = zero, zero, zero, zero, zero, zero, zero, zero
    for d in range(len(p)):
        wp += abs(w[d] - p[d])
        xp += abs(x[d] - p[d])
        yp += abs(y[d] - p[d])
        zp += abs(z[d] - p[d])
        wq += abs(w[d] - q[d])
        xq += abs(x[d] - q[d])
        yq += abs(y[d] - q[d])
        zq += abs(z[d] - q[d])
    sums[0, 0], sums[1, 0], sums[2, 0], sums[3, 0] = wp, xp, yp, zp
    sums[0, 1], sums[1, 1], sums[2, 1], sums[3, 1] = wq, xq, yq, zq


@loop
def is_zero(row: Array) -> bool:
    """Return whether all numbers of a row are 0."""
    for x in range(len(row)):  # noqa: SIM110 - numba does not compile generators
        if row[x] != 0:
            return False
    return True


@loop
def absolute_differences(first: Array, second: Array, columns: tuple[int, int], total: Array) -> None:
    """Add sums of absolute differences between all rows of ``(A, D)`` and ``(N, D)`` to `total` ``(A, N)``.

    The loop takes four rows times two at a time, whose sums stay in registers. The last row replaces missing rows. Rows
    of zeros, which the paper's chain has many of, are compared once.

    Args:
        first: Shape ``(A, D)``.
        second: Shape ``(N, D)``.
        columns: First column, and the column after the last.
        total: Shape ``(A, N)``.
    """
    zero = np.array([is_zero(first[i, columns[0] : columns[1]]) for i in range(len(first))])
    dead = np.nonzero(zero)[0]
    rows = np.append(np.nonzero(~zero)[0], dead[:1])
    sums, last, end = np.empty((4, 2), first.dtype), len(rows) - 1, len(second) - 1
    for start in range(columns[0], columns[1], LENGTH):
        stop = min(start + LENGTH, columns[1])
        for j in range(0, len(second), 2):
            p, q = second[j, start:stop], second[min(j + 1, end), start:stop]
            for i in range(0, len(rows), 4):
                w, x = first[rows[i], start:stop], first[rows[min(i + 1, last)], start:stop]
                y, z = first[rows[min(i + 2, last)], start:stop], first[rows[min(i + 3, last)], start:stop]
                distances(w, x, y, z, p, q, sums)
                for r in range(min(4, len(rows) - i)):
                    for c in range(min(2, len(second) - j)):
                        total[rows[i + r], j + c] += sums[r, c]
                        if zero[rows[i + r]]:
                            for k in dead[1:]:
                                total[k, j + c] += sums[r, c]
