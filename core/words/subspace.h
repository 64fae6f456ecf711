/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subspace: computes the leading right singular vectors of a sparse matrix.
 *
 * It uses randomised subspace iteration (Halko, Martinsson and Tropp, "Finding structure with
 * randomness", 2011, algorithms 4.4 and 5.1): a random start, a few products with A^T A with the
 * columns made orthonormal after each, and a final rotation to the singular vectors within the
 * subspace. Each product reads A's rows once and stores nothing for each row, so the memory is
 * little more than (cols, columns) floats, whatever the number of rows.
 *
 * The sums are divided into a fixed number of pieces that are added in order, so the result does
 * not depend on the number of threads. One thread calls; BLAS is set to one thread.
 */
#ifndef CORE_SUBSPACE_H
#define CORE_SUBSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"

typedef struct subspace_options {
    size_t width;   /* number of singular vectors wanted */
    size_t columns; /* columns of the iteration; a multiple of 32, >= width */
    unsigned rounds;
    uint64_t seed;
    int threads;
} subspace_options;

/* subspace_run writes the singular vectors into the columns of x (a->cols, columns), the largest
 * value first. Columns beyond the rank are 0. */
err_code subspace_run(const csr *a, const subspace_options *o, float *x, err *e) ERR_CHECKED;

#endif
