/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/fsc.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/model/fsc_pass.h"
#include "core/model/interaction_graph.h"

static void scale_rows(const float *x, const float *w, size_t rows, size_t dim, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < dim; j++) {
            out[r * dim + j] = w[j] * x[r * dim + j];
        }
    }
}

const float *fsc_forward(const fsc *op, const float *embeddings, float *h, float *scratch)
{
    if (op->layers == 0) {
        scale_rows(embeddings, op->w, op->a->rows, op->dim, h);
        return NULL;
    }
    const float *in = embeddings;
    const float *before = embeddings;
    for (uint32_t l = 1; l <= op->layers; l++) {
        /* The buffers alternate so that the last layer is written to h. */
        float *out = (op->layers - l) % 2 == 0 ? h : scratch;
        fsc_pass p = {.a = op->a, .dim = op->dim, .f = op->f, .out = out, .threads = op->threads};
        p.base.x = embeddings;
        p.in.x = in;
        p.last = op->a->rows;
        p.scale = l == op->layers ? op->w : NULL;
        fsc_pass_rows(&p);
        before = in;
        in = out;
    }
    return before;
}

void fsc_g(const fsc *op, const float *last, size_t rows, float *g)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < op->dim; j++) {
            float x = last == NULL ? 0.0F : last[r * op->dim + j];
            g[r * op->dim + j] = op->w[j] * op->f[j] * x;
        }
    }
}

static void write_items(const fsc_tables *t, const fsc *op, const float *h, const float *last)
{
    size_t d = t->dim;
    if (t->user_h != NULL) {
        memcpy(t->user_h, h, t->users * d * sizeof *h);
    }
    memcpy(t->item_h, h + t->users * d, t->items * d * sizeof *h);
    if (t->item_g == NULL) {
        return;
    }
    fsc_g(op, last == NULL ? NULL : last + t->users * d, t->items, t->item_g);
}

err_code fsc_propagate(const fsc_tables *t, err *e)
{
    size_t rows = t->users + t->items, d = t->dim;
    csr *a = NULL;
    float *x = mem_table(rows * d, sizeof *x);
    float *h = mem_table(rows * d, sizeof *h);
    float *scratch = mem_table(rows * d, sizeof *scratch);
    err_code code = ERR_OK;
    if (x == NULL || h == NULL || scratch == NULL) {
        code = err_nomem(e, "the convolution");
        goto done;
    }
    interaction_list list = {t->pairs, t->pair_count, t->users, t->items};
    code = interaction_graph_new(&a, &list, t->threads, e);
    if (code != ERR_OK) {
        goto done;
    }
    memcpy(x, t->user_e, t->users * d * sizeof *x);
    memcpy(x + t->users * d, t->item_e, t->items * d * sizeof *x);
    fsc op = {a, t->w, t->f, d, t->layers, t->threads};
    const float *last = fsc_forward(&op, x, h, scratch);
    write_items(t, &op, h, last);
done:
    csr_free(a);
    mem_free(x);
    mem_free(h);
    mem_free(scratch);
    return code;
}
