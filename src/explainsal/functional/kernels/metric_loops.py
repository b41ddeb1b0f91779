"""Sums of saliency metrics over the pixels of one map, in float64: sums against a density, counts of ranks."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, inlined, loop, summing_loop

PART = 1024
"""Pixels at a time: parts of two maps stay in the first-level cache, and short sums are exact enough."""

SPANS = 2048
"""Number of equal spans of a map's range; their table stays in the first-level cache."""

_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)  # all bits but the sign
_INFINITE = np.int64(0x7FF0000000000000)  # infinity as bits; above it are NaNs
_LEAST = 1e-290  # least number whose reciprocal keeps all bits
_HALF_ROOT = np.int64(0x3FE6A09E667F3BCD)  # sqrt(1/2) as bits
_LN2_HIGH, _LN2_LOW = 0.6931471805598903, 5.497923018708371e-14  # the first times an integer is exact


@summing_loop
def part_extents(values: Array, bits: Array) -> tuple[np.int64, np.int64, float]:
    """Return minimum and maximum of some values as integers in the same order, and their sum: see :func:`extents`."""
    low, high, total = _MAGNITUDE, -_MAGNITUDE, 0.0
    for x in range(len(values)):
        key = bits[x] ^ ((bits[x] >> 63) & _MAGNITUDE)
        low, high = min(low, key), max(high, key)
        total += values[x]
    return low, high, total


@summing_loop
def extents(values: Array, bits: Array, out: Array) -> None:
    """Write minimum, maximum and sum of `values` to `out`, or three NaN where a value is NaN or infinite.

    Args:
        values: Shape ``(P,)``, float64.
        bits: The same memory as int64: extremes of integers in the order of the numbers run on vector units.
        out: Shape ``(3,)``.
    """
    low, high, total = _MAGNITUDE, -_MAGNITUDE, 0.0
    for start in range(0, len(values), PART):
        least, most, part = part_extents(values[start : start + PART], bits[start : start + PART])
        low, high, total = min(low, least), max(high, most), total + part
    if high >= _INFINITE or low < -_INFINITE:
        out[:] = np.nan
        return
    keys = np.array([low, high])
    out[:2] = (keys ^ ((keys >> 63) & _MAGNITUDE)).view(np.float64)
    out[2] = total


@inlined
def logarithm(x: float) -> float:
    """Compute the natural logarithm to about one unit in the last place, in operations that run on vector units.

    With x = 2^e m and m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh(s) with s = (m - 1) / (m + 1). The rest of this series
    after 11 terms is below 2^-56.
    """
    small = x < 2.2250738585072014e-308  # subnormal numbers lack bits
    bits = np.float64(x * 18014398509481984.0 if small else x).view(np.int64)
    power = (bits - _HALF_ROOT) >> 52
    m = np.int64(bits - (power << 52)).view(np.float64)
    e = np.float64(power - 54 if small else power)
    f = m - 1
    s = f / (2 + f)
    z = s * s
    series = 1.0 / 23
    series = series * z + 1.0 / 21
    series = series * z + 1.0 / 19
    series = series * z + 1.0 / 17
    series = series * z + 1.0 / 15
    series = series * z + 1.0 / 13
    series = series * z + 1.0 / 11
    series = series * z + 1.0 / 9
    series = series * z + 1.0 / 7
    series = series * z + 1.0 / 5
    series = series * z + 1.0 / 3
    result = e * _LN2_HIGH + (e * _LN2_LOW + (2 * s + 2 * s * z * series))
    positive = result if x < math.inf else x
    return positive if x > 0 else (-math.inf if x == 0 else math.nan)


@loop
def densities(values: Array, scaling: Array, out: Array) -> None:
    """Write values as a density: subtract ``scaling[0]``, add ``scaling[1]``, divide by ``scaling[2]``."""
    shift, extra, total = scaling[0], scaling[1], scaling[2]
    if _LEAST < abs(total) < 1 / _LEAST:
        share = 1 / total  # products take a fraction of the time of divisions
        for x in range(len(values)):
            out[x] = (values[x] - shift + extra) * share
    else:
        for x in range(len(values)):
            out[x] = (values[x] - shift + extra) / total


@summing_loop
def similarity(p: Array, g: Array) -> float:
    """Sum the pixel-wise minimum of two densities (SIM)."""
    total = 0.0
    for x in range(len(p)):
        total += p[x] if p[x] < g[x] or p[x] != p[x] else g[x]
    return total


@summing_loop
def products(p: Array, g: Array, mean: float, other: float) -> tuple[float, float, float]:
    """Sum the squares of p about `mean`, those of g about `other`, and the products of both deviations (CC)."""
    pp, gg, pg = 0.0, 0.0, 0.0
    for x in range(len(p)):
        a, b = p[x] - mean, g[x] - other
        pp += a * a
        gg += b * b
        pg += a * b
    return pp, gg, pg


@summing_loop
def divergence(p: Array, g: Array, eps: float) -> float:
    """Sum g ln(g / (p + eps) + eps) (KLD)."""
    total = 0.0
    for x in range(len(p)):
        total += g[x] * logarithm(g[x] / (p[x] + eps) + eps)
    return total


@loop
def density_sums(
    values: Array, target: Array, scalings: Array, means: Array, eps: float, wanted: int, out: Array
) -> None:
    """Write the sums of SIM, CC (three) and KLD whose bit in `wanted` is set; the others become 0.

    Args:
        values: Values of the map, shape ``(P,)``.
        target: Values of the target, shape ``(P,)``.
        scalings: Scalings of map and target for SIM, then for KLD, shape ``(4, 3)``, see :func:`densities`.
        means: Means of map and target, shape ``(2,)``.
        eps: Epsilon of KLD.
        wanted: 1 (SIM), 2 (CC), 4 (KLD), or'ed together.
        out: Shape ``(5,)``.
    """
    p, g = np.empty(PART), np.empty(PART)
    same = wanted & 1 and (scalings[:2] == scalings[2:]).all()  # SIM and KLD use the same densities
    out[:] = 0.0
    for start in range(0, len(values), PART):
        here, there = values[start : start + PART], target[start : start + PART]
        a, b = p[: len(here)], g[: len(here)]
        if wanted & 2:
            pp, gg, pg = products(here, there, means[0], means[1])
            out[1] += pp
            out[2] += gg
            out[3] += pg
        if wanted & 1:
            densities(here, scalings[0], a)
            densities(there, scalings[1], b)
            out[0] += similarity(a, b)
        if wanted & 4:
            if not same:
                densities(here, scalings[2], a)
                densities(there, scalings[3], b)
            out[4] += divergence(a, b, eps)


@loop
def spans_of_levels(levels: Array, low: float, scale: float) -> tuple[Array, Array, Array]:
    """Return each span's level (infinity: none), twice the number of levels below it, and its number of levels.

    For a span with several levels, the second value is -1 minus the span.
    """
    level, count = np.full(SPANS, np.inf), np.zeros(SPANS, np.int32)
    for k in range(len(levels)):
        if not levels[k] < np.inf:
            break
        span = int((levels[k] - low) * scale)
        level[span] = levels[k]
        count[span] += 1
    below, place = np.empty(SPANS, np.int32), 0
    for span in range(SPANS):
        below[span] = 2 * place if count[span] < 2 else -1 - span
        place += count[span]
    return level, below, count


@loop
def find_spans(values: Array, low: float, scale: float, out: Array) -> None:
    """Write the span of the range that contains each value."""
    for x in range(len(values)):
        out[x] = np.int32((values[x] - low) * scale)


@loop
def look_up(values: Array, spans: Array, level: Array, below: Array, out: Array) -> None:
    """Write the bucket of each value whose span holds at most one level; for more levels, a number below 0."""
    for x in range(len(values)):
        span = np.uint32(spans[x])  # unsigned indices need no check for negative positions
        there = below[span]
        reached = (values[x] >= level[span]) + (values[x] > level[span])
        out[x] = there + reached if there >= 0 else there


@loop
def rank_among(levels: Array, first: int, count: int, value: float) -> int:
    """Find the bucket of a value among ``levels[first : first + count]`` by bisection without branches."""
    at, left = first, count
    while left > 0:
        half = (left + 1) // 2
        at = at + half if levels[at + half - 1] < value else at
        left -= half
    return 2 * at + (1 if at < first + count and levels[at] == value else 0)


@loop
def add_counts(found: Array, turns: Array) -> None:
    """Count the pixels of each bucket in four alternating histograms, so that neighbors need not wait for a count."""
    whole = len(found) - len(found) % 4
    first, second, third, fourth = turns[0], turns[1], turns[2], turns[3]
    for x in range(0, whole, 4):
        first[np.uint32(found[x])] += 1
        second[np.uint32(found[x + 1])] += 1
        third[np.uint32(found[x + 2])] += 1
        fourth[np.uint32(found[x + 3])] += 1
    for x in range(whole, len(found)):
        first[np.uint32(found[x])] += 1


@loop
def buckets(values: Array, low: float, high: float, levels: Array, found: Array, counts: Array) -> None:
    """Write the bucket of every pixel among a map's levels, and the number of pixels in each bucket.

    Bucket 2 k + 1 holds the pixels equal to ``levels[k]``. Bucket 2 k holds those below it and above the previous
    level. The span of a value is a non-decreasing function of it, so rounding cannot put it on the wrong side of a
    level.

    Args:
        values: Shape ``(P,)``; `low` and `high` are its extremes.
        low: The minimum.
        high: The maximum.
        levels: Shape ``(L,)``, distinct and ascending, between `low` and `high`; padded with infinities.
        found: Shape ``(P,)``, int16 or int32, large enough for every bucket.
        counts: Shape ``(2 L + 1,)``, int64.
    """
    scale = (SPANS - 1) / (high - low)
    scale = scale if scale < np.inf else 0.0  # one span for constant maps and for ranges so small that this overflows
    level, below, held = spans_of_levels(levels, low, scale)
    start_of = np.cumsum(held) - held
    turns, spans = np.zeros((4, len(counts)), np.int32), np.empty(PART, np.int32)
    for start in range(0, len(values), PART):
        here, bucket = values[start : start + PART], found[start : start + PART]
        find_spans(here, low, scale, spans[: len(here)])
        look_up(here, spans, level, below, bucket)
        for x in range(len(here)):
            if bucket[x] < 0:
                span = -1 - bucket[x]
                bucket[x] = rank_among(levels, start_of[span], int(held[span]), here[x])
        add_counts(bucket, turns)
    counts[:] = turns.sum(axis=0)


@loop
def weigh(found: Array, weights: Array, counts: Array) -> None:
    """Write the total weight of the pixels in each bucket.

    Args:
        found: Shape ``(P,)``, as :func:`buckets` writes them.
        weights: Shape ``(P,)``, int32 or int64.
        counts: Shape ``(L,)``, int64.
    """
    turns = np.zeros((4, len(counts)), np.int64)
    for x in range(len(found)):
        turns[np.uint32(x) % 4, np.uint32(found[x])] += weights[x]
    counts[:] = turns.sum(axis=0)
