/* SPDX-License-Identifier: Apache-2.0 */
/*
 * knn_reference: finds an item's nearest neighbours by cosine, by comparing it with every other
 * item.
 *
 * core/train/method/knn.c multiplies blocks of rows and visits each pair of blocks once.
 * tests/unit/test_reference.c compares it with this file. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_KNN_REFERENCE_H
#define CORE_KNN_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* knn_cosine_reference returns the cosine of two rows, or -INFINITY if one of them is zero or
 * missing (NaN). */
double knn_cosine_reference(const float *a /* (width) */, const float *b /* (width) */,
                            size_t width);

/* knn_reference writes the k rows with the largest cosines to row `of`, best first, equal ones by
 * the lower row, ROW_NONE if there are fewer. */
void knn_reference(const float *x /* (rows, width) */, size_t rows, size_t width, uint32_t of,
                   size_t k, uint32_t *out /* (k) */);

#endif
