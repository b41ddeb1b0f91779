"""Block means, block variances and their distances (Eq. 2), for float32 or float64 maps."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop, summing_loop
from explainsal.functional.kernels.map_loops import shrink

LENGTH = 512
"""Length of a piece of the rows of a distance, such that all pieces stay in the second-level cache."""


@loop
def add_rows(a: Array, b: Array, c: Array, d: Array, shift: Array, first: Array, second: Array) -> None:
    """Add four rows of pixels, and their squares, as differences from another row."""
    for x in range(len(shift)):
        p, q, r, s = a[x] - shift[x], b[x] - shift[x], c[x] - shift[x], d[x] - shift[x]
        first[x] += (p + q) + (r + s)
        second[x] += (p * p + q * q) + (r * r + s * s)


@loop
def add_row(a: Array, shift: Array, first: Array, second: Array) -> None:
    """Add a row of pixels, and their squares, as differences from another row."""
    for x in range(len(shift)):
        p = a[x] - shift[x]
        first[x] += p
        second[x] += p * p


@loop
def add_columns(map_: Array, top: int, bottom: int, first: Array, second: Array) -> None:
    """Add the pixels from `top` to `bottom` of each column, and their squares, as differences from the top pixel."""
    fours = top + (bottom - top) // 4 * 4
    for y in range(top, fours, 4):
        add_rows(map_[y], map_[y + 1], map_[y + 2], map_[y + 3], map_[top], first, second)
    for y in range(fours, bottom):
        add_row(map_[y], map_[top], first, second)


@loop
def along_y(map_: Array, y: int, half: float, work: Array) -> None:
    """Write mean, difference and curvature along y of a row's pixels in the enlarged map; the border is repeated."""
    middle, before, after = map_[y], map_[max(y - 1, 0)], map_[min(y + 1, len(map_) - 1)]
    level, step, curve, width = work[0], work[1], work[2], map_.shape[1]
    for x in range(width):
        c = (before[x] - middle[x]) + (after[x] - middle[x])
        level[x + 1] = middle[x] + half * c
        step[x + 1] = after[x] - before[x]
        curve[x + 1] = c
    for k in range(3):
        work[k, 0], work[k, width + 1] = work[k, 1], work[k, width]


@loop
def add_enlarged(shift: Array, work: Array, numbers: Array, first: Array, second: Array, within: Array) -> None:
    """Add a row of an enlarged map to the column sums of its block: means, squares and variances within pixels.

    Args:
        shift: Values to subtract first, shape ``(W,)``.
        work: Shape ``(3, W + 2)``, as :func:`along_y` writes it.
        numbers: half, slope, bend: see :func:`block_moments`.
        first: Sums of the means, shape ``(W,)``.
        second: Sums of the squares, shape ``(W,)``.
        within: Sums of the variances within pixels, shape ``(W,)``.
    """
    level, step, curve = work[0], work[1], work[2]
    half, slope, bend = numbers[0], numbers[1], numbers[2]
    if bend == 0:  # factor 2: the terms with a curvature are 0, except that of the mean
        for x in range(len(first)):
            lc = (level[x] - level[x + 1]) + (level[x + 2] - level[x + 1])
            sc = (step[x] - step[x + 1]) + (step[x + 2] - step[x + 1])
            ld, sd, sm = level[x + 2] - level[x], step[x + 2] - step[x], step[x + 1] + half * sc
            d = (level[x + 1] - shift[x]) + half * lc
            first[x] += d
            second[x] += d * d
            within[x] += slope * (ld * ld + sm * sm + slope * (sd * sd))
        return
    for x in range(len(first)):
        lc = (level[x] - level[x + 1]) + (level[x + 2] - level[x + 1])
        sc = (step[x] - step[x + 1]) + (step[x + 2] - step[x + 1])
        cc = (curve[x] - curve[x + 1]) + (curve[x + 2] - curve[x + 1])
        ld, sd, cd = level[x + 2] - level[x], step[x + 2] - step[x], curve[x + 2] - curve[x]
        sm, cm = step[x + 1] + half * sc, curve[x + 1] + half * cc
        d = (level[x + 1] - shift[x]) + half * lc
        first[x] += d
        second[x] += d * d
        flat = slope * (ld * ld + sm * sm + slope * (sd * sd))
        within[x] += flat + bend * (lc * lc + cm * cm + slope * (sc * sc + cd * cd) + bend * (cc * cc))


@summing_loop
def together(m: Array, v: Array) -> tuple[float, float]:
    """Compute the mean and variance of equal columns together, from their means `m` and variances `v`."""
    away, inner, spread = m.dtype.type(0), m.dtype.type(0), m.dtype.type(0)
    share = m.dtype.type(1) / m.dtype.type(len(m))
    for x in range(len(m)):
        away += m[x] - m[0]
        inner += v[x]
    away *= share
    for x in range(len(m)):
        d = m[x] - m[0] - away
        spread += d * d
    return m[0] + away, (inner + spread) * share


@loop
def pairs(m: Array, v: Array, count: int, mean: Array, variance: Array) -> None:
    """Merge the means and variances of `count` columns in pairs."""
    half = m.dtype.type(0.5)
    for c in range(count // 2):
        d = (m[2 * c + 1] - m[2 * c]) * half
        mean[c] = m[2 * c] + d
        variance[c] = (v[2 * c] + v[2 * c + 1]) * half + d * d


@loop
def merge_columns(work: Array, width: int, cells: int, mean: Array, variance: Array) -> None:
    """Merge means ``work[0]`` and variances ``work[1]`` of columns into those of blocks; `work` is overwritten."""
    whole = min(width // cells, len(mean))
    for c in range(whole, len(mean)):  # the cut block, if any
        mean[c], variance[c] = together(work[0, c * cells : width], work[1, c * cells : width])
    each, count, mine = cells, whole * cells, 0
    while each % 2 == 0:
        last, other = each == 2, 2 - mine
        into, spread = (mean, variance) if last else (work[other], work[other + 1])
        pairs(work[mine], work[mine + 1], count, into, spread)
        each, count, mine = each // 2, count // 2, other
    if each > 1 or cells == 1:
        for c in range(whole):
            part = slice(c * each, (c + 1) * each)
            mean[c], variance[c] = together(work[mine, part], work[mine + 1, part])


@loop
def finish_columns(work: Array, shift: Array, rows: int) -> None:
    """Write means ``work[0]`` and variances ``work[1]`` of columns from the sums in ``work[4:]`` over `rows` rows."""
    mean, variance, first, second, within = work[0], work[1], work[4], work[5], work[6]
    nothing, share = work.dtype.type(0), work.dtype.type(1) / work.dtype.type(rows)
    for x in range(len(shift)):
        away = share * first[x]
        between = share * second[x] - away * away
        mean[x] = shift[x] + away
        # NaN is kept; only values that are negative by rounding become 0
        variance[x] = (nothing if between < 0 else between) + share * within[x]


@loop
def block_moments(
    map_: Array, cells: int, enlarged: bool, numbers: Array, sides: Array, work: Array, mean: Array, variance: Array
) -> None:
    """Write mean and variance of every block of a map or of its bilinear enlargement.

    The loop first sums down the columns of a block, shifted by their top pixel so that smooth maps keep their variance
    in float32. It then merges neighboring columns and squares only their differences.

    Args:
        map_: Shape ``(H, W)``.
        cells: Side of a block in pixels of the map; blocks at the right and lower border may have fewer.
        enlarged: Whether the blocks are those of the enlarged map.
        numbers: Three moments of the sample offsets t in a pixel: mean of \\|t\\| / 2; mean of t^2 / 4; and (mean
            of t^2 minus the square of the mean of \\|t\\|) / 4.
        sides: Work array, shape ``(3, W + 2)``.
        work: Work array, shape ``(7, W)``.
        mean: Shape ``(rows, columns)``.
        variance: Shape ``(rows, columns)``.
    """
    height, width = map_.shape
    first, second, within = work[4], work[5], work[6]
    for i in range(len(mean)):
        top, bottom = i * cells, min((i + 1) * cells, height)
        work[4:] = 0
        if enlarged:
            for y in range(top, bottom):
                along_y(map_, y, numbers[0], sides)
                add_enlarged(map_[top], sides, numbers, first, second, within)
        else:
            add_columns(map_, top, bottom, first, second)
        finish_columns(work, map_[top], bottom - top)
        merge_columns(work, width, cells, mean[i], variance[i])


@loop
def is_faint(values: Array, faint: float) -> bool:
    """Return whether the magnitudes of all numbers are below a bound; NaN is not."""
    for x in range(len(values)):  # noqa: SIM110 - numba does not compile generators
        if not abs(values[x]) < faint:
            return False
    return True


@loop
def lift(values: Array, out: Array) -> float:
    """Write numbers times a power of 2 that makes the largest about 1; return the inverse factor."""
    largest = 0.0
    for x in range(len(values)):
        largest = max(largest, abs(values[x]))
    exponent = max(math.frexp(largest)[1], -100 if values.itemsize == 4 else -1000)  # a power that the type can hold
    by = values.dtype.type(math.ldexp(1.0, -exponent))
    for x in range(len(values)):
        out[x] = by * values[x]
    return math.ldexp(1.0, exponent)


@loop
def scaled_moments(maps: Array, faint: float, scales: Array, numbers: Array, mean: Array, variance: Array) -> None:
    """Write the block moments of maps at several scales: at their own size, enlarged, or reduced first.

    A map with only very small values is first multiplied by a power of 2, which is exact. Otherwise its squares would
    be subnormal numbers, which are coarse and take about a hundred cycles each. The paper's chain without scaling makes
    such maps.

    Args:
        maps: Shape ``(n, H, W)``.
        faint: Bound below which all magnitudes of a very small map lie.
        scales: Shape ``(S, 6)``, int64: the factor by which the map is reduced first (1, 2 or 4); the side of a
            block; whether the blocks are those of the enlarged map; the numbers of rows and columns of blocks; the
            position of the first.
        numbers: Moments of the sample offsets, shape ``(S, 3)``: see :func:`block_moments`.
        mean: Shape ``(n, D)``.
        variance: Shape ``(n, D)``.
    """
    count, height, width = maps.shape
    sides, work, lifted = np.empty((3, width + 2), maps.dtype), np.empty((7, width), maps.dtype), np.empty_like(maps[0])
    half = np.empty((height // 2, width // 2), maps.dtype)
    quarter = np.empty((height // 4, width // 4), maps.dtype)
    for i in range(count):
        source, back = maps[i], 1.0
        if is_faint(source.ravel(), faint):
            back = lift(source.ravel(), lifted.ravel())
            source = lifted
        for s in range(len(scales)):
            step, cells, enlarged, rows, columns, first = scales[s]
            here = source
            if step > 1:
                here = half if step == 2 else quarter
                shrink(source, step, here)
            span = slice(first, first + rows * columns)
            means, variances = mean[i, span].reshape(rows, columns), variance[i, span].reshape(rows, columns)
            narrow = work.ravel()[: 7 * here.shape[1]].reshape(7, here.shape[1])
            block_moments(here, cells, enlarged != 0, numbers[s], sides, narrow, means, variances)
        if back != 1.0:
            undo = mean.dtype.type(back)
            for x in range(mean.shape[1]):
                mean[i, x] *= undo
                variance[i, x] = variance[i, x] * undo * undo


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
def absolute_differences(first: Array, second: Array, columns: tuple[int, int], total: Array) -> None:
    """Add sums of absolute differences between all rows of ``(A, D)`` and ``(N, D)`` to `total` ``(A, N)``.

    The loop takes four rows times two at a time, whose sums stay in registers. The last row replaces missing rows.

    Args:
        first: Shape ``(A, D)``.
        second: Shape ``(N, D)``.
        columns: First column, and the column after the last.
        total: Shape ``(A, N)``.
    """
    sums, last, end = np.empty((4, 2), first.dtype), len(first) - 1, len(second) - 1
    for start in range(columns[0], columns[1], LENGTH):
        stop = min(start + LENGTH, columns[1])
        for j in range(0, len(second), 2):
            p, q = second[j, start:stop], second[min(j + 1, end), start:stop]
            for i in range(0, len(first), 4):
                w, x = first[i, start:stop], first[min(i + 1, last), start:stop]
                y, z = first[min(i + 2, last), start:stop], first[min(i + 3, last), start:stop]
                distances(w, x, y, z, p, q, sums)
                for r in range(min(4, len(first) - i)):
                    for c in range(min(2, len(second) - j)):
                        total[i + r, j + c] += sums[r, c]
