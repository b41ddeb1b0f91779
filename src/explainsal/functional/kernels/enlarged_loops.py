"""Means and variances of bilinearly enlarged maps inside their source pixels, without making the enlarged maps."""

from __future__ import annotations

from explainsal.functional.kernels.jit import Array, loop


@loop
def along_y(strip: Array, y: int, half: float, sides: Array) -> None:
    """Write mean, difference and curvature along y of a row's pixels in the enlarged maps; the border is repeated."""
    middle, before, after = strip[y], strip[max(y - 1, 0)], strip[min(y + 1, len(strip) - 1)]
    level, step, curve = sides[0], sides[1], sides[2]
    for x in range(len(middle)):
        c = (before[x] - middle[x]) + (after[x] - middle[x])
        level[x] = middle[x] + half * c
        step[x] = after[x] - before[x]
        curve[x] = c


@loop
def add_enlarged(sides: Array, numbers: Array, shift: Array, sums: Array) -> None:
    """Add a row of enlarged maps to the sums of its columns: means, squares, and variances within pixels.

    The last are those of two factors; the second is 2, whose terms with a curvature are 0, or none.

    Args:
        sides: Shape ``(3, n + 2)``, as :func:`along_y` writes it.
        numbers: Half the mean of \\|t\\| over the sample offsets t in a pixel; the shares of five terms in the variance
            within a pixel; and those of the first two for the second factor.
        shift: Values that are subtracted from the means, shape ``(n,)``.
        sums: Shape ``(4, n)``.
    """
    level, step, curve = sides[0], sides[1], sides[2]
    first, second, within, other = sums[0], sums[1], sums[2], sums[3]
    half, a, b, c, d, e, f, g = numbers
    for x in range(len(first)):
        lc = (level[x] - level[x + 1]) + (level[x + 2] - level[x + 1])
        sc = (step[x] - step[x + 1]) + (step[x + 2] - step[x + 1])
        cc = (curve[x] - curve[x + 1]) + (curve[x + 2] - curve[x + 1])
        ld, sd, cd = level[x + 2] - level[x], step[x + 2] - step[x], curve[x + 2] - curve[x]
        sm, cm, p = step[x + 1] + half * sc, curve[x + 1] + half * cc, (level[x + 1] - shift[x]) + half * lc
        sloped, steep = ld * ld + sm * sm, sd * sd
        within[x] += a * sloped + b * steep + c * (lc * lc + cm * cm) + d * (sc * sc + cd * cd) + e * (cc * cc)
        other[x] += f * sloped + g * steep
        first[x] += p
        second[x] += p * p
