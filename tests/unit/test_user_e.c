/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user's own row of E between two trainings: only newer interactions move it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/serve/query/recommend_scratch.h"
#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "core/train/loop/train.h"
#include "server/load/dataset_load.h"
#include "server/load/live_load.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "tests/support/shop_user.h"
#include "tests/support/store_fixture.h"

/* --- over the live tables --- */

/* A shop in the state that its generation was trained on. */
static void trained_shop(fixture *f, uint64_t seed)
{
    static shop only;
    f->shop = &only;
    shop_init(f->shop, seed);
    shop_fill(f->shop, 300, 40, 500);
    shop_activate(f->shop, 1, &shop_plain);
    assert_int_equal(recommend_scratch_new(&f->scratch, NULL), ERR_OK);
    live_acquire(f->shop->live, &f->hold);
}

static void forget_shop(fixture *f)
{
    live_release(f->shop->live, &f->hold);
    recommend_scratch_free(f->scratch);
    shop_fini(f->shop);
}

static void look_again(fixture *f)
{
    live_release(f->shop->live, &f->hold);
    live_acquire(f->shop->live, &f->hold);
}

/* own_row returns what a request starts from. It returns false for a user without items that
 * count. */
static bool own_row(const fixture *f, uint32_t user, float *embedding)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    q.user = user;
    assert_int_equal(user_profile(f->hold.view, &q, false, f->scratch, NULL), ERR_OK);
    user_e(f->hold.view, user, f->scratch, embedding);
    return f->scratch->profile_count > 0;
}

static const float *trained_row(const fixture *f, uint32_t user)
{
    return f->hold.view->base->user_e + (size_t)user * SHOP_DIM;
}

static double cosine(const float *a, const float *b)
{
    double dot = 0, one = 0, other = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        dot += (double)a[j] * (double)b[j];
        one += (double)a[j] * (double)a[j];
        other += (double)b[j] * (double)b[j];
    }
    return dot / sqrt(one * other);
}

static uint32_t item_not_of(const shop *s, uint32_t user, uint32_t from)
{
    for (uint32_t row = from;; row++) {
        bool has = !s->items[row].exists;
        for (size_t i = 0; i < s->users[user].edge_count; i++) {
            has = has || s->users[user].edges[i].item == row;
        }
        if (!has) {
            return row;
        }
    }
}

static void without_news_a_row_is_the_trained_one_bit_for_bit(void **state)
{
    (void)state;
    fixture f;
    trained_shop(&f, 60);
    size_t compared = 0;
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        float embedding[SHOP_DIM];
        if (own_row(&f, user, embedding)) {
            compared++;
            assert_memory_equal(embedding, trained_row(&f, user), sizeof embedding);
        }
    }
    assert_true(compared > 30);
    forget_shop(&f);
}

static void each_purchase_brings_the_row_nearer_and_taking_it_back_undoes_it(void **state)
{
    (void)state;
    fixture f;
    float before[SHOP_DIM], after[SHOP_DIM], again[SHOP_DIM];
    trained_shop(&f, 61);
    for (uint32_t user = 0; user < 20; user++) {
        uint32_t item = item_not_of(f.shop, user, 5 * user);
        const float *bought = view_vector(f.hold.view, item, VECTOR_E);
        assert_non_null(bought);
        if (!own_row(&f, user, before)) {
            continue;
        }
        double near = cosine(before, bought);
        shop_edge(f.shop, user, item, 0);
        look_again(&f);
        shop_user *u = &f.shop->users[user];
        size_t at = 0;
        while (u->edges[at].item != item) {
            at++;
        }
        assert_true(own_row(&f, user, after));
        assert_true(cosine(after, view_vector(f.hold.view, item, VECTOR_E)) > near + 0.01);
        shop_drop_edge(f.shop, user, at);
        look_again(&f);
        assert_true(own_row(&f, user, again));
        assert_memory_equal(again, trained_row(&f, user), sizeof again);
    }
    forget_shop(&f);
}

static void fewer_items_than_were_trained_on_are_no_news(void **state)
{
    (void)state;
    fixture f;
    float embedding[SHOP_DIM];
    trained_shop(&f, 62);
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        while (f.shop->users[user].edge_count > 1) {
            shop_drop_edge(f.shop, user, 0);
        }
    }
    look_again(&f);
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        if (own_row(&f, user, embedding)) {
            assert_memory_equal(embedding, trained_row(&f, user), sizeof embedding);
        }
    }
    forget_shop(&f);
}

/* The mean is over the latest items. The test sorts by time, where the code searches for a time. */
static void the_latest_items_are_the_news_in_whatever_order_they_lie(void **state)
{
    (void)state;
    fixture f;
    size_t moved = 0;
    trained_shop(&f, 63);
    for (int i = 0; i < 600; i++) {
        shop_step(f.shop);
    }
    look_again(&f);
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        float embedding[SHOP_DIM];
        double wanted[SHOP_DIM];
        shop_own own[SHOP_EDGES_MAX];
        size_t n = shop_profile(f.shop, user, NULL, 0, own);
        if (!own_row(&f, user, embedding)) {
            continue;
        }
        shop_user_e(f.hold.view, user, own, n, wanted);
        for (size_t j = 0; j < SHOP_DIM; j++) {
            assert_true(fabs((double)embedding[j] - wanted[j]) < 1e-5);
        }
        const base *b = f.hold.view->base;
        moved += user < b->users && n > b->user_pairs[user];
    }
    assert_true(moved > 20);
    forget_shop(&f);
}

/* --- over a store --- */

enum { USERS = 12, ITEMS = 30, DIM = 8 };

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
    uint32_t generation;
} world;

static void add(store *s, unsigned user, unsigned item, int64_t time)
{
    char u[16], i[16];
    snprintf(u, sizeof u, "u%u", user);
    snprintf(i, sizeof i, "i%u", item);
    assert_int_equal(apply_now(s, op_add(u, i, "purchase", time), NULL), ERR_OK);
}

/* train writes a generation; without `counts`, in the form from before counts were stored. */
static uint32_t train(store *s, bool counts)
{
    dataset *d = NULL;
    model *m = NULL;
    store_info origin;
    generation_id id;
    uint32_t number = 0;
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = DIM;
    o.epochs = 3;
    o.eval_every = 0;
    o.batch = 32;
    o.threads = 1;
    assert_int_equal(dataset_load(s, NULL, &d, &origin, NULL), ERR_OK);
    assert_int_equal(train_run(&m, d, &o, &(train_hooks){0}, NULL), ERR_OK);
    assert_non_null(m->user_pairs);
    if (!counts) {
        mem_free(m->user_pairs);
        m->user_pairs = NULL;
    }
    generation_info info = {
        .seq = origin.seq, .users = (uint32_t)m->users, .items = (uint32_t)m->items};
    memcpy(info.lineage, origin.lineage, sizeof info.lineage);
    assert_int_equal(generation_begin(s, &info, &id, NULL), ERR_OK);
    assert_int_equal(model_put(s, &id, m, NULL, 0, NULL), ERR_OK);
    assert_int_equal(generation_finish(s, &id, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(s, &id, 0, &number, NULL), ERR_OK);
    model_free(m);
    dataset_free(d);
    return number;
}

static void world_fill(world *w, bool features)
{
    temp_folder(w->folder);
    w->s = open_store(w->folder);
    for (unsigned i = 0; i < ITEMS; i++) {
        char id[16];
        const float x[3] = {(float)(i % 5), (float)(i % 7), 1};
        snprintf(id, sizeof id, "i%u", i);
        const float *given = features ? x : NULL;
        assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, id, NULL, given, 3), NULL),
                         ERR_OK);
    }
    for (unsigned i = 0; i < USERS * 6; i++) {
        add(w->s, i % USERS, (i * 7) % ITEMS, 1000 + i);
    }
}

static void world_open(world *w, bool counts)
{
    world_fill(w, true);
    w->generation = train(w->s, counts);
}

static void world_close(world *w)
{
    store_close(w->s);
    temp_remove(w->folder);
}

/* serve loads the store like a start. */
static live *serve(const world *w, live_hold *hold)
{
    live *l = NULL;
    base *b = NULL;
    assert_int_equal(live_new(&l, NULL, NULL), ERR_OK);
    assert_int_equal(live_load(w->s, l, NULL, NULL), ERR_OK);
    assert_int_equal(base_load(w->s, w->generation, 1, &b, NULL), ERR_OK);
    live_acquire(l, hold);
    uint64_t seq = view_seq(hold->view);
    live_release(l, hold);
    assert_int_equal(live_activate(l, b, seq + 1, NULL), ERR_OK);
    live_acquire(l, hold);
    return l;
}

/* rows returns every user's own row and row of H. */
static void rows(const world *w, float embedding[USERS][DIM], float h[USERS][DIM])
{
    live_hold hold;
    recommend_scratch *s = NULL;
    live *l = serve(w, &hold);
    assert_int_equal(recommend_scratch_new(&s, NULL), ERR_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        q.user = user;
        memset(h[user], 0, sizeof h[user]);
        (void)recommend_user_vector(hold.view, user, NULL, 0, s, h[user]);
        assert_int_equal(user_profile(hold.view, &q, false, s, NULL), ERR_OK);
        user_e(hold.view, user, s, embedding[user]);
    }
    recommend_scratch_free(s);
    live_release(l, &hold);
    live_free(l);
}

static void what_moved_a_row_survives_a_restart(void **state)
{
    (void)state;
    world w;
    float trained[USERS][DIM], moved[USERS][DIM], again[USERS][DIM];
    float h[USERS][DIM], h_moved[USERS][DIM], h_again[USERS][DIM];
    world_open(&w, true);
    rows(&w, trained, h);
    add(w.s, 3, 1, 5000); /* u3 has 3, 9, 15, 21, 27 */
    add(w.s, 3, 2, 5001);
    rows(&w, moved, h_moved);
    store_close(w.s);
    w.s = open_store(w.folder);
    rows(&w, again, h_again);
    assert_memory_equal(moved, again, sizeof moved);
    assert_memory_equal(h_moved, h_again, sizeof h_moved);
    for (size_t user = 0; user < USERS; user++) {
        assert_true((memcmp(trained[user], moved[user], sizeof moved[user]) != 0) == (user == 3));
    }
    world_close(&w);
}

static void news_of_long_ago_leaves_the_latest_items_the_latest(void **state)
{
    (void)state;
    world now, late;
    float e_now[USERS][DIM], e_late[USERS][DIM], h[USERS][DIM];
    world_open(&now, true);
    world_open(&late, true);
    add(now.s, 3, 1, 5000);
    add(late.s, 3, 1, 5); /* the same, but earlier than everything else */
    rows(&now, e_now, h);
    rows(&late, e_late, h);
    assert_memory_not_equal(e_now[3], e_late[3], sizeof e_now[3]);
    assert_memory_equal(e_now[4], e_late[4], sizeof e_now[4]);
    world_close(&now);
    world_close(&late);
}

static void a_generation_without_the_counts_serves_its_rows_as_they_are(void **state)
{
    (void)state;
    world w;
    float trained[USERS][DIM], after[USERS][DIM], h[USERS][DIM], h_after[USERS][DIM];
    world_open(&w, false);
    rows(&w, trained, h);
    add(w.s, 3, 1, 5000);
    rows(&w, after, h_after);
    assert_memory_equal(trained, after, sizeof trained);
    assert_memory_not_equal(h[3], h_after[3], sizeof h[3]); /* through its edges, as always */
    world_close(&w);
}

static void erasure_reaches_the_counts(void **state)
{
    (void)state;
    world w;
    store_read *r = NULL;
    uint32_t counts[USERS];
    world_open(&w, true);
    assert_int_equal(apply_now(w.s, op_erase("u3"), NULL), ERR_OK);
    assert_int_equal(store_read_begin(w.s, &r, NULL), ERR_OK);
    assert_int_equal(
        generation_blob_read(r, w.generation, "user_pairs", 0, counts, sizeof counts, NULL),
        ERR_OK);
    store_read_end(r);
    for (size_t user = 0; user < USERS; user++) {
        assert_true((counts[user] == 0) == (user == 3));
    }
    world_close(&w);
}

/* unleant computes a session's row of H without the mean user, for items that somebody has taken.
 */
static void unleant(const view *v, const session_item *session, size_t n, double out[DIM])
{
    const base *b = v->base;
    double share = 1 - 2 / ((double)n + 1);
    for (size_t j = 0; j < DIM; j++) {
        out[j] = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t item = session[i].item;
            double degree = view_item_degree(v, item);
            out[j] += share * b->user_w[j] * view_vector(v, item, VECTOR_E)[j] / (double)n;
            out[j] += view_vector(v, item, VECTOR_G)[j] / sqrt((double)n * degree);
        }
    }
}

/* mean_user computes the mean of the users' own rows in the weights of a query, at length 1. */
static void mean_user(const base *b, double out[DIM])
{
    double square = 0;
    for (size_t j = 0; j < DIM; j++) {
        out[j] = 0;
        for (size_t u = 0; u < b->users; u++) {
            out[j] += (double)b->user_w[j] * (double)b->user_e[u * DIM + j];
        }
        square += out[j] * out[j];
    }
    for (size_t j = 0; j < DIM; j++) {
        out[j] /= sqrt(square);
    }
}

static void check_sessions(bool features, double share)
{
    world w;
    live_hold hold;
    recommend_scratch *s = NULL;
    double plain[DIM], typical[DIM];
    world_fill(&w, features);
    w.generation = train(w.s, true);
    live *l = serve(&w, &hold);
    assert_int_equal(recommend_scratch_new(&s, NULL), ERR_OK);
    const session_item session[] = {{7, 1}, {14, 1}, {3, 1}};
    mean_user(hold.view->base, typical);
    for (size_t n = 1; n <= 3; n++) {
        float h[DIM];
        double square = 0;
        assert_int_equal(recommend_user_vector(hold.view, ROW_NONE, session, n, s, h), true);
        unleant(hold.view, session, n, plain);
        for (size_t j = 0; j < DIM; j++) {
            square += plain[j] * plain[j];
        }
        for (size_t j = 0; j < DIM; j++) {
            double leant = plain[j] + sqrt(square) * share / (double)n * typical[j];
            assert_true(fabs((double)h[j] - leant) <= 1e-5 * sqrt(square));
        }
    }
    recommend_scratch_free(s);
    live_release(l, &hold);
    live_free(l);
    world_close(&w);
}

static void without_features_short_sessions_lean_towards_the_mean_user(void **state)
{
    (void)state;
    check_sessions(false, 0.5);
    check_sessions(true, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_news_a_row_is_the_trained_one_bit_for_bit),
        cmocka_unit_test(each_purchase_brings_the_row_nearer_and_taking_it_back_undoes_it),
        cmocka_unit_test(fewer_items_than_were_trained_on_are_no_news),
        cmocka_unit_test(the_latest_items_are_the_news_in_whatever_order_they_lie),
        cmocka_unit_test(what_moved_a_row_survives_a_restart),
        cmocka_unit_test(news_of_long_ago_leaves_the_latest_items_the_latest),
        cmocka_unit_test(a_generation_without_the_counts_serves_its_rows_as_they_are),
        cmocka_unit_test(erasure_reaches_the_counts),
        cmocka_unit_test(without_features_short_sessions_lean_towards_the_mean_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
