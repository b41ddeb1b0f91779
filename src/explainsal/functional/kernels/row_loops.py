"""Loops over rows of numbers: standardizing and comparing maps.

Every loop takes float32 or float64. Constants are numbers of the same type: others would make float32 slow.
"""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop

PART = 1024
"""Pixels whose sum is taken in the maps' own type; sums of these are in float64."""


@loop
def largest_magnitude(values: Array, bits: Array, magnitude: int) -> float:
    """Largest magnitude of a row of numbers; NaN counts as larger than all.

    Args:
        values: Shape ``(D,)``.
        bits: The same memory as integers: the magnitudes of floats are in the order of their bits.
        magnitude: All bits but the sign.
    """
    largest = 0
    for x in range(len(bits)):
        largest = max(largest, bits[x] & magnitude)
    for x in range(len(bits)):
        if bits[x] & magnitude == largest:
            return abs(values[x])
    return math.nan


@summing_loop
def moments(row: Array) -> tuple[float, float]:
    """Mean and population variance of a row of numbers."""
    total = 0.0
    for start in range(0, len(row), PART):
        part = row.dtype.type(0)
        for x in range(start, min(start + PART, len(row))):
            part += row[x]
        total += part
    mean = row.dtype.type(total / len(row))
    total = 0.0
    for start in range(0, len(row), PART):
        part = row.dtype.type(0)
        for x in range(start, min(start + PART, len(row))):
            part += (row[x] - mean) * (row[x] - mean)
        total += part
    return mean, total / len(row)


@summing_loop
def weighted_moments(row: Array, weights: Array) -> tuple[float, float]:
    """Mean and variance of a row in which pixels count by weights of mean 1."""
    total = 0.0
    for start in range(0, len(row), PART):
        part = row.dtype.type(0)
        for x in range(start, min(start + PART, len(row))):
            part += weights[x] * row[x]
        total += part
    mean = row.dtype.type(total / len(row))
    total = 0.0
    for start in range(0, len(row), PART):
        part = row.dtype.type(0)
        for x in range(start, min(start + PART, len(row))):
            part += weights[x] * ((row[x] - mean) * (row[x] - mean))
        total += part
    return mean, total / len(row)


@loop
def write_scaled(row: Array, mean: float, share: float, roots: Array, out: Array) -> None:
    """Write a row minus its mean times a number, and times the roots of the pixels' weights if there are any."""
    if share == 0:
        out[:] = 0
    elif len(roots):
        for x in range(len(row)):
            out[x] = (row[x] - mean) * share * roots[x]
    else:
        for x in range(len(row)):
            out[x] = (row[x] - mean) * share


@loop
def standardize(
    values: Array, bits: Array, magnitude: int, rounding: float, weights: Array, roots: Array, out: Array, found: Array
) -> None:
    """Write every row minus its mean, divided by its standard deviation; rows constant up to rounding become 0.

    Args:
        values: Shape ``(n, D)``.
        bits: See :func:`largest_magnitude`. Likewise `magnitude`.
        magnitude: All bits but the sign.
        rounding: Share of the largest magnitude below which a standard deviation counts as 0.
        weights: Shape ``(D,)``, mean 1: how much each pixel counts; empty where all count alike.
        roots: Shape ``(D,)``: what the rows are multiplied by as well; empty for nothing.
        out: Shape ``(n, D)``; it may be `values`.
        found: Shape ``(2, n)``: mean and standard deviation of each row.
    """
    scaled = np.empty(values.shape[1], values.dtype)  # elsewhere in memory: else no numbers are done together
    for i in range(len(values)):
        row = values[i]
        mean, variance = weighted_moments(row, weights) if len(weights) else moments(row)
        std = math.sqrt(variance)
        dead = std <= rounding * largest_magnitude(row, bits[i], magnitude)
        found[0, i], found[1, i] = mean, 0.0 if dead else std
        write_scaled(row, mean, row.dtype.type(0.0 if dead else 1.0 / std), roots, scaled)
        out[i] = scaled


@summing_loop
def absolute_deviations(target: Array, row: Array, mean: float, other: float) -> tuple[float, float, float]:
    """Sums over pixels of \\|target - row\\|, of \\|target - mean\\|, and of the products of both about their means."""
    away, spread, both = 0.0, 0.0, 0.0
    for start in range(0, len(row), PART):
        a, b, c = row.dtype.type(0), row.dtype.type(0), row.dtype.type(0)
        for x in range(start, min(start + PART, len(row))):
            mine, its = target[x] - mean, row[x] - other
            a += abs(target[x] - row[x])
            b += abs(mine)
            c += mine * its
        away += a
        spread += b
        both += c
    return away, spread, both


@loop
def compare(
    target: Array, rows: Array, bits: Array, others: Array, magnitude: int, rounding: float, out: Array
) -> None:
    """Write how well every row rebuilds its target, see :func:`explainsal.functional.fast.compare`.

    Args:
        target: Shape ``(n, D)``.
        rows: Shape ``(n, D)``.
        bits: Of the target, see :func:`largest_magnitude`.
        others: The same of the rows.
        magnitude: All bits but the sign.
        rounding: As of :func:`standardize`.
        out: Shape ``(5, n)``.
    """
    for i in range(len(target)):
        mean, variance = moments(target[i])
        other, spread = moments(rows[i])
        away, deviation, both = absolute_deviations(target[i], rows[i], mean, other)
        std, its = math.sqrt(variance), math.sqrt(spread)
        out[0, i], out[1, i], out[4, i] = away / target.shape[1], deviation / target.shape[1], both / target.shape[1]
        out[2, i] = 0.0 if std <= rounding * largest_magnitude(target[i], bits[i], magnitude) else std
        out[3, i] = 0.0 if its <= rounding * largest_magnitude(rows[i], others[i], magnitude) else its
