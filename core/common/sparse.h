/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sparse: compressed sparse rows, the form of every graph here.
 *
 * Row r has the entries [start[r], start[r + 1]), columns ascending. Immutable after it was built,
 * then shared freely.
 */
#ifndef CORE_SPARSE_H
#define CORE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

/* So many entries ahead kernels ask for the rows that they will gather. */
enum { CSR_AHEAD = 16 };

typedef struct csr {
    size_t rows, cols, nnz;
    size_t *start; /* (rows + 1) */
    uint32_t *col; /* (nnz), then CSR_AHEAD zeros, which prefetching may read */
    float *value;  /* (nnz) */
    /* Rows cut into `parts` runs of about equal work, for threads: part p is
     * [part[p], part[p + 1]). */
    size_t parts;
    size_t *part; /* (parts + 1) */
} csr;

/* csr_new allocates for these sizes; start, col and value are the caller's to fill. */
err_code csr_new(csr **out, size_t rows, size_t cols, size_t nnz, err *e) ERR_CHECKED;
void csr_free(csr *m); /* accepts NULL */

/* csr_balance sets the parts once start is filled, with about equal work in each: many for each
 * thread, so that one held up by the machine does not hold up the others. */
err_code csr_balance(csr *m, int threads, err *e) ERR_CHECKED;

typedef struct csr_run {
    size_t first, last;
} csr_run;

/* csr_part gives what part p has of the rows [first, last); it may be empty. */
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
