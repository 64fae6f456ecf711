/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shop_user.h"

#include <math.h>
#include <string.h>

#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"

size_t shop_profile(const shop *s, uint32_t user, const session_item *session, size_t count,
                    shop_own *own)
{
    size_t n = 0;
    for (size_t i = 0; user != ROW_NONE && i < s->users[user].edge_count; i++) {
        const live_edge *in = &s->users[user].edges[i];
        bool counts = (in->flags & EDGE_IN_GRAPH) != 0;
        if (!counts || !s->items[in->item].exists) {
            continue;
        }
        if (n > 0 && own[n - 1].item == in->item) {
            own[n - 1].weight = fmaxf(own[n - 1].weight, in->weight);
            own[n - 1].time = in->time > own[n - 1].time ? in->time : own[n - 1].time;
        } else {
            own[n++] = (shop_own){in->item, in->weight, in->time};
        }
    }
    for (size_t i = 0; i < count; i++) {
        own[n++] =
            (shop_own){session[i].item, session[i].weight, UINT32_MAX - (uint32_t)(count - 1 - i)};
    }
    return n;
}

static double length(const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        sum += x[j] * x[j];
    }
    return sqrt(sum);
}

/* is_news tells whether fewer than `news` items are later than this one. */
static bool is_news(const shop_own *own, size_t count, size_t at, size_t news)
{
    size_t later = 0;
    for (size_t i = 0; i < count; i++) {
        later += own[i].time > own[at].time;
    }
    return later < news;
}

bool shop_stranger(const view *v, uint32_t user)
{
    double known[SHOP_DIM] = {0};
    for (size_t j = 0; j < SHOP_DIM && user < v->base->users; j++) {
        known[j] = (double)v->base->user_e[user * SHOP_DIM + j];
    }
    return length(known) == 0;
}

void shop_mean_user(const base *b, double *mean)
{
    memset(mean, 0, SHOP_DIM * sizeof *mean);
    for (size_t u = 0; u < b->users; u++) {
        for (size_t j = 0; j < SHOP_DIM; j++) {
            mean[j] += (double)b->user_w[j] * (double)b->user_e[u * SHOP_DIM + j];
        }
    }
    double size = length(mean);
    for (size_t j = 0; j < SHOP_DIM; j++) {
        mean[j] /= size;
    }
}

/* own_share returns the factor on the mean of E for a user whom training has not seen. */
static double own_share(const view *v, const shop_own *own, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        taken += view_item_degree(v, own[i].item) > 0;
    }
    return count > 0 ? 1 - 2.0 * (double)taken / (double)(count * (count + 1)) : 1;
}

void shop_user_e(const view *v, uint32_t user, const shop_own *own, size_t count, double *e)
{
    const base *b = v->base;
    double known[SHOP_DIM] = {0}, sum = 0;
    for (size_t j = 0; j < SHOP_DIM && user < b->users; j++) {
        known[j] = (double)b->user_e[user * SHOP_DIM + j];
    }
    bool stranger = shop_stranger(v, user);
    size_t trained = stranger ? 0 : b->user_pairs[user];
    size_t news = count > trained ? count - trained : 0;
    memset(e, 0, SHOP_DIM * sizeof *e);
    for (size_t i = 0; i < count; i++) {
        const float *row = view_vector(v, own[i].item, VECTOR_E);
        bool in = is_news(own, count, i, news);
        sum += in ? (double)own[i].weight : 0;
        for (size_t j = 0; j < SHOP_DIM && in && row != NULL; j++) {
            e[j] += (double)own[i].weight * (double)row[j];
        }
    }
    double of_news = length(e), share = 0;
    if (news > 0) {
        share = (double)news / ((double)news + 1.5 * sqrt((double)trained));
    }
    for (size_t j = 0; j < SHOP_DIM; j++) {
        if (stranger) {
            e[j] *= own_share(v, own, count) / (sum > 0 ? sum : 1);
        } else if (of_news > 0) {
            e[j] = (1 - share) * known[j] + share * length(known) / of_news * e[j];
        } else {
            e[j] = known[j];
        }
    }
}
