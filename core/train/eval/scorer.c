/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/scorer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/model/links_build.h"
#include "core/model/user_rows.h"
#include "core/search/scan.h"

/* An item that links lead to. */
typedef struct linked {
    uint32_t row;
    float part[LINKS_SOURCES];
} linked;

/* What a thread keeps about the users of a block. */
typedef struct links_worker {
    links_sum sum;
    uint32_t *rows; /* (room of the sum + 1) */
    links_owned *owned;
    size_t owned_room;
    linked *all; /* the users' linked items, user by user, ascending by row */
    size_t all_room;
    size_t start[LISTER_USERS + 1];
    float factor[LISTER_USERS][LINKS_SOURCES];
} links_worker;

static void worker_free(void *worker)
{
    links_worker *w = worker;
    if (w != NULL) {
        links_sum_fini(&w->sum);
        mem_free(w->rows);
        mem_free(w->owned);
        mem_free(w->all);
        mem_free(w);
    }
}

static void *worker_new(const void *ctx)
{
    const scorer *s = ctx;
    links_worker *w = mem_array(1, sizeof *w);
    if (w != NULL && links_sum_fit(&w->sum, s->links->items, NULL) == ERR_OK) {
        w->rows = mem_array(w->sum.room + 1, sizeof *w->rows);
    }
    if (w != NULL && w->rows == NULL) {
        worker_free(w);
        return NULL;
    }
    return w;
}

/* keep_sums appends the linked items, ascending by row. */
static bool keep_sums(links_worker *w, size_t u)
{
    size_t at = w->start[u], count = links_sum_rows(&w->sum, w->rows);
    linked *all = mem_reserve(w->all, &w->all_room, at + count + 1, sizeof *all);
    if (all == NULL) {
        return false;
    }
    w->all = all;
    for (size_t k = 0; k < count; k++) {
        uint32_t row = w->rows[k];
        all[at++] =
            (linked){row, {w->sum.part[LINKS_COLLABORATIVE][row], w->sum.part[LINKS_CONTENT][row]}};
    }
    w->start[u + 1] = at;
    return true;
}

/* begin sums the links of these users' histories. */
static bool begin(const void *ctx, void *worker, const eval_ask *asks, size_t count)
{
    const scorer *s = ctx;
    links_worker *w = worker;
    bool ready = true;
    for (size_t u = 0; u < count && ready; u++) {
        uint32_t user = asks[u].user;
        const pair *pairs = s->l.d->train + s->history[user];
        size_t owned = s->history[user + 1] - s->history[user];
        if (owned > w->owned_room) {
            links_owned *grown = mem_grow(w->owned, owned, sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            w->owned = grown;
            w->owned_room = owned;
        }
        for (size_t k = 0; k < owned; k++) {
            w->owned[k] = (links_owned){pairs[k].item, pairs[k].weight, pairs[k].time, {0}};
        }
        owned = links_history(&s->links->choice, w->owned, owned);
        links_sum_set(&w->sum, s->links, w->owned, owned);
        float spread = links_spread(s->covariance, s->user_h + user * s->dim, s->dim);
        links_factors(w->factor[u], &s->links->choice, &w->sum, s->l.d->items, spread);
        ready = keep_sums(w, u);
    }
    return ready;
}

/* first_at returns the first of user u's linked items whose row is at least `row`. */
static size_t first_at(const links_worker *w, size_t u, size_t row)
{
    size_t low = w->start[u], high = w->start[u + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->all[middle].row < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add_links(const links_worker *w, const lister_block *b)
{
    for (size_t u = 0; u < b->count; u++) {
        float *out = b->out + u * b->items;
        for (size_t k = first_at(w, u, b->first);
             k < w->start[u + 1] && w->all[k].row < b->first + b->items; k++) {
            float *at = out + (w->all[k].row - b->first);
            *at = links_score(*at, w->all[k].part, w->factor[u]);
        }
    }
}

static bool is_placed(const scorer *s, size_t row)
{
    return bits_test(s->placed, row);
}

static void score(const void *ctx, const lister_block *b)
{
    const scorer *s = ctx;
    float users[LISTER_USERS * TRAIN_DIM_MAX];
    bool nobody[LISTER_USERS] = {false};
    for (size_t u = 0; u < b->count; u++) {
        const float *h = s->user_h + b->asks[u].user * s->dim;
        memcpy(users + u * s->dim, h, s->dim * sizeof *users);
        nobody[u] = !(scan_dot(h, h, s->dim) > 0);
    }
    blas_product p = {.a = users, .rows = b->count, .cols = b->items, .dim = s->dim, .c = b->out};
    p.b = s->item_h + b->first * s->dim;
    p.stride = b->items;
    blas_scores(&p);
    if (b->worker != NULL) {
        add_links(b->worker, b);
    }
    for (size_t u = 0; u < b->count; u++) {
        for (size_t i = 0; (nobody[u] || !s->all_placed) && i < b->items; i++) {
            if (nobody[u] || !is_placed(s, b->first + i)) {
                b->out[u * b->items + i] = -INFINITY;
            }
        }
    }
}

static void refine(const void *ctx, const lister_block *b, size_t u, const lister_rows *rows)
{
    const scorer *s = ctx;
    const float *h = s->user_h + b->asks[u].user * s->dim;
    scan_list(s->item_h, rows->rows, rows->count, h, s->dim, rows->scores);
    const links_worker *w = b->worker;
    for (size_t i = 0; i < rows->count; i++) {
        size_t at = w != NULL ? first_at(w, u, rows->rows[i]) : 0;
        if (w != NULL && at < w->start[u + 1] && w->all[at].row == rows->rows[i]) {
            rows->scores[i] = links_score(rows->scores[i], w->all[at].part, w->factor[u]);
        }
        rows->scores[i] = is_placed(s, rows->rows[i]) ? rows->scores[i] : -INFINITY;
    }
}

/* slack bounds the difference between the two ways of computing a product, and of the sum with the
 * links. */
static float slack(const void *ctx, const lister_block *b, size_t u)
{
    const scorer *s = ctx;
    const float *h = s->user_h + b->asks[u].user * s->dim;
    const links_worker *w = b->worker;
    float dense = sqrtf(scan_dot(h, h, s->dim)) * s->longest, sparse = 0;
    for (size_t k = w != NULL ? w->start[u] : 0; w != NULL && k < w->start[u + 1]; k++) {
        sparse = fmaxf(sparse, links_score(0, w->all[k].part, w->factor[u]));
    }
    return FLT_EPSILON * ((float)(s->dim + 64) * dense + 2 * (dense + sparse));
}

static err_code init_links(scorer *s, const dataset *d, err *e)
{
    s->covariance = mem_table(s->dim * s->dim, sizeof *s->covariance);
    s->history = mem_array(d->users + 1, sizeof *s->history);
    if (s->covariance == NULL || s->history == NULL) {
        return err_nomem(e, "an evaluation");
    }
    pairs_starts(d->train, d->train_count, d->users, s->history);
    s->l.worker_new = worker_new;
    s->l.worker_free = worker_free;
    s->l.begin = begin;
    return links_covariance(s->item_h, d->items, s->dim, s->covariance, e);
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
    s->all_placed = true;
    for (size_t i = 0; i < d->items; i++) {
        const float *h = s->item_h + i * s->dim;
        float square = scan_dot(h, h, s->dim);
        s->longest = fmaxf(s->longest, sqrtf(square));
        bits_set_if(s->placed, i, square > 0);
        s->all_placed = s->all_placed && square > 0;
    }
    s->l.score = score;
    s->l.refine = refine;
    s->l.slack = slack;
    s->l.ctx = s;
    return s->links != NULL ? init_links(s, d, e) : ERR_OK;
}

/* convolve fills the scorer's own tables, over the graph of d's training pairs. */
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

/* init_tables computes the scorer's H. */
static err_code init_tables(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    *s = (scorer){.dim = m->dim};
    if (m->users < d->users || m->items < d->items) {
        return err_set(e, ERR_CONFLICT,
                       "the model has %zu users and %zu items, but the data has %zu and %zu",
                       m->users, m->items, d->users, d->items);
    }
    err_code code = convolve(s, m, d, threads, e);
    s->user_h = s->own_user_h;
    s->item_h = s->own_item_h;
    return code;
}

err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    err_code code = init_tables(s, m, d, threads, e);
    if (code == ERR_OK && m->links != NULL) {
        interaction_list list = {d->train, d->train_count, d->users, d->items};
        code = links_rebuilt(&s->own_links, m->links, &list, threads, e);
        s->links = s->own_links;
    }
    return code == ERR_OK ? scorer_init(s, d, threads, e) : code;
}

err_code scorer_init_linked(scorer *s, const model *m, const dataset *d, int threads, err *e)
{
    err_code code = init_tables(s, m, d, threads, e);
    s->links = m->links;
    return code == ERR_OK ? scorer_init(s, d, threads, e) : code;
}

void scorer_fini(scorer *s)
{
    lister_fini(&s->l);
    mem_free(s->placed);
    mem_free(s->covariance);
    mem_free(s->history);
    mem_free(s->own_user_h);
    mem_free(s->own_item_h);
    links_free(s->own_links);
    s->placed = NULL;
    s->covariance = NULL;
    s->history = NULL;
    s->own_user_h = s->own_item_h = NULL;
    s->own_links = NULL;
}

eval_lister scorer_lister(scorer *s)
{
    return (eval_lister){.list = lister_list, .ctx = &s->l};
}
