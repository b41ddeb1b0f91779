"""Loops over rows of numbers: standardizing maps.

Every loop takes float32 or float64. Constants have the same type, because other types would make float32 slow. Loops
over pixels run over whole one-dimensional arrays that are cut out of the rows before, because only these become vector
instructions.
"""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop

PART = 1024
"""Number of pixels that are summed in the maps' own type; these partial sums are added in float64."""


@loop
def largest_magnitude(values: Array, bits: Array, magnitude: int) -> float:
    """Find the largest magnitude of a row of numbers; NaN counts as larger than all.

    Args:
        values: Shape ``(D,)``.
        bits: The same memory as integers; the magnitudes of floats have the order of their bits.
        magnitude: Mask of all bits except the sign.
    """
    largest = 0
    for x in range(len(bits)):
        largest = max(largest, bits[x] & magnitude)
    for x in range(len(bits)):
        if bits[x] & magnitude == largest:
            return abs(values[x])
    return math.nan


@loop
def find_finite(bits: Array, magnitude: int, infinity: int, found: Array) -> None:
    """Write whether all numbers of each row ``(n, D)`` are finite; `infinity` holds the bits of infinity."""
    for i in range(len(bits)):
        row, largest = bits[i], 0
        for x in range(len(row)):
            largest = max(largest, row[x] & magnitude)
        found[i] = largest < infinity


@loop
def is_constant(
    row: Array, bits: Array, magnitude: int, mean: float, std: float, rounding: float, reach: float
) -> bool:
    """Return whether a standard deviation is at most a share of the largest magnitude of its row.

    Args:
        row: Shape ``(D,)``.
        bits: See :func:`largest_magnitude`.
        magnitude: See :func:`largest_magnitude`.
        mean: Mean of the row.
        std: Standard deviation of the row.
        rounding: The share.
        reach: Greatest possible distance of a value from the mean, in standard deviations. Most rows can be decided
            by this bound without reading their values.
    """
    if std * (1 - 2 * rounding * reach) > 2 * rounding * abs(mean):
        return False
    return std <= rounding * largest_magnitude(row, bits, magnitude)


@summing_loop
def total(row: Array) -> float:
    """Sum a row."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        found += row[x]
    return found


@summing_loop
def product(row: Array, other: Array) -> float:
    """Compute the inner product of two rows."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        found += row[x] * other[x]
    return found


@summing_loop
def square(row: Array, mean: float) -> float:
    """Sum the squared deviations of a row from `mean`."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        away = row[x] - mean
        found += away * away
    return found


@summing_loop
def weighted_square(row: Array, weights: Array, mean: float) -> float:
    """Sum the weighted squared deviations of a row from `mean`."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        away = row[x] - mean
        found += weights[x] * (away * away)
    return found


@loop
def moments(row: Array, weights: Array) -> tuple[float, float]:
    """Compute mean and population variance of a row; `weights` have mean 1, or are empty for equal weights."""
    sums, squares, heavy = 0.0, 0.0, len(weights) > 0
    for start in range(0, len(row), PART):
        part = row[start : start + PART]
        sums += product(part, weights[start : start + PART]) if heavy else total(part)
    mean = row.dtype.type(sums / len(row))
    for start in range(0, len(row), PART):
        part = row[start : start + PART]
        squares += weighted_square(part, weights[start : start + PART], mean) if heavy else square(part, mean)
    return mean, squares / len(row)


@loop
def pair_products(first: Array, second: Array, pairs: Array, out: Array) -> None:
    """Write inner products of rows of ``(A, D)`` with rows of ``(N, D)``; `pairs` ``(m, 2)`` holds the row numbers."""
    for k in range(len(pairs)):
        one, other, sums = first[pairs[k, 0]], second[pairs[k, 1]], 0.0
        for start in range(0, len(one), PART):
            sums += product(one[start : start + PART], other[start : start + PART])
        out[k] = sums


@loop
def write_scaled(row: Array, mean: float, share: float, roots: Array, out: Array) -> None:
    """Write a row minus its mean, times `share` and times the roots of any pixel weights.

    `out` must not overlap the row, because an overlap prevents vector instructions.
    """
    if share == 0:
        out[:] = 0
    elif len(roots):
        for x in range(len(row)):
            out[x] = (row[x] - mean) * share * roots[x]
    else:
        for x in range(len(row)):
            out[x] = (row[x] - mean) * share


@loop
def standardize_row(
    row: Array, bits: Array, magnitude: int, rounding: float, reach: float, weights: Array, roots: Array, work: Array,
    out: Array,
) -> tuple[float, float]:  # fmt: skip
    """Write a row as :func:`standardize` does, and return its mean and standard deviation.

    Args:
        row: Shape ``(D,)``.
        bits: See :func:`largest_magnitude`.
        magnitude: See :func:`largest_magnitude`.
        rounding: See :func:`is_constant`.
        reach: See :func:`is_constant`.
        weights: Shape ``(D,)`` or empty.
        roots: Shape ``(D,)`` or empty.
        work: Work array, shape ``(PART,)``.
        out: Shape ``(D,)``; it may be `row`.
    """
    mean, variance = moments(row, weights)
    std = math.sqrt(variance)
    if is_constant(row, bits, magnitude, mean, std, rounding, reach):
        std = 0.0
    share = row.dtype.type(0.0 if std == 0 else 1 / std)
    for start in range(0, len(row), PART):
        part, root = row[start : start + PART], roots[start : start + PART]
        here = work[: len(part)]
        write_scaled(part, mean, share, root, here)
        out[start : start + PART] = here
    return mean, std


@loop
def describe(
    values: Array, bits: Array, magnitude: int, rounding: float, reach: float, step: int, weights: Array, length: int,
    found: Array,
) -> None:  # fmt: skip
    """Write the means and standard deviations of rows as :func:`standardize` does, without the rows."""
    for i in range(found.shape[1]):
        row, its = values[i * step : i * step + length], bits[i * step : i * step + length]
        mean, variance = moments(row, weights)
        std = math.sqrt(variance)
        dead = is_constant(row, its, magnitude, mean, std, rounding, reach)
        found[0, i], found[1, i] = mean, 0.0 if dead else std


@loop
def write_columns(values: Array, mean: Array, share: Array, roots: Array, start: int, out: Array) -> None:
    """Write some columns of rows, each minus its mean and times its share, and times the roots of any weights.

    Args:
        values: Shape ``(n, D)``.
        mean: Shape ``(n,)``.
        share: Factors of the rows, shape ``(n,)``; a factor of 0 writes zeros for any values.
        roots: Shape ``(D,)``, or empty.
        start: The first column.
        out: Shape ``(n, c)``.
    """
    stop = start + out.shape[1]
    for i in range(len(values)):
        write_scaled(values[i, start:stop], mean[i], share[i], roots[start:stop], out[i])


@loop
def standardize(
    values: Array, bits: Array, magnitude: int, rounding: float, reach: float, step: int, weights: Array, roots: Array,
    out: Array, stride: int, length: int, found: Array,
) -> None:  # fmt: skip
    """Write every row minus its mean, divided by its standard deviation; constant rows (up to rounding) become 0.

    Args:
        values: Memory in which a row begins every `step` numbers.
        bits: See :func:`largest_magnitude`.
        magnitude: See :func:`largest_magnitude`.
        rounding: Share of the largest magnitude below which a standard deviation counts as 0.
        reach: See :func:`is_constant`.
        step: Numbers from one row of `values` to the next.
        weights: Weights of the pixels, shape ``(D,)``, mean 1; empty for equal weights.
        roots: Further factors of the pixels, shape ``(D,)``; empty for none.
        out: Memory in which a row begins every `stride` numbers; it may be `values`.
        stride: Numbers from one row of `out` to the next.
        length: Length D of the rows.
        found: Mean and standard deviation of each row, shape ``(2, n)``.
    """
    work = np.empty(PART, values.dtype)
    for i in range(found.shape[1]):
        row, its = values[i * step : i * step + length], bits[i * step : i * step + length]
        into = out[i * stride : i * stride + length]
        found[0, i], found[1, i] = standardize_row(row, its, magnitude, rounding, reach, weights, roots, work, into)
