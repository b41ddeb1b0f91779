/* Filtering, combining and resizing maps (Eq. 1, 3 and 4) for one number type: REAL, with ROOT its square root. */

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

/* Magnitude of n complex maps, each times its level. */
int NAME(magnitude)(const REAL *complex, const REAL *level, ptrdiff_t n, ptrdiff_t pixels, REAL *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL *here = complex + 2 * i * pixels, by = level[i];
        REAL *there = out + i * pixels;
#pragma omp simd
        for (ptrdiff_t x = 0; x < pixels; x++)
            there[x] = by * ROOT(here[2 * x] * here[2 * x] + here[2 * x + 1] * here[2 * x + 1]);
    }
    return 0;
}

/* total (r, pixels) += weights (r, terms) x the maps of `pixels` that `map` (r, terms) points to; NULL adds nothing. */
int NAME(add_combinations)(const REAL *const *map, const REAL *weights, ptrdiff_t r, ptrdiff_t terms, ptrdiff_t pixels,
                           REAL *total)
{
    for (ptrdiff_t start = 0; start < pixels; start += COLUMNS) {
        const ptrdiff_t stop = start + COLUMNS < pixels ? start + COLUMNS : pixels;
        for (ptrdiff_t i = 0; i < r; i++)
            for (ptrdiff_t x = start; x < stop; x += SOME) {
                const ptrdiff_t count = x + SOME < stop ? SOME : stop - x;
                REAL sum[SOME] = {0}, *out = total + i * pixels + x;
                for (ptrdiff_t t = 0; t < terms; t++) {
                    if (!map[i * terms + t])
                        continue;
                    const REAL weight = weights[i * terms + t], *its = map[i * terms + t] + x;
                    if (count == SOME) { /* a fixed number of sums stays in registers */
#pragma omp simd
                        for (ptrdiff_t p = 0; p < SOME; p++)
                            sum[p] += weight * its[p];
                    } else
                        for (ptrdiff_t p = 0; p < count; p++)
                            sum[p] += weight * its[p];
                }
                for (ptrdiff_t p = 0; p < count; p++)
                    out[p] += sum[p];
            }
    }
    return 0;
}

/* Maps (n, height, width) made smaller `step` times, 2 or 4: every pixel the mean of the 2 x 2 around its centre. */
int NAME(shrunk)(const REAL *maps, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width, ptrdiff_t step, REAL *out)
{
    const ptrdiff_t low = height / step, narrow = width / step, first = step / 2 - 1;
    for (ptrdiff_t i = 0; i < n * low; i++) {
        const REAL *a = maps + (i / low * height + i % low * step + first) * width + first, *b = a + width;
        REAL *row = out + i * narrow;
        if (step == 2) { /* a known step is vectorised */
#pragma omp simd
            for (ptrdiff_t x = 0; x < narrow; x++)
                row[x] = (a[2 * x] + b[2 * x] + (a[2 * x + 1] + b[2 * x + 1])) / 4;
        } else {
#pragma omp simd
            for (ptrdiff_t x = 0; x < narrow; x++)
                row[x] = (a[4 * x] + b[4 * x] + (a[4 * x + 1] + b[4 * x + 1])) / 4;
        }
    }
    return 0;
}

/* out += maps enlarged and made smaller again, or with squared != 0 the squares of that: a filter of the three taps
 * [side, 1 - 2 side, side] along either axis, with the border repeated. Maps are `stride` numbers apart. */
int NAME(add_enlarged_and_back)(const REAL *maps, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width,
                                double side, ptrdiff_t squared, REAL *out)
{
    const REAL beside = (REAL)side, centre = (REAL)(1 - 2 * side);
    REAL *row = malloc(sizeof(REAL) * (size_t)(width + 2));
    if (!row)
        return 1;
    for (ptrdiff_t i = 0; i < n * height; i++) {
        const ptrdiff_t y = i % height;
        const REAL *middle = maps + i / height * stride + y * width;
        const REAL *before = y > 0 ? middle - width : middle, *after = y + 1 < height ? middle + width : middle;
        REAL *sum = out + i * width;
#pragma omp simd
        for (ptrdiff_t x = 0; x < width; x++)
            row[x + 1] = centre * middle[x] + beside * (before[x] + after[x]);
        row[0] = row[1], row[width + 1] = row[width];
#pragma omp simd
        for (ptrdiff_t x = 0; x < width; x++) {
            const REAL value = centre * row[x + 1] + beside * (row[x] + row[x + 2]);
            sum[x] += squared ? value * value : value;
        }
    }
    free(row);
    return 0;
}

/* The same of maps made smaller `step` times, 2 or 4, and enlarged again; small holds those of one map. */
int NAME(add_shrunk_and_back)(const REAL *maps, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width,
                              ptrdiff_t step, ptrdiff_t squared, REAL *out)
{
    const ptrdiff_t low = height / step, narrow = width / step;
    REAL *small = malloc(sizeof(REAL) * (size_t)(low * narrow + narrow + 2)), *row = small + low * narrow;
    if (!small)
        return 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        NAME(shrunk)(maps + i * stride, 1, height, width, step, small);
        for (ptrdiff_t y = 0; y < height; y++) {
            const REAL down = ((REAL)(y % step) + (REAL)0.5) / (REAL)step - (REAL)0.5;
            const ptrdiff_t mine = y / step, to = mine + (down < 0 ? -1 : 1);
            const ptrdiff_t its = to < 0 ? 0 : to < low ? to : low - 1;
            REAL *sum = out + (i * height + y) * width;
#pragma omp simd
            for (ptrdiff_t x = 0; x < narrow; x++)
                row[x + 1] = (1 - SIZE(down)) * small[mine * narrow + x] + SIZE(down) * small[its * narrow + x];
            row[0] = row[1], row[narrow + 1] = row[narrow];
            for (ptrdiff_t p = 0; p < step; p++) {
                const REAL across = ((REAL)p + (REAL)0.5) / (REAL)step - (REAL)0.5;
                const REAL *other = across < 0 ? row : row + 2;
                for (ptrdiff_t x = 0; x < narrow; x++) {
                    const REAL value = (1 - SIZE(across)) * row[x + 1] + SIZE(across) * other[x];
                    sum[x * step + p] += squared ? value * value : value;
                }
            }
        }
    }
    free(small);
    return 0;
}
