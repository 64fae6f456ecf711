/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shop_lists.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "tests/support/shop_links.h"

static bool seen_by(const shop_user *user, uint32_t item)
{
    for (size_t i = 0; i < user->edge_count; i++) {
        if (user->edges[i].item == item && (user->edges[i].flags & EDGE_SEEN) != 0) {
            return true;
        }
    }
    return false;
}

/* lean adds the mean user to the row of a user whom training has not seen, without features. */
static void lean(const base *b, size_t n, double *h)
{
    double mean[SHOP_DIM], square = 0;
    shop_mean_user(b, mean);
    for (size_t j = 0; j < SHOP_DIM; j++) {
        square += h[j] * h[j];
    }
    for (size_t j = 0; j < SHOP_DIM; j++) {
        h[j] += sqrt(square) * 0.5 / (double)n * mean[j];
    }
}

/* user_vector computes docs/model.md's formula in double, over the test's own arrays. */
static bool user_vector(const fixture *f, uint32_t user, const session_item *session, size_t count,
                        double *h)
{
    const view *v = f->hold.view;
    const base *b = v->base;
    shop_own own[2 * SHOP_EDGES_MAX];
    double degree = 0;
    size_t n = shop_profile(f->shop, user, session, count, own);
    for (size_t i = 0; i < n; i++) {
        degree += (double)own[i].weight;
    }
    shop_user_e(v, user, own, n, h);
    for (size_t j = 0; j < SHOP_DIM; j++) {
        h[j] *= (double)b->w[j];
        for (size_t i = 0; i < n; i++) {
            const float *g = view_vector(v, own[i].item, VECTOR_G);
            double item = fmax(view_item_degree(v, own[i].item), (double)own[i].weight);
            h[j] += g != NULL ? (double)own[i].weight / sqrt(degree * item) * (double)g[j] : 0;
        }
    }
    if (n > 0 && base_bare(b) && shop_stranger(v, user)) {
        lean(b, n, h);
    }
    return n > 0;
}

/* add_text adds a text to a request. The text has the effect of an item with these words that the
 * user took. If there is also a user or a session, their row and the text's row count half each, at
 * the same length. */
static bool add_text(const view *v, const cold_item *text, bool somebody, double *h)
{
    const base *b = v->base;
    double own[SHOP_DIM], length = 0, theirs = 0;
    if (text == NULL || text->used == 0) {
        return somebody;
    }
    for (size_t j = 0; j < SHOP_DIM; j++) {
        double f = b->layers > 0 ? (double)b->f[j] : 0;
        own[j] = (double)b->w[j] * (double)text->embedding[j] * (1 + f);
        length += own[j] * own[j];
        theirs += somebody ? h[j] * h[j] : 0;
    }
    for (size_t j = 0; j < SHOP_DIM; j++) {
        h[j] = theirs > 0 ? 0.5 * (h[j] + own[j] * sqrt(theirs / length)) : own[j];
    }
    return true;
}

int shop_by_score(const void *a, const void *b)
{
    const shop_scored *one = a, *other = b;
    if (one->score != other->score) {
        return one->score > other->score ? -1 : 1;
    }
    return one->row < other->row ? -1 : 1;
}

double shop_place_in(const fixture *f, bool newest, uint32_t row)
{
    uint32_t users = newest ? 0 : view_item_users(f->hold.view, row);
    return users > 0 ? 1e9 * users : 1e5 * (double)f->shop->items[row].created + row;
}

static shop_scored score_of(const fixture *f, const recommend_query *q, const double *h,
                            const shop_link_part *part, uint32_t row, const float *vector)
{
    const base *b = f->hold.view->base;
    double whole = 0, multimodal = 0, balance = (double)q->balance;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        double m = 0;
        for (size_t a = 0; a < SHOP_DIM; a++) {
            m += h[a] * (double)b->parts->into[a * SHOP_DIM + j];
        }
        whole += h[j] * (double)vector[j];
        multimodal += m * (double)vector[j];
    }
    shop_scored out = {.collaborative =
                           2 * (1 - balance) * (whole - multimodal + part->of[LINKS_COLLABORATIVE]),
                       .multimodal = 2 * balance * (multimodal + part->of[LINKS_CONTENT])};
    out.row = row;
    out.score = out.collaborative + out.multimodal;
    if (out.score > 0 && part->of[LINKS_COLLABORATIVE] + part->of[LINKS_CONTENT] > 0) {
        double lift = shop_link_lift(f->hold.view, row);
        out.score *= lift;
        out.collaborative *= lift;
        out.multimodal *= lift;
    }
    return out;
}

size_t shop_lists_expected(const fixture *f, const recommend_query *q, shop_scored *out,
                           size_t *personal)
{
    const shop *s = f->shop;
    const view *v = f->hold.view;
    double h[SHOP_DIM];
    static shop_link_part added[SHOP_ITEMS_MAX];
    bool somebody = user_vector(f, q->user, q->session, q->session_count, h);
    somebody = add_text(v, q->text, somebody, h);
    memset(added, 0, sizeof added);
    if (somebody && v->base->links != NULL) {
        shop_own own[2 * SHOP_EDGES_MAX];
        size_t n = shop_profile(s, q->user, q->session, q->session_count, own);
        shop_link_parts(v, q->user, own, n, h, added);
    }
    size_t count = 0, rest = 0;
    static shop_scored others[SHOP_ITEMS_MAX];
    for (uint32_t row = 0; row < s->item_rows; row++) {
        bool in = s->items[row].exists && !s->items[row].hidden;
        in = in && (q->filter == NULL || shop_passes(s, row, q->filter));
        for (size_t i = 0; i < q->exclude_count; i++) {
            in = in && q->exclude[i] != row;
        }
        for (size_t i = 0; i < q->session_count && !q->include_seen; i++) {
            in = in && q->session[i].item != row;
        }
        in = in && (q->include_seen || q->user == ROW_NONE || !seen_by(&s->users[q->user], row));
        float vector[SHOP_DIM];
        if (in && somebody && view_item_vector(v, row, vector)) {
            out[count] = score_of(f, q, h, &added[row], row, vector);
            count++;
        } else if (in) {
            others[rest++] = (shop_scored){.row = row, .score = shop_place_in(f, false, row)};
        }
    }
    qsort(out, count, sizeof *out, shop_by_score);
    qsort(others, rest, sizeof *others, shop_by_score);
    for (size_t i = 0; i < rest; i++) {
        out[count + i] =
            (shop_scored){.row = others[i].row, .score = view_item_users(v, others[i].row)};
    }
    *personal = count;
    return count + rest;
}

void shop_check_list(const fixture *f, const recommend_query *q)
{
    static shop_scored want[SHOP_ITEMS_MAX];
    size_t personal = 0, all = shop_lists_expected(f, q, want, &personal);
    recommend_result got;
    err e = ERR_INIT;
    if (recommend(f->hold.view, q, f->scratch, &got, &e) != ERR_OK) {
        fail_msg("recommend: %s", e.text);
    }
    size_t reach = all < q->offset + q->k ? all : q->offset + q->k;
    assert_int_equal(got.count, reach > q->offset ? reach - q->offset : 0);
    assert_true(got.exact);
    for (size_t i = 0; i < got.count; i++) {
        const recommend_hit *hit = &got.hits[i];
        const shop_scored *should = &want[i + q->offset];
        assert_int_equal(hit->popular, i + q->offset >= personal);
        assert_true(fabs((double)hit->score - should->score) < 1e-4);
        if (q->explain && !hit->popular && hit->row == should->row) {
            assert_true(fabs((double)hit->collaborative - should->collaborative) < 2e-4);
            assert_true(fabs((double)hit->multimodal - should->multimodal) < 2e-4);
        }
        if (hit->row != should->row) {
            /* Only where the order of doubles and that of floats may differ. */
            bool tied = false;
            for (size_t n = 0; n < all; n++) {
                tied = tied || (want[n].row == hit->row &&
                                fabs(want[n].score - should->score) < 1e-5 && !hit->popular);
            }
            assert_true(tied);
        }
    }
}

recommend_query shop_query(shop *s, shop_query_room *room)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    room->filtered = shop_filter(s, &room->texts);
    rng *r = &s->random;
    q.user = rng_below(r, 6) == 0 ? ROW_NONE : rng_below(r, (uint32_t)s->user_rows);
    while (q.user != ROW_NONE && !s->users[q.user].exists) {
        q.user = rng_below(r, (uint32_t)s->user_rows);
    }
    q.session = room->session;
    q.session_count = rng_below(r, 3) == 0 ? rng_below(r, 4) : 0;
    for (size_t i = 0; i < q.session_count; i++) {
        do {
            room->session[i].item = rng_below(r, (uint32_t)s->item_rows);
        } while (!s->items[room->session[i].item].exists);
        room->session[i].weight = 0.5F + (float)rng_below(r, 4);
    }
    q.k = 1 + rng_below(r, 60);
    q.offset = rng_below(r, 3) == 0 ? rng_below(r, 300) : 0;
    q.exclude = room->exclude;
    q.exclude_count = rng_below(r, 20);
    for (size_t i = 0; i < q.exclude_count; i++) {
        room->exclude[i] = rng_below(r, (uint32_t)s->item_rows + 50);
    }
    q.filter = rng_below(r, 4) == 0 ? NULL : &room->filtered;
    q.include_seen = rng_below(r, 2) == 0;
    q.balance = rng_below(r, 2) == 0 ? 0.5F : (float)rng_below(r, 11) / 10;
    q.exact = rng_below(r, 2) == 0;
    return q;
}
