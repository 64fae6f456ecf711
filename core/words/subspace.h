/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subspace: the leading right singular vectors of a sparse matrix.
 *
 * Randomised subspace iteration (Halko, Martinsson and Tropp, "Finding structure with randomness",
 * 2011, algorithms 4.4 and 5.1): a random start, a few products with A^T A with the columns made
 * orthonormal after each, and a last rotation to the singular vectors within the subspace. Each
 * product goes over A's rows once and keeps nothing of their side, so memory is (cols, columns)
 * floats and little else, whatever the rows.
 *
 * The sums are cut into a fixed number of pieces that are added in order, so the result does not
 * depend on the threads. One thread calls; BLAS is set to one thread.
 */
#ifndef CORE_SUBSPACE_H
#define CORE_SUBSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"

typedef struct subspace_options {
    size_t width;   /* singular vectors wanted */
    size_t columns; /* of the iteration; a multiple of 32, >= width */
    unsigned rounds;
    uint64_t seed;
    int threads;
} subspace_options;

/* subspace_run writes into x (a->cols, columns) the singular vectors as columns, the largest value
 * first; columns beyond the rank are 0. */
err_code subspace_run(const csr *a, const subspace_options *o, float *x, err *e) ERR_CHECKED;

#endif
