/* The inner loops of Eq. 1 to 3 for one number type: REAL, with ROOT its square root and NAME(x) the name of x.
 *
 * Every loop runs over contiguous pixels, so that compilers vectorise it; what is summed over a block is first shifted
 * by a value from inside the block, so that smooth maps keep their variance in float32. */

/* Mean and variance of every block of n maps (height, width), as if these were enlarged bilinearly `factor` times.
 * A block holds cells x cells source pixels, fewer at the right and lower border. `square` is the mean of t^2 and
 * `size` that of |t| over the sample offsets t of a source pixel; both 0 for maps as they are. */
int NAME(block_moments)(const REAL *maps, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width, ptrdiff_t cells,
                        double square, double size, ptrdiff_t rows, ptrdiff_t columns, REAL *mean, REAL *variance)
{
    const REAL half = (REAL)(size / 2), slope = (REAL)(square / 4), bend = (REAL)((square - size * size) / 4);
    const ptrdiff_t wide = width + 2;
    REAL *work = malloc(sizeof(REAL) * (size_t)(3 * wide + 5 * width));
    if (!work)
        return 1;
    REAL *level = work, *step = level + wide, *curve = step + wide; /* along y: mean, difference, curvature */
    REAL *pixel = curve + wide, *within = pixel + width, *shift = within + width, *first = shift + width,
         *second = first + width;
    for (ptrdiff_t m = 0; m < n; m++) {
        const REAL *map = maps + m * height * width;
        for (ptrdiff_t r = 0; r < rows; r++) {
            const ptrdiff_t top = r * cells, bottom = top + cells < height ? top + cells : height;
#pragma omp simd
            for (ptrdiff_t x = 0; x < width; x++)
                first[x] = second[x] = within[x] = 0;
            for (ptrdiff_t c = 0; c < columns; c++) {
                const ptrdiff_t left = c * cells, right = left + cells < width ? left + cells : width;
                for (ptrdiff_t x = left; x < right; x++)
                    shift[x] = map[top * width + left];
            }
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
                    const REAL c = before[x] + after[x] - 2 * middle[x];
                    level[x + 1] = middle[x] + half * c;
                    step[x + 1] = after[x] - before[x];
                    curve[x + 1] = c;
                }
                level[0] = level[1], step[0] = step[1], curve[0] = curve[1];
                level[wide - 1] = level[wide - 2], step[wide - 1] = step[wide - 2], curve[wide - 1] = curve[wide - 2];
                if (bend == 0) { /* enlarged twice: the parts with a curvature but the mean's vanish */
#pragma omp simd
                    for (ptrdiff_t x = 0; x < width; x++) {
                        const REAL lc = level[x] + level[x + 2] - 2 * level[x + 1], ld = level[x + 2] - level[x];
                        const REAL sc = step[x] + step[x + 2] - 2 * step[x + 1], sd = step[x + 2] - step[x];
                        const REAL sm = step[x + 1] + half * sc, d = level[x + 1] + half * lc - shift[x];
                        first[x] += d;
                        second[x] += d * d;
                        within[x] += slope * (ld * ld + sm * sm + slope * (sd * sd));
                    }
                    continue;
                }
#pragma omp simd
                for (ptrdiff_t x = 0; x < width; x++) {
                    const REAL lc = level[x] + level[x + 2] - 2 * level[x + 1], ld = level[x + 2] - level[x];
                    const REAL sc = step[x] + step[x + 2] - 2 * step[x + 1], sd = step[x + 2] - step[x];
                    const REAL cc = curve[x] + curve[x + 2] - 2 * curve[x + 1], cd = curve[x + 2] - curve[x];
                    const REAL sm = step[x + 1] + half * sc, cm = curve[x + 1] + half * cc;
                    const REAL d = level[x + 1] + half * lc - shift[x];
                    first[x] += d;
                    second[x] += d * d;
                    within[x] += slope * (ld * ld) + bend * (lc * lc) + slope * (sm * sm + slope * (sd * sd) + bend * (sc * sc)) +
                                 bend * (cm * cm + slope * (cd * cd) + bend * (cc * cc));
                }
            }
            for (ptrdiff_t c = 0; c < columns; c++) {
                const ptrdiff_t left = c * cells, right = left + cells < width ? left + cells : width;
                const REAL count = (REAL)((bottom - top) * (right - left));
                REAL one = 0, two = 0, inner = 0;
                for (ptrdiff_t x = left; x < right; x++) {
                    one += first[x];
                    two += second[x];
                    inner += within[x];
                }
                one /= count;
                const REAL between = two / count - one * one;
                mean[(m * rows + r) * columns + c] = shift[left] + one;
                /* NaN is kept: only what rounding made negative becomes 0 */
                variance[(m * rows + r) * columns + c] = (between < 0 ? 0 : between) + inner / count;
            }
        }
    }
    free(work);
    return 0;
}

/* Sums of absolute differences between all rows of first (a, length) and of second (b, length): (a, b). */
int NAME(absolute_differences)(const REAL *first, const REAL *second, ptrdiff_t a, ptrdiff_t b, ptrdiff_t length,
                               REAL *total)
{
    for (ptrdiff_t i = 0; i < a * b; i++)
        total[i] = 0;
    for (ptrdiff_t start = 0; start < length; start += LENGTH) {
        const ptrdiff_t count = start + LENGTH < length ? LENGTH : length - start;
        for (ptrdiff_t j = 0; j < b; j++) {
            const REAL *theirs = second + j * length + start;
            for (ptrdiff_t i = 0; i < a; i++) {
                const REAL *mine = first + i * length + start;
                REAL sum = 0;
#pragma omp simd reduction(+ : sum)
                for (ptrdiff_t d = 0; d < count; d++) {
                    const REAL difference = mine[d] - theirs[d];
                    sum += difference < 0 ? -difference : difference;
                }
                total[i * b + j] += sum;
            }
        }
    }
    return 0;
}

/* total (r, pixels) += weights (r, terms) x the rows of maps that place (r, terms) names; a place of -1 adds nothing. */
int NAME(add_combinations)(const REAL *maps, const long long *place, const REAL *weights, ptrdiff_t r, ptrdiff_t terms,
                           ptrdiff_t pixels, REAL *total)
{
    for (ptrdiff_t start = 0; start < pixels; start += COLUMNS) {
        const ptrdiff_t count = start + COLUMNS < pixels ? COLUMNS : pixels - start;
        for (ptrdiff_t i = 0; i < r; i++) {
            REAL *out = total + i * pixels + start;
            for (ptrdiff_t t = 0; t < terms; t++) {
                if (place[i * terms + t] < 0)
                    continue;
                const REAL weight = weights[i * terms + t], *map = maps + place[i * terms + t] * pixels + start;
#pragma omp simd
                for (ptrdiff_t x = 0; x < count; x++)
                    out[x] += weight * map[x];
            }
        }
    }
    return 0;
}

/* Complex spectra (n, pixels) through real filters (g, pixels): (n, g, pixels) complex. */
int NAME(filtered)(const REAL *spectra, const REAL *bank, ptrdiff_t n, ptrdiff_t g, ptrdiff_t pixels, REAL *out)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < g; j++) {
            const REAL *spectrum = spectra + 2 * i * pixels, *gain = bank + j * pixels;
            REAL *here = out + 2 * (i * g + j) * pixels;
#pragma omp simd
            for (ptrdiff_t x = 0; x < pixels; x++) {
                here[2 * x] = spectrum[2 * x] * gain[x];
                here[2 * x + 1] = spectrum[2 * x + 1] * gain[x];
            }
        }
    return 0;
}

/* Magnitude of complex numbers times a scale. */
int NAME(magnitude)(const REAL *complex, ptrdiff_t count, double scale, REAL *out)
{
#pragma omp simd
    for (ptrdiff_t x = 0; x < count; x++)
        out[x] = (REAL)scale * ROOT(complex[2 * x] * complex[2 * x] + complex[2 * x + 1] * complex[2 * x + 1]);
    return 0;
}
