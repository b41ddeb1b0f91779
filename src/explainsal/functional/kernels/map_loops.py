"""Loops over the pixels of maps: standardising, comparing, filtering (Eq. 1), combining (Eq. 3) and resizing (Eq. 4).

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


@loop
def filtered(spectra: Array, bank: Array, out: Array) -> None:
    """Write spectra ``(n, 2 P)``, real and imaginary parts in turns, times filters ``(g, P)`` to ``(n, g, 2 P)``."""
    for i in range(len(spectra)):
        for j in range(len(bank)):
            spectrum, gain, here = spectra[i], bank[j], out[i, j]
            for x in range(len(gain)):
                here[2 * x] = spectrum[2 * x] * gain[x]
                here[2 * x + 1] = spectrum[2 * x + 1] * gain[x]


@loop
def write_part(rows: Array, part: int, level: float, out: Array) -> None:
    """Write what is taken of a complex response ``(H, 2 W)``, times a level, to ``(H, W)``.

    Args:
        rows: Real and imaginary parts in turns, of the first rows and columns of the response.
        part: 0: magnitude (Eq. 1); 1: real part; 2: imaginary part; 3: what of the real part is above its mean; 4: the
            square of that.
        level: The number.
        out: Where to.
    """
    nothing, first = level * rows.dtype.type(0), 1 if part == 2 else 0
    if part == 0:
        for y in range(len(out)):
            row, into = rows[y], out[y]
            for x in range(len(into)):
                into[x] = level * math.sqrt(row[2 * x] * row[2 * x] + row[2 * x + 1] * row[2 * x + 1])
        return
    total = 0.0
    for y in range(len(out)):
        row, into = rows[y], out[y]
        for x in range(len(into)):
            into[x] = level * row[2 * x + first]
        for x in range(len(into)):
            total += into[x]
    if part >= 3:
        mean = rows.dtype.type(total / out.size)
        for y in range(len(out)):
            into = out[y]
            for x in range(len(into)):
                above = into[x] - mean
                above = above if above > 0 or above != above else nothing
                into[x] = above * above if part == 4 else above


@loop
def write_parts(responses: Array, start: int, stop: int, level: Array, parts: Array, first: int, out: Array) -> None:
    """Write what is taken of the responses to some filters.

    Args:
        responses: Shape ``(n, g, H', 2 W')``.
        start: The first filter.
        stop: The one after the last.
        level: Shape ``(n,)``: what the responses to each map are multiplied by.
        parts: What to take of every response, one after the other: see :func:`write_part`.
        first: Where in `out` to begin.
        out: Shape ``(n, c, H, W)``.
    """
    for i in range(len(responses)):
        for j in range(start, stop):
            for k in range(len(parts)):
                into = out[i, first + (j - start) * len(parts) + k]
                write_part(responses[i, j], parts[k], level[i], into)


@loop
def add_combinations(maps: Array, place: Array, weights: Array, total: Array) -> None:
    """Add to every row of `total` a few of the maps, each times its weight (Eq. 3).

    Args:
        maps: Shape ``(n, D)``.
        place: Shape ``(R, T)``, int64: positions in `maps`; -1 adds nothing.
        weights: Shape ``(R, T)``.
        total: Shape ``(R, D)``.
    """
    for start in range(0, total.shape[1], PART):  # so many pixels of the maps stay in the second-level cache
        for i in range(len(total)):
            out = total[i, start : start + PART]
            for t in range(place.shape[1]):
                if place[i, t] >= 0:
                    row, weight = maps[place[i, t], start : start + PART], weights[i, t]
                    for x in range(len(out)):
                        out[x] += weight * row[x]


@loop
def shrink(one: Array, step: int, out: Array) -> None:
    """Write a map ``(H, W)`` made 2 or 4 times smaller: every pixel the mean of the 2 x 2 around its center."""
    quarter, first = one.dtype.type(0.25), step // 2 - 1
    for y in range(out.shape[0]):
        above, below, row = one[y * step + first], one[y * step + first + 1], out[y]
        if step == 2:  # a step that the compiler knows
            for x in range(len(row)):
                row[x] = quarter * (above[2 * x] + below[2 * x] + (above[2 * x + 1] + below[2 * x + 1]))
        else:
            for x in range(len(row)):
                row[x] = quarter * (above[4 * x + 1] + below[4 * x + 1] + (above[4 * x + 2] + below[4 * x + 2]))


@loop
def add_or_square(row: Array, squared: bool, out: Array) -> None:
    """Add a row of numbers, or their squares."""
    if squared:
        for x in range(len(out)):
            out[x] += row[x] * row[x]
    else:
        for x in range(len(out)):
            out[x] += row[x]


@loop
def add_enlarged_and_back(one: Array, sides: Array, squared: bool, out: Array) -> None:
    """Add a map ``(H, W)`` enlarged and made smaller again, or the squares of that.

    It is a filter of the three taps [side, 1 - 2 side, side] along either axis, with the border repeated.

    Args:
        one: The map.
        sides: The middle and the outer tap.
        squared: Whether squares are added.
        out: Shape ``(H, W)``.
    """
    center, side, width = sides[0], sides[1], one.shape[1]
    row, both = np.empty(width + 2, one.dtype), np.empty(width, one.dtype)
    for y in range(len(one)):
        middle, before, after = one[y], one[max(y - 1, 0)], one[min(y + 1, len(one) - 1)]
        for x in range(width):
            row[x + 1] = center * middle[x] + side * (before[x] + after[x])
        row[0], row[width + 1] = row[1], row[width]
        for x in range(width):
            both[x] = center * row[x + 1] + side * (row[x] + row[x + 2])
        add_or_square(both, squared, out[y])


@loop
def add_shrunk_and_back(one: Array, step: int, sides: Array, squared: bool, small: Array, out: Array) -> None:
    """Add a map ``(H, W)`` made `step` times smaller, 2 or 4, and enlarged again, or the squares of that.

    Args:
        one: The map.
        step: How often.
        sides: Shape ``(step, 2)``: weights of a small pixel and of its neighbor, for each pixel that it becomes.
        squared: Whether squares are added.
        small: Shape ``(H / step, W / step)``, to work in.
        out: Shape ``(H, W)``.
    """
    shrink(one, step, small)
    low, narrow = small.shape
    row, both = np.empty(narrow + 2, one.dtype), np.empty(one.shape[1], one.dtype)
    for y in range(len(one)):
        mine = y // step
        its = max(mine - 1, 0) if 2 * (y % step) + 1 < step else min(mine + 1, low - 1)
        near, far, own, other = sides[y % step, 0], sides[y % step, 1], small[mine], small[its]
        for x in range(narrow):
            row[x + 1] = near * own[x] + far * other[x]
        row[0], row[narrow + 1] = row[1], row[narrow]
        for p in range(step):
            near, far, beside = sides[p, 0], sides[p, 1], 0 if 2 * p + 1 < step else 2
            for x in range(narrow):
                both[x * step + p] = near * row[x + 1] + far * row[x + beside]
        add_or_square(both, squared, out[y])
