/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantise_reference: the estimate of a score from 8-bit codes, and its bound, in double precision.
 *
 * The kernels of quantise_kernels.c compute the same for 16 rows at once from interleaved codes.
 * tests/unit/test_reference.c compares them with this. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_QUANTISE_REFERENCE_H
#define CORE_QUANTISE_REFERENCE_H

#include <stddef.h>

typedef struct quantise_bound {
    double estimate; /* <x^, q^>, the product of the decoded codes */
    double margin;   /* |x - x^| |q| + |x^| |q - q^|: the largest error of the estimate */
} quantise_bound;

/* quantise_reference encodes a row and a query in levels of -127 .. 127 each, and bounds their
 * product by the inequality of Cauchy and Schwarz. */
quantise_bound quantise_reference(const float *x /* (dim) */, const float *q /* (dim) */,
                                  size_t dim);

#endif
