/* The kernels of native_kernels.h for float and for double. Built by native.py. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define COLUMNS 256 /* candidates x 256 pixels stay in the second-level cache */
#define LENGTH 512  /* the same for the rows of a distance */

#define REAL float
#define ROOT sqrtf
#define NAME(x) x##_float
#include "native_kernels.h"
#undef REAL
#undef ROOT
#undef NAME

#define REAL double
#define ROOT sqrt
#define NAME(x) x##_double
#include "native_kernels.h"
