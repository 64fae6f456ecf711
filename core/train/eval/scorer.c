/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/scorer.h"

#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/fsc.h"

static void score(const void *ctx, const lister_block *b)
{
    const scorer *s = ctx;
    float users[LISTER_USERS * TRAIN_DIM_MAX];
    for (size_t u = 0; u < b->count; u++) {
        memcpy(users + u * s->dim, s->user_h + b->asks[u].user * s->dim, s->dim * sizeof *users);
    }
    blas_product p = {.a = users, .rows = b->count, .cols = b->items, .dim = s->dim, .c = b->out};
    p.b = s->item_h + b->first * s->dim;
    p.stride = b->items;
    blas_scores(&p);
}

void scorer_init(scorer *s, const dataset *d, int threads)
{
    s->l = (lister){.d = d, .threads = threads, .score = score, .ctx = s};
    s->own = NULL;
    blas_threads(1);
}

err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    *s = (scorer){.item_h = m->item_h, .dim = m->dim};
    if (m->users < d->users || m->items < d->items) {
        return err_set(e, ERR_CONFLICT,
                       "the model has %zu users and %zu items, the data %zu and %zu", m->users,
                       m->items, d->users, d->items);
    }
    float *user_h = mem_table(m->users * m->dim, sizeof *user_h);
    float *item_h = mem_table(m->items * m->dim, sizeof *item_h);
    if (user_h == NULL || item_h == NULL) {
        mem_free(user_h);
        mem_free(item_h);
        return err_nomem(e, "an evaluation");
    }
    fsc_tables t = {.users = m->users,
                    .items = m->items,
                    .dim = m->dim,
                    .layers = m->layers,
                    .w = m->w,
                    .f = m->f,
                    .user_e = m->user_e,
                    .item_e = m->item_e,
                    .pairs = d->train,
                    .pair_count = d->train_count,
                    .threads = threads,
                    .user_h = user_h,
                    .item_h = item_h};
    err_code code = fsc_propagate(&t, e);
    mem_free(item_h);
    if (code != ERR_OK) {
        mem_free(user_h);
        return code;
    }
    s->user_h = user_h;
    scorer_init(s, d, threads);
    s->own = user_h;
    return ERR_OK;
}

void scorer_fini(scorer *s)
{
    mem_free(s->own);
    s->own = NULL;
}

eval_lister scorer_lister(scorer *s)
{
    return (eval_lister){.list = lister_list, .ctx = &s->l};
}
