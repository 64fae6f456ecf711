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

typedef struct csr {
    size_t rows, cols, nnz;
    size_t *start; /* (rows + 1) */
    uint32_t *col; /* (nnz) */
    float *value;  /* (nnz) */
    /* Rows cut into `parts` runs of about equal work, for threads: part p is
     * [part[p], part[p + 1]). */
    size_t parts;
    size_t *part; /* (parts + 1) */
} csr;

/* csr_new allocates for these sizes; start, col and value are the caller's to fill. */
err_code csr_new(csr **out, size_t rows, size_t cols, size_t nnz, err *e) ERR_CHECKED;
void csr_free(csr *m); /* accepts NULL */

/* csr_split sets the parts once start is filled: `parts` runs with about equal entries + rows. */
err_code csr_split(csr *m, size_t parts, err *e) ERR_CHECKED;

#endif
