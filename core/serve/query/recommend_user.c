/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_user: computes the vector of a user or session.
 * The rule is in docs/model.md, "What the paper leaves open":
 *
 *     H_u = user_w . e_u + sum_i a_ui G_i        a_ui = weight / sqrt(deg_u deg_i)
 *
 * e_u comes from core/serve/query/user_e.c. Degrees are live. A session counts as additional edges
 * of the user, or of an anonymous one. It does not change the items' degrees. An item without a
 * vector still counts in the user's degree, as it does in a run of FSC over the whole graph.
 *
 * Without features, a user whom training has not seen leans towards the mean user m:
 *
 *     H_u + |H_u| TYPICAL_SHARE / n . m / |m|      n = items of the profile
 *
 * One item alone says little about anybody, and what most people take is the better guess.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"

/* Only the order of the latest items of a session counts. */
enum { SESSION_STEPS_MAX = 4096 };

static bool exists(const view *v, uint32_t item)
{
    return item < v->item_rows && view_bit(&v->exists, item);
}

uint32_t profile_time(const live_edge *edges, size_t records)
{
    uint32_t time = 0;
    for (size_t i = 0; i < records; i++) {
        bool counts = (edges[i].flags & EDGE_IN_GRAPH) != 0;
        time = counts && edges[i].time > time ? edges[i].time : time;
    }
    return time;
}

/* session_time is later than every record's time. The last item of a session is the latest. */
static uint32_t session_time(size_t at, size_t count)
{
    size_t before = count - 1 - at;
    return UINT32_MAX - (uint32_t)(before < SESSION_STEPS_MAX ? before : SESSION_STEPS_MAX);
}

/* take_out_seen takes a seen item out of the list. A shop may delete an item and add it again under
 * the same id: what the user has seen of the earlier row applies to the later rows too. */
static void take_out_seen(const view *v, uint64_t *allowed, uint32_t item)
{
    for (uint32_t row = item; row < v->item_rows; row = view_item_next(v, row)) {
        take_out(allowed, row, v->item_rows);
    }
}

err_code user_profile(const view *v, const recommend_query *q, bool mask, recommend_scratch *s,
                      err *e)
{
    s->profile_count = s->session_count = 0;
    size_t count = 0;
    const live_edge *edges = q->user != ROW_NONE ? view_user_edges(v, q->user, &count) : NULL;
    err_code code = ERR_OK;
    for (size_t i = 0, records = 0; i < count && code == ERR_OK; i += records) {
        bool seen = false;
        float weight = pair_weight(&edges[i], count - i, &seen, &records);
        if (mask && seen) {
            take_out_seen(v, s->allowed, edges[i].item);
        }
        if (weight > 0 && exists(v, edges[i].item)) {
            profile_item in = {edges[i].item, weight, profile_time(&edges[i], records)};
            code = scratch_profile_push(s, in, e);
        }
    }
    for (size_t i = 0; i < q->session_count && code == ERR_OK; i++) {
        session_item in = q->session[i];
        if (!(in.weight > 0) || isinf(in.weight)) {
            return err_set(e, ERR_INVALID, "items[%zu].weight: expected a number above 0", i);
        }
        if (exists(v, in.item)) {
            uint32_t time = session_time(i, q->session_count);
            code = scratch_profile_push(s, (profile_item){in.item, in.weight, time}, e);
            s->session_count++;
        }
        if (mask) {
            take_out(s->allowed, in.item, v->item_rows);
        }
    }
    return code;
}

static void add_scaled(float *out, const float *row, float factor, size_t dim)
{
    for (size_t j = 0; j < dim; j++) {
        out[j] += factor * row[j];
    }
}

/* Weight of the mean user for a user of one item. Chosen on held-out training interactions:
 * docs/measurements/quality.md. */
#define TYPICAL_SHARE 0.5F

static void lean_to_typical(const base *b, recommend_scratch *s)
{
    float n = (float)s->profile_count, length = sqrtf(scan_dot(s->h, s->h, b->dim));
    add_scaled(s->h, b->shared->typical_user, length * TYPICAL_SHARE / n, b->dim);
}

bool user_row(const view *v, uint32_t user, recommend_scratch *s)
{
    const base *b = v->base;
    s->newcomer = b == NULL || !user_trained(b, user);
    if (b == NULL || s->profile_count == 0) {
        return false;
    }
    size_t dim = b->dim;
    user_e(v, user, s, s->h);
    double degree = 0;
    for (size_t j = 0; j < dim; j++) {
        s->h[j] *= b->user_w[j];
    }
    for (size_t i = 0; i < s->profile_count; i++) {
        degree += (double)s->profile[i].weight;
    }
    for (size_t i = 0; i < s->profile_count; i++) {
        profile_item in = s->profile[i];
        const float *g = view_vector(v, in.item, VECTOR_G);
        double item_degree = view_item_degree(v, in.item);
        /* A session's item may have no edges yet. */
        item_degree = item_degree > (double)in.weight ? item_degree : (double)in.weight;
        if (g != NULL) {
            add_scaled(s->h, g, (float)((double)in.weight / sqrt(degree * item_degree)), dim);
        }
    }
    if (s->newcomer && b->shared->typical_user != NULL) {
        lean_to_typical(b, s);
    }
    return scan_dot(s->h, s->h, dim) > 0;
}
