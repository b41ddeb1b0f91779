"""Loops over rows of numbers: standardizing and comparing maps.

Every loop takes float32 or float64. Constants are numbers of the same type: others would make float32 slow. Loops over
pixels run over whole one-dimensional arrays, cut out of the rows before: only these become vector instructions.
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


@loop
def is_constant(
    row: Array, bits: Array, magnitude: int, mean: float, std: float, rounding: float, reach: float
) -> bool:
    """Whether a standard deviation is at most a share of the largest magnitude of its row.

    Args:
        row: Shape ``(D,)``.
        bits: See :func:`largest_magnitude`. Likewise `magnitude`.
        magnitude: All bits but the sign.
        mean: Of the row.
        std: Its standard deviation.
        rounding: The share.
        reach: No value is farther from the mean than so many standard deviations. Rows that this clears, which are
            most, need no look at their values.
    """
    if std * (1 - 2 * rounding * reach) > 2 * rounding * abs(mean):
        return False
    return std <= rounding * largest_magnitude(row, bits, magnitude)


@summing_loop
def total(row: Array) -> float:
    """Sum of a row."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        found += row[x]
    return found


@summing_loop
def product(row: Array, other: Array) -> float:
    """Inner product of two rows."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        found += row[x] * other[x]
    return found


@summing_loop
def square(row: Array, mean: float) -> float:
    """Sum of the squares of a row about a number."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        away = row[x] - mean
        found += away * away
    return found


@summing_loop
def weighted_square(row: Array, weights: Array, mean: float) -> float:
    """The same in which pixels count by weights."""
    found = row.dtype.type(0)
    for x in range(len(row)):
        away = row[x] - mean
        found += weights[x] * (away * away)
    return found


@loop
def moments(row: Array, weights: Array) -> tuple[float, float]:
    """Mean and population variance of a row in which pixels count by weights of mean 1, or alike if there are none."""
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
    """Write the inner products of rows of ``(A, D)`` with rows of ``(N, D)``; `pairs` ``(m, 2)`` names one of each."""
    for k in range(len(pairs)):
        one, other, sums = first[pairs[k, 0]], second[pairs[k, 1]], 0.0
        for start in range(0, len(one), PART):
            sums += product(one[start : start + PART], other[start : start + PART])
        out[k] = sums


@loop
def write_scaled(row: Array, mean: float, share: float, roots: Array, out: Array) -> None:
    """Write a row minus its mean times a number, and times the roots of the pixels' weights if there are any.

    `out` may not overlap the row: else no numbers are done together.
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
        bits: See :func:`largest_magnitude`. Likewise `magnitude`.
        magnitude: All bits but the sign.
        rounding: See :func:`is_constant`. Likewise `reach`.
        reach: In standard deviations.
        weights: Shape ``(D,)`` or empty.
        roots: Shape ``(D,)`` or empty.
        work: Shape ``(PART,)``, to work in.
        out: Shape ``(D,)``; it may be the row.
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
    """Write the means and standard deviations of rows, as :func:`standardize` does, and nothing else."""
    for i in range(found.shape[1]):
        row, its = values[i * step : i * step + length], bits[i * step : i * step + length]
        mean, variance = moments(row, weights)
        std = math.sqrt(variance)
        dead = is_constant(row, its, magnitude, mean, std, rounding, reach)
        found[0, i], found[1, i] = mean, 0.0 if dead else std


@loop
def write_columns(values: Array, mean: Array, share: Array, roots: Array, start: int, out: Array) -> None:
    """Write some columns of rows, each minus its mean and times its share, and times the roots of weights if any.

    Args:
        values: Shape ``(n, D)``.
        mean: Shape ``(n,)``.
        share: Shape ``(n,)``; where it is 0, zeros are written whatever the row holds.
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
    """Write every row minus its mean, divided by its standard deviation; rows constant up to rounding become 0.

    Args:
        values: Memory in which a row begins every `step` numbers.
        bits: See :func:`largest_magnitude`. Likewise `magnitude`.
        magnitude: All bits but the sign.
        rounding: Share of the largest magnitude below which a standard deviation counts as 0.
        reach: See :func:`is_constant`.
        step: From row to row.
        weights: Shape ``(D,)``, mean 1: how much each pixel counts; empty where all count alike.
        roots: Shape ``(D,)``: what the rows are multiplied by as well; empty for nothing.
        out: Memory in which a row begins every `stride` numbers; it may be `values`.
        stride: From row to row.
        length: D, of the rows.
        found: Shape ``(2, n)``: mean and standard deviation of each row.
    """
    work = np.empty(PART, values.dtype)
    for i in range(found.shape[1]):
        row, its = values[i * step : i * step + length], bits[i * step : i * step + length]
        into = out[i * stride : i * stride + length]
        found[0, i], found[1, i] = standardize_row(row, its, magnitude, rounding, reach, weights, roots, work, into)


@summing_loop
def differences(target: Array, row: Array, mean: float, other: float) -> tuple[float, float, float, float, float]:
    """Sums of \\|target - row\\|, of \\|target - mean\\|, and of the squares and products of both about their means."""
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
    """Weighted sums of the squares and products of two rows about their means."""
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
    """Means of two rows, and the same with weights, 0 where there are none."""
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
    """Write the means of what :func:`differences` and :func:`weighted_products` add up; return those of the rows.

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
    """Standard deviation of a row, 0 where it is constant up to rounding: see :func:`is_constant`."""
    std = math.sqrt(variance)
    return 0.0 if is_constant(row, bits, magnitude, mean, std, rounding, reach) else std


@loop
def compare(
    target: Array, rows: Array, bits: Array, others: Array, magnitude: int, rounding: float, reaches: Array,
    weights: Array, out: Array,
) -> None:  # fmt: skip
    """Write how well every row rebuilds its target, see :func:`explainsal.functional.fast.compare`.

    Args:
        target: Shape ``(n, D)``.
        rows: Shape ``(n, D)``.
        bits: Of the target, see :func:`largest_magnitude`.
        others: The same of the rows.
        magnitude: All bits but the sign.
        rounding: As of :func:`standardize`.
        reaches: Shape ``(2,)``: as of :func:`standardize`, without and with weights.
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
