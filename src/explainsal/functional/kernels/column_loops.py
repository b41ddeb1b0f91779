"""Sums down the columns of maps, and merging of columns into blocks: see `block_loops`."""

from __future__ import annotations

from explainsal.functional.kernels.jit import Array, loop, summing_loop


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
def add_columns(strip: Array, top: int, bottom: int, first: Array, second: Array) -> None:
    """Add the pixels from `top` to `bottom` of each column, and their squares, as differences from the top pixel."""
    fours, inner = top + (bottom - top) // 4 * 4, slice(1, len(first) + 1)
    shift = strip[top, inner]
    for y in range(top, fours, 4):
        above, below = strip[y + 1, inner], strip[y + 2, inner]
        add_rows(strip[y, inner], above, below, strip[y + 3, inner], shift, first, second)
    for y in range(fours, bottom):
        add_row(strip[y, inner], shift, first, second)


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
def finish_columns(first: Array, second: Array, within: Array, shift: Array, rows: int, work: Array) -> None:
    """Write means and variances of columns, ``work[:2]``, from the sums over `rows` rows."""
    mean, variance = work[0], work[1]
    nothing, share = mean.dtype.type(0), mean.dtype.type(1) / mean.dtype.type(rows)
    for x in range(len(mean)):
        away = share * first[x]
        between = share * second[x] - away * away
        mean[x] = shift[x] + away
        # NaN is kept; only values that are negative by rounding become 0
        variance[x] = (nothing if between < 0 else between) + share * within[x]


@loop
def merge_columns(
    work: Array, layout: tuple[int, int], plan: Array, row: int, chosen: Array, mean: Array, variance: Array
) -> None:
    """Merge the columns of a strip into a row of blocks: see :func:`own_moments`.

    Args:
        work: Shape ``(6, n)``: means and variances of the columns, then work space. All are overwritten.
        layout: Columns from a map to the next, and columns of a map.
        plan: As there.
        row: The row of blocks.
        chosen: As there.
        mean: As there.
        variance: As there.
    """
    cells, _, columns, place = plan
    (stride, width), start = layout, place + row * columns
    whole = min(width // cells, columns)
    for j in range(len(chosen)):
        for c in range(whole, columns):  # the cut block, if any
            part, to = slice(j * stride + c * cells, j * stride + width), start + c
            mean[chosen[j], to], variance[chosen[j], to] = together(work[0, part], work[1, part])
    each, length, mine = cells, len(chosen) * stride, 0
    while each % 2 == 0:
        other = mine + 2 if mine < 4 else 2
        pairs(work[mine], work[mine + 1], length, work[other], work[other + 1])
        each, length, mine = each // 2, length // 2, other
    for j in range(len(chosen)):
        place, means, variances = j * stride * each // cells, mean[chosen[j], start:], variance[chosen[j], start:]
        if each == 1:
            copy(work[mine, place : place + whole], means)
            copy(work[mine + 1, place : place + whole], variances)
        else:
            for c in range(whole):
                part = slice(place + c * each, place + (c + 1) * each)
                means[c], variances[c] = together(work[mine, part], work[mine + 1, part])


@loop
def copy(row: Array, out: Array) -> None:
    """Copy a row to the start of another."""
    for x in range(len(row)):
        out[x] = row[x]


@loop
def clear(row: Array) -> None:
    """Write zeros to a row; an assignment to a slice of two dimensions would take many times as long."""
    for x in range(len(row)):
        row[x] = 0


@loop
def move_to(total: Array, row: Array) -> None:
    """Add a row to sums, and write zeros to it."""
    for x in range(len(total)):
        total[x] += row[x]
        row[x] = 0
