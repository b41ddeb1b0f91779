/* Block means, block variances and their distances (Eq. 2) for one number type: REAL, NAME(x) the name of x. */

/* Means m and variances v of `count` columns become those of count / 2 pairs of equal columns, written to M and V. */
static void NAME(pairs)(const REAL *restrict m, const REAL *restrict v, ptrdiff_t count, REAL *restrict M,
                        REAL *restrict V)
{
#pragma omp simd
    for (ptrdiff_t c = 0; c < count / 2; c++) {
        const REAL half = (m[2 * c + 1] - m[2 * c]) / 2;
        M[c] = m[2 * c] + half;
        V[c] = (v[2 * c] + v[2 * c + 1]) / 2 + half * half;
    }
}

/* Mean and variance of `count` equal columns, whose means are m and whose variances are v. */
static void NAME(together)(const REAL *m, const REAL *v, ptrdiff_t count, REAL *mean, REAL *variance)
{
    REAL away = 0, inner = 0, spread = 0;
    for (ptrdiff_t x = 0; x < count; x++) {
        away += m[x] - m[0];
        inner += v[x];
    }
    away /= (REAL)count;
    for (ptrdiff_t x = 0; x < count; x++)
        spread += (m[x] - m[0] - away) * (m[x] - m[0] - away);
    *mean = m[0] + away;
    *variance = (inner + spread) / (REAL)count;
}

/* Mean and variance of every block of a map (height, width), as if it was enlarged bilinearly. A block holds
 * cells x cells source pixels, fewer at the right and lower border. `square` is the mean of t^2 and `size` that of |t|
 * over the sample offsets t of a source pixel; both 0 for a map as it is.
 *
 * First down the columns of a block, shifted by their top pixel so that smooth maps keep their variance in float32;
 * then neighbouring columns are merged, of which only the differences are squared. */
static int NAME(block_moments)(const REAL *map, ptrdiff_t height, ptrdiff_t width, ptrdiff_t cells, double square,
                               double size, ptrdiff_t rows, ptrdiff_t columns, REAL *mean, REAL *variance)
{
    const REAL half = (REAL)(size / 2), slope = (REAL)(square / 4), bend = (REAL)((square - size * size) / 4);
    const ptrdiff_t wide = width + 2, whole = width / cells < columns ? width / cells : columns;
    REAL *work = malloc(sizeof(REAL) * (size_t)(3 * wide + 7 * width));
    if (!work)
        return 1;
    REAL *level = work, *step = level + wide, *curve = step + wide; /* along y: mean, difference, curvature */
    REAL *first = curve + wide, *second = first + width, *within = second + width;
    REAL *m = within + width, *v = m + width, *other = v + width; /* other: means, then variances */
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t top = i * cells, bottom = top + cells < height ? top + cells : height;
        const REAL *shift = map + top * width, share = 1 / (REAL)(bottom - top);
#pragma omp simd
        for (ptrdiff_t x = 0; x < width; x++)
            first[x] = second[x] = within[x] = 0;
        for (ptrdiff_t y = top; y < bottom; y++) {
            const REAL *middle = map + y * width;
            if (square == 0) {
#pragma omp simd
                for (ptrdiff_t x = 0; x < width; x++) {
                    const REAL d = middle[x] - shift[x];
                    first[x] += d;
                    second[x] += d * d;
                }
                continue;
            }
            const REAL *before = y > 0 ? middle - width : middle, *after = y + 1 < height ? middle + width : middle;
#pragma omp simd
            for (ptrdiff_t x = 0; x < width; x++) {
                const REAL c = (before[x] - middle[x]) + (after[x] - middle[x]);
                level[x + 1] = middle[x] + half * c;
                step[x + 1] = after[x] - before[x];
                curve[x + 1] = c;
            }
            level[0] = level[1], step[0] = step[1], curve[0] = curve[1];
            level[wide - 1] = level[wide - 2], step[wide - 1] = step[wide - 2], curve[wide - 1] = curve[wide - 2];
            if (bend == 0) { /* enlarged twice: the parts with a curvature but the mean's vanish */
#pragma omp simd
                for (ptrdiff_t x = 0; x < width; x++) {
                    const REAL lc = (level[x] - level[x + 1]) + (level[x + 2] - level[x + 1]);
                    const REAL sc = (step[x] - step[x + 1]) + (step[x + 2] - step[x + 1]);
                    const REAL ld = level[x + 2] - level[x], sd = step[x + 2] - step[x];
                    const REAL sm = step[x + 1] + half * sc, d = (level[x + 1] - shift[x]) + half * lc;
                    first[x] += d;
                    second[x] += d * d;
                    within[x] += slope * (ld * ld + sm * sm + slope * (sd * sd));
                }
                continue;
            }
#pragma omp simd
            for (ptrdiff_t x = 0; x < width; x++) {
                const REAL lc = (level[x] - level[x + 1]) + (level[x + 2] - level[x + 1]);
                const REAL sc = (step[x] - step[x + 1]) + (step[x + 2] - step[x + 1]);
                const REAL cc = (curve[x] - curve[x + 1]) + (curve[x + 2] - curve[x + 1]);
                const REAL ld = level[x + 2] - level[x], sd = step[x + 2] - step[x], cd = curve[x + 2] - curve[x];
                const REAL sm = step[x + 1] + half * sc, cm = curve[x + 1] + half * cc;
                const REAL d = (level[x + 1] - shift[x]) + half * lc;
                first[x] += d;
                second[x] += d * d;
                within[x] += slope * (ld * ld + sm * sm + slope * (sd * sd)) +
                             bend * (lc * lc + cm * cm + slope * (sc * sc + cd * cd) + bend * (cc * cc));
            }
        }
#pragma omp simd
        for (ptrdiff_t x = 0; x < width; x++) {
            const REAL away = share * first[x], between = share * second[x] - away * away;
            m[x] = shift[x] + away;
            /* NaN is kept: only what rounding made negative becomes 0 */
            v[x] = (between < 0 ? 0 : between) + share * within[x];
        }
        REAL *M = mean + i * columns, *V = variance + i * columns;
        for (ptrdiff_t c = whole; c < columns; c++) /* the cut block, if any */
            NAME(together)(m + c * cells, v + c * cells, width - c * cells, M + c, V + c);
        ptrdiff_t each = cells, count = whole * cells;
        REAL *mine = m, *its = v, *next = other, *spare = other + width;
        for (; each % 2 == 0; each /= 2, count /= 2) {
            const int last = each == 2;
            NAME(pairs)(mine, its, count, last ? M : next, last ? V : spare);
            REAL *old = mine, *older = its;
            mine = next, its = spare, next = old, spare = older;
        }
        if (cells % 2 || each > 1)
            for (ptrdiff_t c = 0; c < whole; c++)
                NAME(together)(mine + c * each, its + c * each, each, M + c, V + c);
    }
    free(work);
    return 0;
}

/* The block moments of n maps (height, width) at several scales, all of one map before the next is looked at.
 * counts (scales, 4): how often the map is made smaller (1, 2, 4), cells, rows and columns; offsets (scales, 2): square
 * and size; mean and variance: where those of each scale go.
 *
 * A faint map is first multiplied by a power of 2, exactly: its squares would be subnormal numbers, which are coarse
 * and, by the hundred cycles each, slow. The paper's chain without scaling makes such maps. */
int NAME(scaled_moments)(const REAL *maps, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width, ptrdiff_t scales,
                         const long long *counts, const double *offsets, REAL *const *mean, REAL *const *variance)
{
    const ptrdiff_t pixels = height * width;
    REAL *clear = malloc(sizeof(REAL) * (size_t)(pixels + pixels / 4 + 1)), *small = clear + pixels;
    int failed = !clear;
    for (ptrdiff_t i = 0; i < n && !failed; i++) {
        const REAL *map = maps + i * pixels;
        REAL largest = 0, back = 1;
#pragma omp simd reduction(max : largest)
        for (ptrdiff_t x = 0; x < pixels; x++)
            largest = SIZE(map[x]) > largest ? SIZE(map[x]) : largest;
        if (largest > 0 && largest < FAINT) {
            int exponent;
            frexp((double)largest, &exponent);
            exponent = exponent > LEAST ? exponent : LEAST;
            const REAL by = (REAL)ldexp(1, -exponent);
            back = (REAL)ldexp(1, exponent);
#pragma omp simd
            for (ptrdiff_t x = 0; x < pixels; x++)
                clear[x] = by * map[x];
            map = clear;
        }
        for (ptrdiff_t s = 0; s < scales && !failed; s++) {
            const ptrdiff_t step = counts[4 * s], rows = counts[4 * s + 2], columns = counts[4 * s + 3];
            REAL *M = mean[s] + i * rows * columns, *V = variance[s] + i * rows * columns;
            if (step > 1)
                NAME(shrunk)(map, 1, height, width, step, small);
            failed = NAME(block_moments)(step > 1 ? small : map, height / step, width / step, counts[4 * s + 1],
                                         offsets[2 * s], offsets[2 * s + 1], rows, columns, M, V);
            for (ptrdiff_t c = 0; c < rows * columns && back != 1 && !failed; c++) {
                M[c] *= back;
                V[c] = V[c] * back * back;
            }
        }
    }
    free(clear);
    return failed;
}

/* Sums of absolute differences between all rows of first (a, length) and of second (b, length): (a, b).
 * ROWS x 2 sums at a time stay in registers; rows that are missing at the end repeat the last, and are not kept. */
int NAME(absolute_differences)(const REAL *first, const REAL *second, ptrdiff_t a, ptrdiff_t b, ptrdiff_t length,
                               REAL *total)
{
    for (ptrdiff_t i = 0; i < a * b; i++)
        total[i] = 0;
    for (ptrdiff_t start = 0; start < length; start += LENGTH) {
        const ptrdiff_t count = start + LENGTH < length ? LENGTH : length - start;
        for (ptrdiff_t j = 0; j < b; j += 2) {
            const ptrdiff_t next = j + 1 < b ? j + 1 : j;
            const REAL *restrict p = second + j * length + start, *restrict q = second + next * length + start;
            for (ptrdiff_t i = 0; i < a; i += 4) {
                const ptrdiff_t last = a - 1 - i;
                const REAL *restrict w = first + i * length + start, *restrict x = w + (last < 1 ? last : 1) * length;
                const REAL *restrict y = w + (last < 2 ? last : 2) * length, *restrict z = w + (last < 3 ? last : 3) * length;
                REAL wp = 0, xp = 0, yp = 0, zp = 0, wq = 0, xq = 0, yq = 0, zq = 0;
#pragma omp simd reduction(+ : wp, xp, yp, zp, wq, xq, yq, zq)
                for (ptrdiff_t d = 0; d < count; d++) {
                    wp += SIZE(w[d] - p[d]), xp += SIZE(x[d] - p[d]), yp += SIZE(y[d] - p[d]), zp += SIZE(z[d] - p[d]);
                    wq += SIZE(w[d] - q[d]), xq += SIZE(x[d] - q[d]), yq += SIZE(y[d] - q[d]), zq += SIZE(z[d] - q[d]);
                }
                const REAL sums[4][2] = {{wp, wq}, {xp, xq}, {yp, yq}, {zp, zq}};
                for (ptrdiff_t r = 0; r < 4 && i + r < a; r++)
                    for (ptrdiff_t c = 0; c < 2 && j + c < b; c++)
                        total[(i + r) * b + j + c] += sums[r][c];
            }
        }
    }
    return 0;
}
