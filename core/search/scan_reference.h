/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan_reference: computes the same as core/search/scan.c, written like the definition.
 *
 * The kernels of scan.c score four rows at once in vector registers. This is the same sum in plain
 * loops and in the same order, so tests/unit/test_reference.c can compare the results bit by bit.
 * Only tests call it. Pure functions; thread-safe.
 */
#ifndef CORE_SCAN_REFERENCE_H
#define CORE_SCAN_REFERENCE_H

#include <stddef.h>

#include "core/search/scan.h"

/* scan_dot_reference returns the inner product. Lane j of 16 partial sums adds the dimensions j, j
 * + 16, ...; then the lanes are added by halves. */
float scan_dot_reference(const float *a /* (dim) */, const float *b /* (dim) */, size_t dim);

/* scan_topk_reference writes the k best rows of the table that are not skipped into hits (k), best
 * first, equal scores by the lower row, and returns their number. */
size_t scan_topk_reference(const scan_table *table, const float *q /* (dim) */, size_t k,
                           topk_hit *hits /* (k) */);

#endif
