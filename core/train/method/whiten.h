/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whiten: modality initialisation (MI), features of any width turned into embeddings.
 *
 * The columns are centred over the rows that exist; the first `dim` left singular vectors, times
 * sqrt(n / dim), are the whitened rows W. No SVD of the table is made: the Gram matrix X^T X of the
 * centred features is summed in double precision over streamed blocks, LAPACK gives its largest
 * `dim` eigenpairs, s = sqrt(eigenvalue), V = eigenvectors, P = V / s sqrt(n / dim), and a second
 * sweep writes W = (x - mean) P. Exact but for the square root of a squared error: singular values
 * above 1e-7 of the largest are good to 1e-9 of it, and those below max(n, width) 1.2e-7 of it are
 * rank 0 anyway and give columns of zeros.
 *
 * Memory: the (width, width) Gram matrix in double, a block, and the outputs; never the table.
 * Sign rule: the entry of largest magnitude of each column of W is positive, the first on a tie.
 */
#ifndef CORE_WHITEN_H
#define CORE_WHITEN_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/features.h"

/* Outputs, allocated by the caller. */
typedef struct whitening {
    float *mean;       /* (width) */
    float *projection; /* (width, dim) */
    float *spread;     /* (dim) s / sqrt(n / dim), 0 beyond the rank */
    float *content;    /* (rows, dim) W; a missing row is NaN */
    size_t present;    /* n: rows that exist */
    size_t rank;       /* columns that are not 0 */
} whitening;

/* whiten_run fills the outputs from the source, in three sweeps, on `threads` BLAS threads. With no
 * row at all everything is 0 and W is NaN. ERR_INVALID if a row holds NaN beside numbers, or Inf.
 */
err_code whiten_run(const feature_source *source, size_t dim, int threads, whitening *out,
                    err *e) ERR_CHECKED;

#endif
