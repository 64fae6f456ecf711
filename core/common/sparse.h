/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sparse: matrices in compressed sparse rows, the form of all graphs here.
 *
 * Row r has the entries [start[r], start[r + 1]), with ascending columns. Immutable once built; any
 * number of threads may read it.
 */
#ifndef CORE_SPARSE_H
#define CORE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

/* Kernels prefetch the rows that they will gather this many entries ahead. */
enum { CSR_AHEAD = 16 };

typedef struct csr {
    size_t rows, cols, nnz;
    size_t *start; /* (rows + 1) */
    uint32_t *col; /* (nnz), then CSR_AHEAD zeros, which prefetching may read */
    float *value;  /* (nnz) */
    /* The rows, divided into `parts` runs of about equal work, for threads: part p is [part[p],
     * part[p + 1]). */
    size_t parts;
    size_t *part; /* (parts + 1) */
} csr;

/* csr_new allocates the matrix. The caller fills start, col and value. */
err_code csr_new(csr **out, size_t rows, size_t cols, size_t nnz, err *e) ERR_CHECKED;
void csr_free(csr *m); /* accepts NULL */

/* csr_balance sets the parts once start is filled, with about equal work in each. Each thread gets
 * many parts, so that one slow thread does not hold up the others. */
err_code csr_balance(csr *m, int threads, err *e) ERR_CHECKED;

typedef struct csr_run {
    size_t first, last;
} csr_run;

/* csr_part returns the rows of part p within [first, last), which may be empty. */
static inline csr_run csr_part(const csr *m, size_t p, size_t first, size_t last)
{
    csr_run run = {m->part[p] > first ? m->part[p] : first,
                   m->part[p + 1] < last ? m->part[p + 1] : last};
    if (run.first > run.last) {
        run.last = run.first;
    }
    return run;
}

#endif
