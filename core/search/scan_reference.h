/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan_reference: what core/search/scan.c computes, written as the definition reads.
 *
 * The kernels of scan.c score four rows at once in vector registers. This is the same sum in plain
 * loops, in the same order, so tests/unit/test_reference.c compares the results bit by bit. Only
 * tests call it. Pure functions; thread-safe.
 */
#ifndef CORE_SCAN_REFERENCE_H
#define CORE_SCAN_REFERENCE_H

#include <stddef.h>

#include "core/search/scan.h"

/* scan_dot_reference is the inner product: 16 partial sums, of which lane j takes the dimensions j,
 * j + 16, ..., and which are then added by halves. */
float scan_dot_reference(const float *a /* (dim) */, const float *b /* (dim) */, size_t dim);

/* scan_topk_reference writes the k best rows of the table that are not skipped into hits (k), best
 * first, equal scores by the lower row, and returns how many there are. */
size_t scan_topk_reference(const scan_table *table, const float *q /* (dim) */, size_t k,
                           topk_hit *hits /* (k) */);

#endif
