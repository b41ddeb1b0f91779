"""Block means and block variances of maps (Section II-B2), for float32 or float64.

Maps are laid side by side as a strip, so that loops along x are long for small maps, too.
"""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.column_loops import add_columns, clear, copy, finish_columns, merge_columns, move_to
from explainsal.functional.kernels.enlarged_loops import add_enlarged, along_y
from explainsal.functional.kernels.jit import Array, loop, summing_loop
from explainsal.functional.kernels.map_loops import shrink

WIDE = 256
"""Numbers in a row of a strip: a dozen such rows stay in the first-level cache."""


@loop
def own_moments(
    strip: Array, layout: tuple[int, int], plan: Array, chosen: Array, mean: Array, variance: Array
) -> None:
    """Write the block moments of maps at their own size.

    The loop first sums down the columns of a block, shifted by their top pixel so that smooth maps keep their variance
    in float32. It then merges neighboring columns and squares only their differences.

    Args:
        strip: The maps, shape ``(H, n + 2)``: see :func:`fill_strip`.
        layout: Columns of the strip from a map to the next, and columns of a map.
        plan: Side of a block in pixels, numbers of rows and columns of blocks, and position of the first.
        chosen: Positions in `mean` and `variance` of the maps of the strip.
        mean: Shape ``(n, D)``.
        variance: Shape ``(n, D)``.
    """
    cells, length = plan[0], strip.shape[1] - 2
    sums, work = np.zeros((3, length), strip.dtype), np.empty((6, length), strip.dtype)
    for i in range(plan[1]):
        top, bottom = i * cells, min((i + 1) * cells, len(strip))
        clear(sums[0])
        clear(sums[1])
        add_columns(strip, top, bottom, sums[0], sums[1])
        finish_columns(sums[0], sums[1], sums[2], strip[top, 1 : length + 1], bottom - top, work)
        merge_columns(work, layout, plan, i, chosen, mean, variance)


@loop
def enlarged_moments(
    strip: Array, layout: tuple[int, int], plans: Array, numbers: Array, chosen: Array, mean: Array, variance: Array
) -> None:
    """Write the block moments of maps enlarged bilinearly by two factors: see :func:`own_moments`.

    Args:
        strip: Shape ``(H, n + 2)``.
        layout: As there.
        plans: Two rows as there, with sides in pixels of the maps. The second side is a multiple of the first.
        numbers: See :func:`~explainsal.functional.kernels.enlarged_loops.add_enlarged`.
        chosen: As there.
        mean: As there.
        variance: As there.
    """
    height, length, top = len(strip), strip.shape[1] - 2, 0
    sums, work = np.zeros((4, length), strip.dtype), np.empty((6, length), strip.dtype)
    sides, wide = np.empty((3, length + 2), strip.dtype), np.zeros((2, length), strip.dtype)
    (fine, fine_rows), (coarse, coarse_rows) = plans[0, :2], plans[1, :2]
    for y in range(height):
        shift, end = strip[top, 1 : length + 1], y + 1 == height
        along_y(strip, y, numbers[0], sides)
        add_enlarged(sides, numbers, shift, sums)
        if (y + 1) % fine == 0 or end:
            if y // fine < fine_rows:
                finish_columns(sums[0], sums[1], sums[2], shift, y % fine + 1, work)
                merge_columns(work, layout, plans[0], y // fine, chosen, mean, variance)
            move_to(wide[0], sums[0])
            move_to(wide[1], sums[1])
            clear(sums[2])
        if (y + 1) % coarse == 0 or end:
            if y // coarse < coarse_rows:
                finish_columns(wide[0], wide[1], sums[3], shift, y % coarse + 1, work)
                merge_columns(work, layout, plans[1], y // coarse, chosen, mean, variance)
            for row in (wide[0], wide[1], sums[3]):
                clear(row)
            top = y + 1


@loop
def is_faint(one: Array, faint: float) -> bool:
    """Return whether the magnitudes of all pixels of a map are below a bound; NaN is not."""
    for y in range(len(one)):
        row, above = one[y], 0
        for x in range(len(row)):
            above += not abs(row[x]) < faint
        if above:
            return False
    return True


@loop
def powers(maps: Array, faint: float) -> Array:
    """Return the factor by which each map is multiplied first: 1, a power of 2 for very small maps, 0 for zeros.

    Squares of very small values would be subnormal numbers, which are coarse and take about a hundred cycles each. The
    paper's chain without scaling makes such maps, and many that are 0 everywhere.
    """
    out = np.ones(len(maps))
    for i in range(len(maps)):
        if is_faint(maps[i], faint):
            size = sum_of_sizes(maps[i].ravel())
            exponent = max(math.frexp(size)[1], -100 if maps.itemsize == 4 else -1000)  # the type holds the power
            out[i] = math.ldexp(1.0, -exponent) if size > 0 else 0.0
    return out


@summing_loop
def sum_of_sizes(row: Array) -> float:
    """Sum the magnitudes of a row."""
    size = row.dtype.type(0)
    for x in range(len(row)):
        size += abs(row[x])
    return size


@loop
def fill_strip(one: Array, start: int, strip: Array) -> None:
    """Copy a map ``(H, W)`` to columns `start + 1` to `start + W` of a strip, with the border repeated once."""
    width = one.shape[1]
    for y in range(len(one)):
        row, out = one[y], strip[y, start : start + width + 2]
        copy(row, out[1:])
        out[0], out[width + 1] = row[0], row[width - 1]


@loop
def lay_out(maps: Array, chosen: Array, power: Array, step: int, stride: int, strip: Array) -> None:
    """Lay some maps side by side, times their powers of 2 (:func:`powers`) and reduced by a step.

    Args:
        maps: Shape ``(n, H, W)``.
        chosen: Positions of the maps.
        power: Shape ``(n,)``.
        step: 1, 2 or 4.
        stride: Columns of the strip from a map to the next.
        strip: Shape ``(H, n stride + 2)``: see :func:`fill_strip`.
    """
    height, width = maps.shape[1:]
    whole, small = np.empty((height, width), maps.dtype), np.empty((height // step, width // step), maps.dtype)
    for j in range(len(chosen)):
        source = maps[chosen[j]]
        if power[chosen[j]] != 1:
            by, given, out = maps.dtype.type(power[chosen[j]]), source.ravel(), whole.ravel()
            for x in range(len(out)):
                out[x] = by * given[x]
            source = whole
        if step > 1:
            shrink(source, step, small)
            source = small
        fill_strip(source, j * stride, strip)


@loop
def scaled_moments(
    maps: Array, faint: float, align: int, plans: Array, enlarged: Array, numbers: Array, mean: Array, variance: Array
) -> None:
    """Write the block moments of maps at several scales: at their own size, enlarged, or reduced first.

    Args:
        maps: Shape ``(n, H, W)``.
        faint: Bound below which all magnitudes of a very small map lie.
        align: Side of a block, in pixels of the scaled maps.
        plans: Scales at the maps' own size or reduced, shape ``(S, 5)``, int64: the factor by which the maps are
            reduced first (1, 2 or 4), then the numbers of :func:`own_moments`.
        enlarged: Pairs of enlarging scales, shape ``(P, 2, 4)``, int64: see :func:`enlarged_moments`.
        numbers: Their numbers, shape ``(P, 8)``.
        mean: Shape ``(n, D)``.
        variance: Shape ``(n, D)``.
    """
    height, width = maps.shape[1:]
    power = powers(maps, faint)
    alive, dead = np.nonzero(power)[0], np.nonzero(power == 0)[0]
    for i in dead:
        mean[i], variance[i] = 0, 0
    for step in (1, 2, 4):
        own = plans[plans[:, 0] == step]
        if len(alive) == 0 or (len(own) == 0 and (step > 1 or len(enlarged) == 0)):
            continue
        stride = -(-(width // step + 2) // align) * align
        group = min(max(1, WIDE // stride), len(alive))
        layout, buffer = (stride, width // step), np.zeros(height // step * (group * stride + 2), maps.dtype)
        for start in range(0, len(alive), group):
            chosen = alive[start : start + group]
            length = len(chosen) * stride + 2
            strip = buffer[: height // step * length].reshape(height // step, length)
            lay_out(maps, chosen, power, step, stride, strip)
            for s in range(len(own)):
                own_moments(strip, layout, own[s, 1:], chosen, mean, variance)
            for p in range(len(enlarged) if step == 1 else 0):
                enlarged_moments(strip, layout, enlarged[p], numbers[p], chosen, mean, variance)
    for i in alive:
        if power[i] != 1:
            undo = mean.dtype.type(1 / power[i])
            for x in range(mean.shape[1]):
                mean[i, x] *= undo
                variance[i, x] = variance[i, x] * undo * undo
