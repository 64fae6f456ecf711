/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_e: a user's own row of E at the moment of asking (the contract is in
 * core/serve/query/recommend.h).
 *
 * Training sets a user's row. Without this file the row would stay fixed between trainings while
 * the user's taste changes, and at the usual strengths the row decides most of the list. So newer
 * interactions are mixed in:
 *
 *     e = (1 - a) E_u + a |E_u| m / |m|      a = new / (new + 1.5 sqrt(trained))
 *
 * with `trained` the number of their items in training, `new` how many more they have now, and m
 * the weighted mean of E over as many of their latest items. New interactions are not marked; their
 * number is inferred from the counts. So a removed interaction is offset by the next new one, and
 * an interaction that is reported late counts by its own time. A longer history needs more new
 * items to move, but less than in proportion. Without new items the row equals E_u, bit for bit.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

/* How slowly the row moves. Chosen with tests/bench/bench_online.py, and on data without drift:
 * docs/measurements.md. */
#define INERTIA 1.5F

/* since returns the largest time that at least `news` >= 1 items of the profile reach. Items of the
 * same time are so taken together, and the order of the profile has no effect. */
static uint32_t since(const recommend_scratch *s, size_t news)
{
    uint32_t all = UINT32_MAX, any = 0;
    for (size_t i = 0; i < s->profile_count; i++) {
        all &= s->profile[i].time;
        any |= s->profile[i].time;
    }
    /* Only bits in which the times differ need a trial. A bit that all times have is in the result
     * too. */
    uint32_t time = all;
    for (uint32_t left = any & ~all; left > 0;) {
        uint32_t bit = 1U << (31 - __builtin_clz(left));
        left &= ~bit;
        size_t reached = 0;
        for (size_t i = 0; i < s->profile_count; i++) {
            reached += s->profile[i].time >= (time | bit);
        }
        time |= reached >= news ? bit : 0;
    }
    return time;
}

static void add_scaled(float *out, const float *row, float factor, size_t dim)
{
    for (size_t j = 0; j < dim; j++) {
        out[j] += factor * row[j];
    }
}

/* mean_e writes the weighted mean of E over the profile's items from `time` on. Over all items,
 * this is the rule by which training initialises users, applied to the trained table. */
static void mean_e(const view *v, const recommend_scratch *s, uint32_t time, float *out)
{
    double sum = 0;
    memset(out, 0, v->base->dim * sizeof *out);
    for (size_t i = 0; i < s->profile_count; i++) {
        sum += s->profile[i].time >= time ? (double)s->profile[i].weight : 0;
    }
    for (size_t i = 0; i < s->profile_count; i++) {
        const float *embedding = view_vector(v, s->profile[i].item, VECTOR_E);
        if (embedding != NULL && s->profile[i].time >= time) {
            add_scaled(out, embedding, (float)((double)s->profile[i].weight / sum), v->base->dim);
        }
    }
}

/* own_share returns the factor on the mean of E for a user whom training has not seen
 * (docs/model.md). It is 0 for one item that somebody took. */
static float own_share(const view *v, const recommend_scratch *s)
{
    size_t taken = 0, count = s->profile_count;
    for (size_t i = 0; i < count; i++) {
        taken += view_item_degree(v, s->profile[i].item) > 0;
    }
    return 1 - 2 * (float)taken / ((float)count * (float)(count + 1));
}

bool user_trained(const base *b, uint32_t user)
{
    const float *known = user < b->users ? b->user_e + (size_t)user * b->dim : NULL;
    return known != NULL && scan_dot(known, known, b->dim) > 0;
}

void user_e(const view *v, uint32_t user, const recommend_scratch *s, float *out)
{
    const base *b = v->base;
    size_t dim = b->dim;
    if (!user_trained(b, user)) {
        mean_e(v, s, 0, out);
        float share = own_share(v, s);
        for (size_t j = 0; j < dim; j++) {
            out[j] *= share;
        }
        return;
    }
    const float *known = b->user_e + (size_t)user * dim;
    float length = sqrtf(scan_dot(known, known, dim));
    size_t trained = b->user_pairs != NULL ? b->user_pairs[user] : s->profile_count;
    size_t news = s->profile_count > trained ? s->profile_count - trained : 0;
    float mean_length = 0;
    if (news > 0) {
        mean_e(v, s, since(s, news), out);
        mean_length = sqrtf(scan_dot(out, out, dim));
    }
    if (!(mean_length > 0)) {
        memcpy(out, known, dim * sizeof *out);
        return;
    }
    float share = (float)news / ((float)news + INERTIA * sqrtf((float)trained));
    for (size_t j = 0; j < dim; j++) {
        out[j] = (1 - share) * known[j] + share * length / mean_length * out[j];
    }
}
