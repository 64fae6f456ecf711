/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/sparse.h"

#include <assert.h>

#include "core/common/mem.h"

err_code csr_new(csr **out, size_t rows, size_t cols, size_t nnz, err *e)
{
    *out = NULL;
    csr *m = mem_array(1, sizeof *m);
    if (m == NULL) {
        return err_nomem(e, "a sparse matrix");
    }
    m->rows = rows;
    m->cols = cols;
    m->nnz = nnz;
    m->start = mem_array(rows + 1, sizeof *m->start);
    m->col = mem_table(nnz + CSR_AHEAD, sizeof *m->col);
    m->value = mem_table(nnz, sizeof *m->value);
    if (m->start == NULL || m->col == NULL || m->value == NULL) {
        csr_free(m);
        return err_nomem(e, "a sparse matrix");
    }
    *out = m;
    return ERR_OK;
}

void csr_free(csr *m)
{
    if (m == NULL) {
        return;
    }
    mem_free(m->start);
    mem_free(m->col);
    mem_free(m->value);
    mem_free(m->part);
    mem_free(m);
}

err_code csr_balance(csr *m, int threads, err *e)
{
    enum { PARTS_PER_THREAD = 24 };
    assert(threads > 0 && m->start[m->rows] == m->nnz);
    size_t parts = (size_t)threads * PARTS_PER_THREAD;
    size_t *part = mem_array(parts + 1, sizeof *part);
    if (part == NULL) {
        return err_nomem(e, "a sparse matrix");
    }
    /* A row costs about as much as two entries: it has a load and a store of its own. */
    size_t total = m->nnz + 2 * m->rows;
    size_t row = 0;
    for (size_t p = 1; p < parts; p++) {
        size_t goal = (size_t)((double)total * (double)p / (double)parts);
        while (row < m->rows && m->start[row] + 2 * row < goal) {
            row++;
        }
        part[p] = row;
    }
    part[parts] = m->rows;
    mem_free(m->part);
    m->part = part;
    m->parts = parts;
    return ERR_OK;
}
