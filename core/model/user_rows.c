/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/user_rows.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"

static void add_scaled(float *out, const float *row, float factor, size_t dim)
{
    for (size_t j = 0; j < dim; j++) {
        out[j] += factor * row[j];
    }
}

/* own_e writes w times the user's own row of E. */
static void own_e(const user_tables *t, size_t user, size_t first, size_t last, float *out)
{
    size_t dim = t->dim;
    const float *known = t->user_e + user * dim;
    if (scan_dot(known, known, dim) > 0) {
        memcpy(out, known, dim * sizeof *out);
    } else {
        double sum = 0;
        memset(out, 0, dim * sizeof *out);
        for (size_t k = first; k < last; k++) {
            sum += (double)t->pairs[k].weight;
        }
        for (size_t k = first; k < last; k++) {
            add_scaled(out, t->item_e + t->pairs[k].item * dim,
                       (float)((double)t->pairs[k].weight / sum), dim);
        }
    }
    for (size_t j = 0; j < dim; j++) {
        out[j] *= t->w[j];
    }
}

static void row(const user_tables *t, const double *item_degree, size_t user, const size_t *start,
                float *out)
{
    size_t dim = t->dim, first = start[user], last = start[user + 1];
    if (first == last) {
        memset(out, 0, dim * sizeof *out);
        return;
    }
    own_e(t, user, first, last, out);
    double degree = 0;
    for (size_t k = first; k < last; k++) {
        degree += (double)t->pairs[k].weight;
    }
    for (size_t k = first; k < last; k++) {
        const pair *p = &t->pairs[k];
        double a = (double)p->weight / sqrt(degree * item_degree[p->item]);
        add_scaled(out, t->item_g + p->item * dim, (float)a, dim);
    }
}

err_code user_rows(const user_tables *t, float *out, err *e)
{
    double *degree = mem_array(t->items, sizeof *degree);
    size_t *start = mem_array(t->users + 1, sizeof *start);
    if (degree == NULL || start == NULL) {
        mem_free(degree);
        mem_free(start);
        return err_nomem(e, "the users' vectors");
    }
    pairs_starts(t->pairs, t->pair_count, t->users, start);
    for (size_t k = 0; k < t->pair_count; k++) {
        degree[t->pairs[k].item] += (double)t->pairs[k].weight;
    }
#pragma omp parallel for schedule(dynamic, 64) num_threads(t->threads)
    for (size_t u = 0; u < t->users; u++) {
        row(t, degree, u, start, out + u * t->dim);
    }
    mem_free(degree);
    mem_free(start);
    return ERR_OK;
}
