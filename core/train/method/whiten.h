/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whiten: modality initialisation (MI), which turns features of any width into embeddings.
 *
 * The columns are centred over the present rows. The first `dim` left singular vectors, times
 * sqrt(n / dim), are the whitened rows W. They are computed without an SVD of the table:
 *   1. The Gram matrix X^T X of the centred features is summed in double precision, block by block.
 *   2. LAPACK computes its largest `dim` eigenpairs: s = sqrt(eigenvalue), V = eigenvectors.
 *   3. P = V / s sqrt(n / dim), and a second sweep writes W = (x - mean) P.
 *
 * The Gram matrix squares the singular values, which limits the precision. Singular values above
 * 1e-7 of the largest are accurate to 1e-9 of it. Those below max(n, width) 1.2e-7 of it count as
 * rank 0 and give columns of zeros.
 *
 * Memory: the (width, width) Gram matrix in double precision, a block, and the outputs; never the
 * table. Sign rule: the entry of largest magnitude in each column of W is positive, the first one
 * on a tie.
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
    size_t present;    /* n: number of present rows */
    size_t rank;       /* number of columns that are not 0 */
} whitening;

/* whiten_run fills the outputs from the source, in three sweeps, on `threads` BLAS threads. If no
 * row is present, the outputs are 0 and W is NaN. ERR_INVALID: a row holds Inf, or NaN beside
 * numbers. */
err_code whiten_run(const feature_source *source, size_t dim, int threads, whitening *out,
                    err *e) ERR_CHECKED;

#endif
