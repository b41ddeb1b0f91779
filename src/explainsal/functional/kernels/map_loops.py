"""Loops over the pixels of maps: filtering (Eq. 1), combining (Eq. 3) and resizing (Eq. 4).

Every loop takes float32 or float64. Constants have the same type, because other types would make float32 slow.
"""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop
from explainsal.functional.kernels.row_loops import PART, standardize_row, total


@loop
def filtered(spectra: Array, bank: Array, out: Array) -> None:
    """Write spectra ``(n, 2 P)``, real and imaginary parts interleaved, times filters ``(g, P)`` to ``(n, g, 2 P)``."""
    for i in range(len(spectra)):
        for j in range(len(bank)):
            spectrum, gain, here = spectra[i], bank[j], out[i, j]
            for x in range(len(gain)):
                here[2 * x] = spectrum[2 * x] * gain[x]
                here[2 * x + 1] = spectrum[2 * x + 1] * gain[x]


@loop
def write_energy(row: Array, level: float, out: Array) -> None:
    """Write the magnitudes (Eq. 1) of complex numbers, real and imaginary parts interleaved, times a level."""
    for x in range(len(out)):
        out[x] = level * math.sqrt(row[2 * x] * row[2 * x] + row[2 * x + 1] * row[2 * x + 1])


@loop
def write_every_other(row: Array, level: float, out: Array) -> None:
    """Write every second number of a row, from the first, times a level."""
    for x in range(len(out)):
        out[x] = level * row[2 * x]


@loop
def keep_above(values: Array, mean: float, squared: bool) -> None:
    """Replace numbers by their excess over a mean (0 below it), or by its square; NaN stays."""
    nothing = values.dtype.type(0)
    for x in range(len(values)):
        above = values[x] - mean
        values[x] = nothing if above <= 0 else above
    if squared:
        for x in range(len(values)):
            values[x] *= values[x]


@loop
def write_row(row: Array, part: int, level: float, out: Array) -> None:
    """Write the magnitudes, real parts or imaginary parts of a row of a response: see :func:`write_part`."""
    if part == 0:
        write_energy(row, level, out)
    else:
        write_every_other(row[1:] if part == 2 else row, level, out)


@loop
def write_part(rows: Array, part: int, level: float, out: Array, width: int) -> None:
    """Write a part of a complex response ``(H, 2 W)``, times a level.

    Args:
        rows: Real and imaginary parts interleaved; there may be more rows and columns than the map has.
        part: 0: magnitude (Eq. 1); 1: real part; 2: imaginary part; 3: excess of the real part over its mean; 4:
            the square of 3.
        level: Factor of the response.
        out: Shape ``(H * W,)``.
        width: Width W of the map.
    """
    if rows.shape[1] == 2 * width:
        write_row(rows.ravel(), part, level, out)
    else:
        for y in range(len(out) // width):
            write_row(rows[y], part, level, out[y * width : (y + 1) * width])
    if part >= 3:
        sums = 0.0
        for start in range(0, len(out), PART):
            sums += total(out[start : start + PART])
        keep_above(out, out.dtype.type(sums / len(out)), part == 4)


@loop
def write_parts(
    responses: Array, first: int, takes: Array, level: Array, out: Array, bits: Array, step: int, size: Array,
    magnitude: int, limits: Array, weights: Array, roots: Array,
) -> None:  # fmt: skip
    """Write the parts of the responses to some filters, optionally standardized.

    Args:
        responses: Shape ``(n, g, H', 2 W')``.
        first: Number of the first of these filters.
        takes: Shape ``(k, 3)``, int64: a filter, the part of its response (see :func:`write_part`), and the
            position of that part among the maps of a row of `out`.
        level: Factors of the responses to each map, shape ``(n,)``.
        out: Memory in which a row of maps begins every `step` numbers.
        bits: The same memory as integers, see :func:`largest_magnitude`.
        step: Numbers from one row to the next.
        size: Shape ``(2,)``: height and width of a map.
        magnitude: See :func:`largest_magnitude`.
        limits: Rounding and reach of :func:`standardize_row`; empty for no standardization.
        weights: Shape ``(H * W,)``, or empty: see :func:`standardize_row`.
        roots: Shape ``(H * W,)``, or empty: see :func:`standardize_row`.
    """
    length, work = size[0] * size[1], np.empty(PART, out.dtype)
    for i in range(len(responses)):
        for k in range(len(takes)):
            start = i * step + takes[k, 2] * length
            into, its = out[start : start + length], bits[start : start + length]
            write_part(responses[i, takes[k, 0] - first], takes[k, 1], level[i], into, size[1])
            if len(limits):
                standardize_row(into, its, magnitude, limits[0], limits[1], weights, roots, work, into)


@loop
def add_combinations(maps: Array, place: Array, weights: Array, total: Array) -> None:
    """Add a weighted sum of a few maps to every row of `total` (Eq. 3).

    Args:
        maps: Shape ``(n, D)``.
        place: Positions in `maps`, shape ``(R, T)``, int64; -1 adds nothing.
        weights: Shape ``(R, T)``.
        total: Shape ``(R, D)``.
    """
    for start in range(0, total.shape[1], PART):  # PART pixels of all maps stay in the second-level cache
        for i in range(len(total)):
            out = total[i, start : start + PART]
            for t in range(place.shape[1]):
                if place[i, t] >= 0:
                    row, weight = maps[place[i, t], start : start + PART], weights[i, t]
                    for x in range(len(out)):
                        out[x] += weight * row[x]


@loop
def shrink(one: Array, step: int, out: Array) -> None:
    """Reduce a map ``(H, W)`` by a step of 2 or 4: every pixel is the mean of the 2 x 2 pixels around its center."""
    quarter, first = one.dtype.type(0.25), step // 2 - 1
    for y in range(out.shape[0]):
        above, below, row = one[y * step + first], one[y * step + first + 1], out[y]
        if step == 2:  # the compiler knows this constant
            for x in range(len(row)):
                row[x] = quarter * (above[2 * x] + below[2 * x] + (above[2 * x + 1] + below[2 * x + 1]))
        else:
            for x in range(len(row)):
                row[x] = quarter * (above[4 * x + 1] + below[4 * x + 1] + (above[4 * x + 2] + below[4 * x + 2]))


@loop
def add_or_square(row: Array, squared: bool, out: Array) -> None:
    """Add a row of numbers or their squares."""
    if squared:
        for x in range(len(out)):
            out[x] += row[x] * row[x]
    else:
        for x in range(len(out)):
            out[x] += row[x]


@loop
def add_enlarged_and_back(one: Array, sides: Array, squared: bool, out: Array) -> None:
    """Add a map ``(H, W)`` enlarged and reduced again, or its squares.

    This is a filter with the three taps [side, 1 - 2 side, side] along both axes; the border is repeated.

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
    """Add a map ``(H, W)`` reduced by a step of 2 or 4 and enlarged again, or its squares.

    Args:
        one: The map.
        step: Factor of the reduction.
        sides: Weights of a small pixel and of its neighbor in each pixel that it covers, shape ``(step, 2)``.
        squared: Whether squares are added.
        small: Work array, shape ``(H / step, W / step)``.
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
