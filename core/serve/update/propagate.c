/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propagate: the background run of FSC over a view's graph. The header has the contract.
 *
 * Rows of E: the generation's for items that it knows; what its features gave for a later item; for
 * a user what a request would start from (core/serve/query/user_e.c). Deleted items and erased
 * users are isolated rows of zeros. The graph is exactly the edges that live counts in its degrees.
 */
#include "core/serve/update/propagate.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/serve/query/recommend_scratch.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/update/relink.h"

typedef struct run {
    const view *v;
    base *b;
    pair *pairs;
    size_t pair_count;
    float *user_e, *h; /* (users, dim) rows of E; (items, dim) rows of H */
} run;

static bool stopped(const propagate_options *o)
{
    return o->cancelled != NULL && o->cancelled(o->ctx);
}

/* gather_pairs lists the graph's edges by (user, item). */
static err_code gather_pairs(run *r, err *e)
{
    const view *v = r->v;
    r->pairs = mem_array(v->interactions, sizeof *r->pairs);
    if (r->pairs == NULL) {
        return err_nomem(e, "the graph of a background run");
    }
    for (uint32_t user = 0; user < v->user_rows; user++) {
        size_t count = 0;
        const live_edge *edges = view_user_edges(v, user, &count);
        for (size_t i = 0, records = 0; i < count; i += records) {
            bool seen = false;
            float weight = pair_weight(&edges[i], count - i, &seen, &records);
            if (weight > 0 && (view_item_flags(v, edges[i].item) & ITEM_EXISTS) != 0) {
                uint32_t time = profile_time(&edges[i], records);
                r->pairs[r->pair_count++] = (pair){user, edges[i].item, weight, time};
            }
        }
    }
    return ERR_OK;
}

static err_code make_tables(run *r, err *e)
{
    const view *v = r->v;
    base *b = r->b;
    size_t dim = b->dim;
    b->own_e = mem_table(b->items * dim, sizeof(float));
    b->own_g = mem_table(b->items * dim, sizeof(float));
    r->h = mem_table(b->items * dim, sizeof(float));
    r->user_e = mem_table(v->user_rows * dim, sizeof(float));
    if (b->own_e == NULL || b->own_g == NULL || r->h == NULL || r->user_e == NULL) {
        return err_nomem(e, "the tables of a background run");
    }
    b->embeddings = b->own_e;
    b->g = b->own_g;
    for (uint32_t i = 0; i < b->items; i++) {
        const float *row = view_vector(v, i, VECTOR_E);
        if (row != NULL) {
            memcpy(b->own_e + i * dim, row, dim * sizeof *row);
        }
    }
    return ERR_OK;
}

/* fill_users computes for every user with edges the row of E that a request would use. */
static err_code fill_users(run *r, err *e)
{
    recommend_scratch *s = NULL;
    err_code code = recommend_scratch_new(&s, e);
    for (size_t p = 0; p < r->pair_count && code == ERR_OK; p++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        q.user = r->pairs[p].user;
        if (p > 0 && r->pairs[p - 1].user == q.user) {
            continue;
        }
        code = user_profile(r->v, &q, false, s, e);
        if (code == ERR_OK) {
            user_e(r->v, q.user, s, r->user_e + q.user * r->b->dim);
        }
    }
    recommend_scratch_free(s);
    return code;
}

static err_code convolve(run *r, const propagate_options *o, err *e)
{
    const view *v = r->v;
    base *b = r->b;
    fsc_tables tables = {
        .users = v->user_rows,
        .items = b->items,
        .dim = b->dim,
        .layers = (uint32_t)b->layers,
        .w = b->w,
        .f = b->f,
        .user_e = r->user_e,
        .item_e = b->own_e,
        .pairs = r->pairs,
        .pair_count = r->pair_count,
        .threads = o->threads,
        .item_h = r->h,
        .item_g = b->own_g,
    };
    err_code code = fsc_propagate(&tables, e);
    if (code == ERR_OK && stopped(o)) {
        code = err_set(e, ERR_CANCELLED, "the background convolution was stopped");
    }
    if (code != ERR_OK) {
        return code;
    }
    mem_free(r->user_e);
    r->user_e = NULL;
    index_options options = {.threads = (unsigned)o->threads, .seed = 1};
    code = index_new(&b->index, r->h, b->items, b->dim, &options, e);
    return code == ERR_OK ? base_finish(b, e) : code;
}

static err_code base_like(base **out, const view *v, err *e)
{
    const base *old = v->base;
    base *b = mem_array(1, sizeof *b);
    if (b == NULL) {
        return err_nomem(e, "the tables of a background run");
    }
    atomic_init(&b->references, 1);
    b->generation = old->generation;
    b->dim = old->dim;
    b->layers = old->layers;
    b->items = v->item_rows;
    b->trained = old->trained;
    b->users = old->users;
    b->w = old->w;
    b->user_w = old->user_w;
    b->f = old->f;
    b->parts = old->parts;
    b->user_e = old->user_e;
    b->user_pairs = old->user_pairs;
    b->shared = old->shared;
    atomic_fetch_add(&b->shared->references, 1);
    b->made_at_seq = v->seq;
    b->made_of_changes = v->changes;
    b->made_of_delta = v->delta;
    b->made_of_delta_count = v->delta_count;
    *out = b;
    return ERR_OK;
}

err_code propagate_run(base **out, const view *v, const propagate_options *options, err *e)
{
    *out = NULL;
    if (v->base == NULL) {
        return ERR_OK;
    }
    run r = {.v = v};
    err_code code = base_like(&r.b, v, e);
    if (code == ERR_OK) {
        code = gather_pairs(&r, e);
    }
    if (code == ERR_OK) {
        code = make_tables(&r, e);
    }
    if (code == ERR_OK && stopped(options)) {
        code = err_set(e, ERR_CANCELLED, "the background convolution was stopped");
    }
    if (code == ERR_OK) {
        code = fill_users(&r, e);
    }
    if (code == ERR_OK) {
        interaction_list graph = {r.pairs, r.pair_count, v->user_rows, r.b->items};
        code = relink(r.b, v, &graph, options->threads, e);
    }
    if (code == ERR_OK) {
        code = convolve(&r, options, e);
    }
    mem_free(r.pairs);
    mem_free(r.user_e);
    mem_free(r.h);
    if (code != ERR_OK) {
        base_release(r.b);
        return code;
    }
    *out = r.b;
    return ERR_OK;
}
