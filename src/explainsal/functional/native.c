/* The kernels of native_blocks.h and native_maps.h for float and for double. Built by native_build.py.
 *
 * Every loop runs over contiguous numbers, so that compilers vectorise it. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 256 /* candidates x 256 pixels stay in the second-level cache */
#define SOME 64     /* sums of a combination that stay in registers; divides COLUMNS */
#define LENGTH 512  /* of a piece of the rows of a distance: all pieces stay in the second-level cache */

#define REAL float
#define ROOT sqrtf
#define SIZE fabsf
#define FAINT 0x1p-30f
#define LEAST (-100) /* powers of 2 that the type can hold */
#define NAME(x) x##_float
#include "native_maps.h"
#include "native_blocks.h"
#undef REAL
#undef ROOT
#undef SIZE
#undef FAINT
#undef LEAST
#undef NAME

#define REAL double
#define ROOT sqrt
#define SIZE fabs
#define FAINT 0x1p-300
#define LEAST (-1000)
#define NAME(x) x##_double
#include "native_maps.h"
#include "native_blocks.h"
