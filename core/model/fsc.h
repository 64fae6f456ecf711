/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsc: forward stepwise convolution (the paper's FSC) and its gradient.
 *
 *     H_j = w_j sum_{l=0..L} f_j^l (A^l E)_j        w_j = (1 - f_j) / (1 - f_j^(L+1))
 *
 * It is evaluated in Horner's form, X_0 = E, X_{l+1} = E + f A X_l, H = w X_L, which needs two
 * buffers for any number of layers. The operator is symmetric, so the same function turns the
 * gradient of H into that of E. A training step needs only a batch's rows of H, and only these rows
 * of its gradient are not zero: the last forward layer and the first backward layer compute these
 * rows alone.
 *
 * Thread-safe functions; they run on `threads` OpenMP threads.
 */
#ifndef CORE_FSC_H
#define CORE_FSC_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/model/dataset.h"

/* The operator. Users and items are stacked: N = users + items rows. */
typedef struct fsc {
    const csr *a;   /* (N, N) normalised interactions, core/model/interaction_graph.h */
    const float *w; /* (dim) */
    const float *f; /* (dim) */
    size_t dim;
    uint32_t layers;
    int threads;
} fsc;

/* fsc_forward writes h (N, dim) = FSC(e), using scratch (N, dim). The tables may not overlap. By
 * symmetry it also turns the gradient of H into that of E. It returns X_{L-1} (N, dim), for fsc_g:
 * a pointer to `e` or `scratch`, or NULL with 0 layers. */
const float *fsc_forward(const fsc *op, const float *embeddings, float *h, float *scratch);

/* fsc_g writes g (rows, dim) = w f X_{L-1}, from rows of the table that fsc_forward returned.
 * `last` NULL gives zeros. g may be `last` itself. */
void fsc_g(const fsc *op, const float *last, size_t rows, float *g);

/* fsc_tables describes the whole computation from E and the interactions to the tables that a
 * service needs. */
typedef struct fsc_tables {
    size_t users, items, dim;
    uint32_t layers;
    const float *w, *f;  /* (dim) */
    const float *user_e; /* (users, dim) */
    const float *item_e; /* (items, dim) */
    const pair *pairs;   /* (pair_count) the graph, sorted by (user, item), unique */
    size_t pair_count;
    int threads;
    float *user_h; /* (users, dim) out, or NULL */
    float *item_h; /* (items, dim) out */
    float *item_g; /* (items, dim) out, or NULL */
} fsc_tables;

/* fsc_propagate builds the graph and fills the outputs. It needs about 3 (users + items, dim)
 * floats of scratch memory. Deterministic. */
err_code fsc_propagate(const fsc_tables *t, err *e) ERR_CHECKED;

#endif
