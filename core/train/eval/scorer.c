/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/scorer.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/model/user_rows.h"
#include "core/search/scan.h"

static bool is_placed(const scorer *s, size_t row)
{
    return (s->placed[row / 64] >> (row % 64) & 1) != 0;
}

static void score(const void *ctx, const lister_block *b)
{
    const scorer *s = ctx;
    float users[LISTER_USERS * TRAIN_DIM_MAX];
    bool nobody[LISTER_USERS];
    for (size_t u = 0; u < b->count; u++) {
        const float *h = s->user_h + b->asks[u].user * s->dim;
        memcpy(users + u * s->dim, h, s->dim * sizeof *users);
        nobody[u] = !(scan_dot(h, h, s->dim) > 0);
    }
    blas_product p = {.a = users, .rows = b->count, .cols = b->items, .dim = s->dim, .c = b->out};
    p.b = s->item_h + b->first * s->dim;
    p.stride = b->items;
    blas_scores(&p);
    for (size_t u = 0; u < b->count; u++) {
        for (size_t i = 0; i < b->items; i++) {
            if (nobody[u] || !is_placed(s, b->first + i)) {
                b->out[u * b->items + i] = -INFINITY;
            }
        }
    }
}

static void refine(const void *ctx, uint32_t user, const uint32_t *rows, size_t count,
                   float *scores)
{
    const scorer *s = ctx;
    scan_list(s->item_h, rows, count, s->user_h + user * s->dim, s->dim, scores);
    for (size_t i = 0; i < count; i++) {
        scores[i] = is_placed(s, rows[i]) ? scores[i] : -INFINITY;
    }
}

/* What the two ways of adding up a product can differ by. */
static float slack(const void *ctx, uint32_t user)
{
    const scorer *s = ctx;
    const float *h = s->user_h + user * s->dim;
    return (float)(s->dim + 64) * FLT_EPSILON * sqrtf(scan_dot(h, h, s->dim)) * s->longest;
}

err_code scorer_init(scorer *s, const dataset *d, int threads, err *e)
{
    blas_threads(1);
    s->placed = mem_array(d->items / 64 + 1, sizeof *s->placed);
    err_code code = lister_init(&s->l, d, threads, e);
    if (code != ERR_OK) {
        return code;
    }
    if (s->placed == NULL) {
        return err_nomem(e, "an evaluation");
    }
    for (size_t i = 0; i < d->items; i++) {
        const float *h = s->item_h + i * s->dim;
        float square = scan_dot(h, h, s->dim);
        s->longest = fmaxf(s->longest, sqrtf(square));
        s->placed[i / 64] |= (uint64_t)(square > 0) << (i % 64);
    }
    s->l.score = score;
    s->l.refine = refine;
    s->l.slack = slack;
    s->l.ctx = s;
    return ERR_OK;
}

/* convolve fills the scorer's own tables over the graph of d's training pairs. */
static err_code convolve(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    float *g = mem_table(m->items * m->dim, sizeof *g);
    s->own_item_h = mem_table(m->items * m->dim, sizeof *s->own_item_h);
    if (g == NULL || s->own_item_h == NULL) {
        mem_free(g);
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
                    .item_h = s->own_item_h,
                    .item_g = g};
    err_code code = fsc_propagate(&t, e);
    s->own_user_h = mem_table(m->users * m->dim, sizeof *s->own_user_h);
    if (code == ERR_OK && s->own_user_h == NULL) {
        code = err_nomem(e, "an evaluation");
    }
    if (code == ERR_OK) {
        user_tables u = {.users = m->users,
                         .items = m->items,
                         .dim = m->dim,
                         .w = m->user_w,
                         .user_e = m->user_e,
                         .item_e = m->item_e,
                         .item_g = g,
                         .pairs = d->train,
                         .pair_count = d->train_count,
                         .threads = threads};
        code = user_rows(&u, s->own_user_h, e);
    }
    mem_free(g);
    return code;
}

err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    *s = (scorer){.dim = m->dim};
    if (m->users < d->users || m->items < d->items) {
        return err_set(e, ERR_CONFLICT,
                       "the model has %zu users and %zu items, the data %zu and %zu", m->users,
                       m->items, d->users, d->items);
    }
    err_code code = convolve(s, m, d, threads, e);
    s->user_h = s->own_user_h;
    s->item_h = s->own_item_h;
    return code == ERR_OK ? scorer_init(s, d, threads, e) : code;
}

void scorer_fini(scorer *s)
{
    lister_fini(&s->l);
    mem_free(s->placed);
    mem_free(s->own_user_h);
    mem_free(s->own_item_h);
    s->placed = NULL;
    s->own_user_h = s->own_item_h = NULL;
}

eval_lister scorer_lister(scorer *s)
{
    return (eval_lister){.list = lister_list, .ctx = &s->l};
}
