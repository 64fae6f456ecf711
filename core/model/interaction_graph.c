/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/interaction_graph.h"

#include <math.h>

#include "core/common/mem.h"

static void fill(csr *a, const interaction_list *list, const double *degree, size_t *next)
{
    for (size_t k = 0; k < list->count; k++) {
        const pair *p = &list->pairs[k];
        size_t item_row = list->users + p->item;
        float value = (float)((double)p->weight / sqrt(degree[p->user] * degree[item_row]));
        a->col[k] = (uint32_t)item_row;
        a->value[k] = value;
        /* Pairs are sorted by user, so the users of every item ascend too. */
        size_t at = next[p->item]++;
        a->col[at] = p->user;
        a->value[at] = value;
    }
}

static void count_rows(csr *a, const interaction_list *list, double *degree)
{
    for (size_t k = 0; k < list->count; k++) {
        const pair *p = &list->pairs[k];
        a->start[p->user + 1]++;
        a->start[list->users + p->item + 1]++;
        degree[p->user] += (double)p->weight;
        degree[list->users + p->item] += (double)p->weight;
    }
    for (size_t r = 0; r < a->rows; r++) {
        a->start[r + 1] += a->start[r];
    }
}

err_code interaction_graph_new(csr **out, const interaction_list *list, int threads, err *e)
{
    *out = NULL;
    size_t rows = list->users + list->items;
    if (rows >= UINT32_MAX) {
        return err_set(e, ERR_TOO_LARGE, "users and items: at most %u together, not %zu",
                       UINT32_MAX - 1, rows);
    }
    csr *a = NULL;
    size_t *next = NULL;
    double *degree = mem_array(rows, sizeof *degree);
    err_code code = csr_new(&a, rows, rows, 2 * list->count, e);
    if (code != ERR_OK) {
        goto done;
    }
    next = mem_array(list->items, sizeof *next);
    if (degree == NULL || next == NULL) {
        code = err_nomem(e, "the interaction graph");
        goto done;
    }
    count_rows(a, list, degree);
    for (size_t i = 0; i < list->items; i++) {
        next[i] = a->start[list->users + i];
    }
    fill(a, list, degree, next);
    code = csr_balance(a, threads, e);
done:
    mem_free(degree);
    mem_free(next);
    if (code != ERR_OK) {
        csr_free(a);
        return code;
    }
    *out = a;
    return ERR_OK;
}
