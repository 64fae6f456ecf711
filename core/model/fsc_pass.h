/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsc_pass: one layer of a convolution over the graph, in the forms that a training step needs.
 *
 *     out[r] = scale * (base[r] + f * sum_k a[r,k] in[k])
 *
 * In a step, the gradient with respect to H is zero outside the batch's rows. Such a table is
 * compact: it holds only the batch's rows, and slot[r] is the place of row r in it, or FSC_NO_SLOT.
 * All functions run on `threads` OpenMP threads. One thread computes a whole row, so the results do
 * not depend on their number.
 */
#ifndef CORE_FSC_PASS_H
#define CORE_FSC_PASS_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/sparse.h"

#define FSC_NO_SLOT UINT32_MAX

/* A table by row: dense if slot is NULL, otherwise compact. Absent rows are `zero`. */
typedef struct fsc_rows {
    const float *x;       /* (rows, dim), or (slots, dim) */
    const uint32_t *slot; /* (rows) */
    const float *zero;    /* (dim) zeros; only with slot */
} fsc_rows;

typedef struct fsc_pass {
    const csr *a;
    size_t dim;
    fsc_rows base;
    fsc_rows in;        /* x NULL: there are no neighbours, and out = scale * base */
    const float *f;     /* (dim) */
    const float *scale; /* (dim); NULL is 1 */
    float *out;         /* (rows, dim) */
    size_t first, last; /* the rows to compute: [first, last) */
    int threads;
} fsc_pass;

/* fsc_pass_rows computes the rows [first, last) from a dense `in`. fsc_pass_sparse takes compact
 * `in` and `base`, and skips absent neighbours. `out` may be `in` if no computed row is a neighbour
 * of another computed row, as with the users' or the items' rows of an interaction graph. */
void fsc_pass_rows(const fsc_pass *p);
void fsc_pass_sparse(const fsc_pass *p);

/* fsc_pass_list computes only the rows list[0 .. count-1] and writes them packed: out (count, dim).
 * `in` and `base` must be dense. */
void fsc_pass_list(const fsc_pass *p, const uint32_t *list, size_t count);

/* fsc_row borrows row r. */
static inline const float *fsc_row(const fsc_rows *t, size_t r, size_t dim)
{
    if (t->slot == NULL) {
        return t->x + r * dim;
    }
    uint32_t slot = t->slot[r];
    return slot == FSC_NO_SLOT ? t->zero : t->x + (size_t)slot * dim;
}

#endif
