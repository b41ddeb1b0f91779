/* What saliency metrics add up over the pixels of maps, in double: sums against a density, counts of ranks. */

#define PART 1024 /* pixels at a time: two maps of them stay in the first-level cache, and short sums are exact enough */
#define SPANS 2048 /* equal spans of the range of a map's values: what is known of each stays in the first-level cache */
#define TURNS 4    /* histograms filled in turns: neighbouring pixels would wait for each other's count */

/* Least, greatest and sum of each of n maps: three numbers each. NaN three times where a value is NaN or infinite. */
int extents_double(const double *maps, ptrdiff_t n, ptrdiff_t pixels, double *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *map = maps + i * pixels;
        double low = map[0], high = map[0], sum = 0, nothing = 0;
        for (ptrdiff_t start = 0; start < pixels; start += PART) {
            const ptrdiff_t stop = start + PART < pixels ? start + PART : pixels;
            double part = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(+ : part, nothing)
            for (ptrdiff_t x = start; x < stop; x++) {
                low = map[x] < low ? map[x] : low;
                high = map[x] > high ? map[x] : high;
                part += map[x];
                nothing += 0 * map[x];
            }
            sum += part;
        }
        out[3 * i] = low + nothing, out[3 * i + 1] = high + nothing, out[3 * i + 2] = sum + nothing;
    }
    return 0;
}

/* Natural logarithm to about 1 unit in the last place, in operations that compilers vectorise: x = 2^e m with m in
 * [sqrt(1/2), sqrt(2)), ln m = 2 artanh(s) with s = (m - 1) / (m + 1), whose series ends below 2^-56 after 11 terms. */
static inline double logarithm(double x)
{
    const double lifted = x < 0x1p-1022 ? x * 0x1p54 : x; /* numbers of full precision */
    unsigned long long bits, root, shifted;
    const double half = 0.70710678118654752440, anchor = 0x1.8p52;
    double m, e;
    memcpy(&bits, &lifted, 8), memcpy(&root, &half, 8), memcpy(&shifted, &anchor, 8);
    const unsigned long long power = ((bits - root + (2048ULL << 52)) >> 52) - 2048; /* modulo 2^12; e in two's complement */
    bits -= power << 52;
    shifted += power;
    memcpy(&m, &bits, 8), memcpy(&e, &shifted, 8);
    e -= anchor;
    e = x < 0x1p-1022 ? e - 54 : e;
    const double f = m - 1, s = f / (2 + f), z = s * s;
    double series = 1.0 / 23;
    series = series * z + 1.0 / 21, series = series * z + 1.0 / 19, series = series * z + 1.0 / 17;
    series = series * z + 1.0 / 15, series = series * z + 1.0 / 13, series = series * z + 1.0 / 11;
    series = series * z + 1.0 / 9, series = series * z + 1.0 / 7, series = series * z + 1.0 / 5;
    series = series * z + 1.0 / 3;
    const double result = e * 0x1.62e42fefa3800p-1 + (e * 0x1.ef35793c76730p-45 + (2 * s + 2 * s * z * series));
    return x > 0 ? (x < INFINITY ? result : x) : (x == 0 ? -INFINITY : NAN);
}

/* Some pixels of a map as densities; scaling: what to subtract, what to add after that, what to divide by. */
static inline void densities(const double *map, ptrdiff_t count, const double *scaling, double *out)
{
    const double shift = scaling[0], extra = scaling[1], total = scaling[2];
#pragma omp simd
    for (ptrdiff_t x = 0; x < count; x++)
        out[x] = (map[x] - shift + extra) / total;
}

/* Sums of SIM, CC (three) and KLD over n maps and n targets: five numbers each, of those whose bit in `wanted` is set.
 * scalings (n, 4, 3): of the map and of the target for SIM, then for KLD; means (n, 2): of the map and of the target. */
int density_sums_double(const double *maps, const double *targets, ptrdiff_t n, ptrdiff_t pixels,
                        const double *scalings, const double *means, double eps, ptrdiff_t wanted, double *out)
{
    double p[PART], g[PART];
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *scaling = scalings + 12 * i, mean = means[2 * i], its = means[2 * i + 1];
        const int once = wanted == 7 && !memcmp(scaling, scaling + 6, 6 * sizeof(double)); /* SIM's densities are KLD's */
        double *sums = out + 5 * i;
        for (int k = 0; k < 5; k++)
            sums[k] = 0;
        for (ptrdiff_t start = 0; start < pixels; start += PART) {
            const double *map = maps + i * pixels + start, *target = targets + i * pixels + start;
            const ptrdiff_t count = start + PART < pixels ? PART : pixels - start;
            double similar = 0, pp = 0, gg = 0, pg = 0, divergence = 0;
            if (wanted & 2) {
#pragma omp simd reduction(+ : pp, gg, pg)
                for (ptrdiff_t x = 0; x < count; x++) {
                    const double a = map[x] - mean, b = target[x] - its;
                    pp += a * a, gg += b * b, pg += a * b;
                }
            }
            if (wanted & 1) {
                densities(map, count, scaling, p), densities(target, count, scaling + 3, g);
#pragma omp simd reduction(+ : similar)
                for (ptrdiff_t x = 0; x < count; x++)
                    similar += p[x] < g[x] || p[x] != p[x] ? p[x] : g[x];
            }
            if (wanted & 4) {
                if (!once)
                    densities(map, count, scaling + 6, p), densities(target, count, scaling + 9, g);
#pragma omp simd reduction(+ : divergence)
                for (ptrdiff_t x = 0; x < count; x++)
                    divergence += g[x] * logarithm(g[x] / (p[x] + eps) + eps);
            }
            sums[0] += similar, sums[1] += pp, sums[2] += gg, sums[3] += pg, sums[4] += divergence;
        }
    }
    return 0;
}

/* What is known of a span: the one level in it (infinity: none; NaN: more), twice the number of levels below it. */
struct span { double level; int below, levels; };

/* The bucket of every pixel of n maps among its map's levels, and how many pixels are in each: 2 k + 1 of pixels level
 * with the k-th level, 2 k of those below it and above the one before. levels (n, most), ascending, infinity where there
 * are fewer; ranges (n, 2): least and greatest pixel; counts (n, 2 most + 1). The span of a value is a non-decreasing
 * function of it, so rounding cannot put it on the wrong side of a level. */
int buckets_double(const double *maps, const double *ranges, const double *levels, ptrdiff_t n, ptrdiff_t pixels,
                   ptrdiff_t most, int32_t *bucket, int64_t *counts)
{
    const ptrdiff_t length = 2 * most + 1;
    struct span spans[SPANS];
    int32_t *turns = malloc(sizeof(int32_t) * (size_t)(TURNS * length));
    if (!turns)
        return 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *map = maps + i * pixels, *its = levels + i * most, low = ranges[2 * i];
        double scale = (SPANS - 1) / (ranges[2 * i + 1] - low);
        scale = scale < INFINITY ? scale : 0; /* one span, of constant maps and where so small a range overflows */
        for (int s = 0; s < SPANS; s++)
            spans[s] = (struct span){INFINITY, 0, 0};
        for (ptrdiff_t k = 0; k < most && its[k] < INFINITY; k++) {
            struct span *here = spans + (int)((its[k] - low) * scale);
            here->level = here->levels++ ? NAN : its[k];
        }
        for (int s = 0, below = 0; s < SPANS; s++) {
            spans[s].below = 2 * below;
            below += spans[s].levels;
        }
        memset(turns, 0, sizeof(int32_t) * (size_t)(TURNS * length));
        for (ptrdiff_t x = 0; x < pixels; x++) {
            const double value = map[x];
            const struct span *here = spans + (int)((value - low) * scale);
            int found = here->below + (value >= here->level) + (value > here->level);
            if (here->levels > 1) {
                const double *first = its + here->below / 2, *at = first;
                for (int left = here->levels; left > 0;) { /* halves without branches on the value */
                    const int half = (left + 1) / 2;
                    at = at[half - 1] < value ? at + half : at;
                    left -= half;
                }
                found = (int)(2 * (at - its)) + (at < first + here->levels && *at == value);
            }
            bucket[i * pixels + x] = found;
            turns[x % TURNS * length + found]++;
        }
        for (ptrdiff_t k = 0; k < length; k++) {
            counts[i * length + k] = 0;
            for (int t = 0; t < TURNS; t++)
                counts[i * length + k] += turns[t * length + k];
        }
    }
    free(turns);
    return 0;
}

/* Weight in each bucket: of n maps of pixels' buckets and integers of 4 or 8 bytes, `stride` of these apart. */
int weights_double(const int32_t *bucket, const void *weights, ptrdiff_t n, ptrdiff_t pixels, ptrdiff_t stride,
                   ptrdiff_t bytes, ptrdiff_t length, int64_t *counts)
{
    int64_t *turns = malloc(sizeof(int64_t) * (size_t)(TURNS * length));
    if (!turns)
        return 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        const int32_t *its = bucket + i * pixels, *four = (const int32_t *)weights + i * stride;
        const int64_t *eight = (const int64_t *)weights + i * stride;
        memset(turns, 0, sizeof(int64_t) * (size_t)(TURNS * length));
        for (ptrdiff_t x = 0; x < pixels; x++)
            turns[x % TURNS * length + its[x]] += bytes == 4 ? four[x] : eight[x];
        for (ptrdiff_t k = 0; k < length; k++) {
            counts[i * length + k] = 0;
            for (int t = 0; t < TURNS; t++)
                counts[i * length + k] += turns[t * length + k];
        }
    }
    free(turns);
    return 0;
}
