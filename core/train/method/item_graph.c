/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/item_graph.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/common/types.h"

static int ascending(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* directed builds the directed graph: row i lists the neighbours of item i. A value is the number
 * of modalities that found the neighbour. */
static err_code directed(csr **out, const neighbour_lists *lists, size_t count, size_t items,
                         err *e)
{
    size_t each = 0;
    for (size_t m = 0; m < count; m++) {
        each += lists[m].k;
    }
    uint32_t *found = mem_array(each, sizeof *found);
    err_code code = csr_new(out, items, items, items * each, e);
    if (code == ERR_OK && found == NULL) {
        code = err_nomem(e, "the item graph");
    }
    size_t at = 0;
    for (size_t i = 0; code == ERR_OK && i < items; i++) {
        size_t n = 0;
        for (size_t m = 0; m < count; m++) {
            size_t stride = lists[m].stride > 0 ? lists[m].stride : lists[m].k;
            for (size_t k = 0; k < lists[m].k; k++) {
                uint32_t row = lists[m].rows[i * stride + k];
                if (row != ROW_NONE) {
                    found[n++] = row;
                }
            }
        }
        sort_array(found, n, sizeof *found, ascending);
        for (size_t k = 0; k < n; k++) {
            if (k > 0 && found[k] == found[k - 1]) {
                (*out)->value[at - 1] += 1;
            } else {
                (*out)->col[at] = found[k];
                (*out)->value[at++] = 1;
            }
        }
        (*out)->start[i + 1] = at;
    }
    mem_free(found);
    if (code == ERR_OK) {
        (*out)->nnz = at;
    }
    return code;
}

static err_code transposed(csr **out, const csr *m, err *e)
{
    err_code code = csr_new(out, m->cols, m->rows, m->nnz, e);
    if (code != ERR_OK) {
        return code;
    }
    csr *t = *out;
    for (size_t k = 0; k < m->nnz; k++) {
        t->start[m->col[k] + 1]++;
    }
    for (size_t r = 0; r < t->rows; r++) {
        t->start[r + 1] += t->start[r];
    }
    for (size_t r = 0; r < m->rows; r++) {
        for (size_t k = m->start[r]; k < m->start[r + 1]; k++) {
            size_t at = t->start[m->col[k]]++;
            t->col[at] = (uint32_t)r;
            t->value[at] = m->value[k];
        }
    }
    memmove(t->start + 1, t->start, t->rows * sizeof *t->start);
    t->start[0] = 0;
    return ERR_OK;
}

/* merge_row writes row r of max(m, t) into `to`, from entry `at` on, and returns its end. */
static size_t merge_row(const csr *m, const csr *t, size_t r, csr *to, size_t at)
{
    size_t i = m->start[r], i_end = m->start[r + 1], j = t->start[r], j_end = t->start[r + 1];
    while (i < i_end || j < j_end) {
        bool left = j == j_end || (i < i_end && m->col[i] <= t->col[j]);
        bool right = i == i_end || (j < j_end && t->col[j] <= m->col[i]);
        float value = left ? m->value[i] : 0;
        value = right && t->value[j] > value ? t->value[j] : value;
        to->col[at] = left ? m->col[i] : t->col[j];
        to->value[at++] = value;
        i += left;
        j += right;
    }
    return at;
}

static err_code normalise(csr *s, err *e)
{
    double *degree = mem_array(s->rows, sizeof *degree);
    if (degree == NULL) {
        return err_nomem(e, "the item graph");
    }
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t k = s->start[r]; k < s->start[r + 1]; k++) {
            degree[r] += (double)s->value[k];
        }
    }
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t k = s->start[r]; k < s->start[r + 1]; k++) {
            s->value[k] = (float)((double)s->value[k] / sqrt(degree[r] * degree[s->col[k]]));
        }
    }
    mem_free(degree);
    return ERR_OK;
}

err_code item_graph_new(csr **out, const neighbour_lists *lists, size_t count, size_t items,
                        int threads, err *e)
{
    *out = NULL;
    csr *m = NULL, *t = NULL, *s = NULL;
    err_code code = directed(&m, lists, count, items, e);
    if (code == ERR_OK) {
        code = transposed(&t, m, e);
    }
    if (code == ERR_OK) {
        code = csr_new(&s, items, items, 2 * m->nnz, e);
    }
    if (code == ERR_OK) {
        size_t at = 0;
        for (size_t r = 0; r < items; r++) {
            at = merge_row(m, t, r, s, at);
            s->start[r + 1] = at;
        }
        s->nnz = at;
        code = normalise(s, e);
    }
    if (code == ERR_OK) {
        code = csr_balance(s, threads, e);
    }
    csr_free(m);
    csr_free(t);
    if (code != ERR_OK) {
        csr_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}
