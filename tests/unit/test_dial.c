/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dial from collaborative to multimodal works at every rank of the features: at both ends and
 * by every kind of likeness, there are lists with different scores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"
#include "core/train/loop/prepare.h"
#include "core/train/loop/train.h"

enum { DIM = 64, ITEMS = 200, USERS = 120, GROUPS = 5, TAKEN = 12, WIDTH = 80, K = 20 };

typedef struct shop_of_rank {
    dataset *d;
    float features[ITEMS * WIDTH];
    feature_table table;
    live *l;
    live_hold hold;
    recommend_scratch *scratch;
} shop_of_rank;

/* make_dataset draws features in `rank` random directions. Users prefer a group of items that the
 * features do not show. */
static void make_dataset(shop_of_rank *s, size_t rank)
{
    static float axes[WIDTH * WIDTH];
    rng r;
    err e = ERR_INIT;
    rng_init(&r, 100 + rank, 0);
    for (size_t i = 0; i < rank * WIDTH; i++) {
        axes[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        float *x = s->features + i * WIDTH;
        for (size_t j = 0; j < WIDTH; j++) {
            x[j] = 0.5F;
        }
        for (size_t a = 0; a < rank; a++) {
            float along = (float)rng_normal(&r);
            for (size_t j = 0; j < WIDTH; j++) {
                x[j] += along * axes[a * WIDTH + j];
            }
        }
    }
    s->table = (feature_table){s->features, ITEMS, WIDTH};
    assert_int_equal(dataset_new(&s->d, USERS, ITEMS, &e), ERR_OK);
    s->d->modalities = mem_array(1, sizeof *s->d->modalities);
    s->d->train = mem_array(USERS * TAKEN, sizeof *s->d->train);
    assert_true(s->d->modalities != NULL && s->d->train != NULL);
    s->d->modalities[0] = feature_source_table("text", &s->table, 3);
    s->d->modality_count = 1;
    for (uint32_t u = 0; u < USERS; u++) {
        for (size_t n = 0; n < TAKEN; n++) {
            uint32_t item = rng_below(&r, ITEMS / GROUPS) * GROUPS + u % GROUPS;
            s->d->train[s->d->train_count++] = (pair){u, item, 1, 0};
        }
    }
    s->d->train_count = pairs_sort(s->d->train, s->d->train_count);
}

static model *train(const shop_of_rank *s)
{
    train_options o = TRAIN_OPTIONS_INIT;
    train_hooks h = {0};
    model *m = NULL;
    err e = ERR_INIT;
    o.epochs = 5;
    o.batch = 256;
    o.lr = 0.01;
    o.threads = 2;
    assert_int_equal(train_run(&m, s->d, &o, &h, &e), ERR_OK);
    return m;
}

static void serve(shop_of_rank *s, model *m)
{
    live_options lo = {0};
    base_options bo = {.generation = 1, .threads = 1};
    base *b = NULL;
    err e = ERR_INIT;
    char id[32];
    assert_int_equal(live_new(&s->l, &lo, &e), ERR_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(id, sizeof id, "item %u", i);
        change_item item = {.row = i, .created = true, .id = slice_of(id)};
        assert_int_equal(live_load_item(s->l, &item, &e), ERR_OK);
    }
    for (uint32_t u = 0, k = 0; u < USERS; u++) {
        live_edge edges[TAKEN];
        size_t count = 0;
        for (; k < s->d->train_count && s->d->train[k].user == u; k++) {
            edges[count++] = (live_edge){
                .item = s->d->train[k].item, .weight = 1, .flags = EDGE_IN_GRAPH | EDGE_SEEN};
        }
        snprintf(id, sizeof id, "user %u", u);
        assert_int_equal(live_load_user(s->l, u, slice_of(id), edges, count, &e), ERR_OK);
    }
    assert_int_equal(live_load_end(s->l, 1, &e), ERR_OK);
    assert_int_equal(base_new(&b, m, &bo, &e), ERR_OK);
    assert_int_equal(live_activate(s->l, b, 1, &e), ERR_OK);
    assert_int_equal(recommend_scratch_new(&s->scratch, &e), ERR_OK);
    live_acquire(s->l, &s->hold);
}

static void shop_close(shop_of_rank *s)
{
    live_release(s->l, &s->hold);
    recommend_scratch_free(s->scratch);
    live_free(s->l);
    dataset_free(s->d);
}

/* check_ranked asserts that scores decrease from place to place, by more than rounding errors. */
static void check_ranked(const recommend_result *r)
{
    assert_int_equal(r->count, K);
    float first = r->hits[0].score, last = r->hits[K - 1].score;
    assert_true(first - last > 1e-4F * fabsf(first) && fabsf(first) > 1e-9F);
}

static void check_dial(const shop_of_rank *s, uint32_t user)
{
    err e = ERR_INIT;
    recommend_result r;
    double parts[2] = {0};
    for (int balance = 0; balance <= 10; balance += 5) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        q.user = user;
        q.k = K;
        q.explain = true;
        q.balance = (float)balance / 10;
        assert_int_equal(recommend(s->hold.view, &q, s->scratch, &r, &e), ERR_OK);
        assert_int_equal(r.fallback, FALLBACK_NONE);
        check_ranked(&r);
        for (size_t i = 0; i < r.count && balance == 5; i++) {
            const recommend_hit *hit = &r.hits[i];
            parts[0] += fabs((double)hit->collaborative);
            parts[1] += fabs((double)hit->multimodal);
            assert_true(fabsf(hit->collaborative + hit->multimodal - hit->score) < 1e-4F);
        }
    }
    assert_true(parts[0] > 1e-3 * parts[1] && parts[1] > 1e-3 * parts[0]);
}

static void check_similar(const shop_of_rank *s, uint32_t item)
{
    err e = ERR_INIT;
    for (int by = SIMILAR_ALL; by <= SIMILAR_MULTIMODAL; by++) {
        list_query q = {.k = K};
        recommend_result r;
        assert_int_equal(similar(s->hold.view, item, (similar_by)by, &q, s->scratch, &r, &e),
                         ERR_OK);
        assert_int_equal(r.count, K);
        assert_true(r.hits[0].score > 1e-3F);
    }
}

static void no_end_of_the_dial_is_dead_at_any_rank_of_the_features(void **state)
{
    (void)state;
    static shop_of_rank s;
    static const size_t ranks[] = {0, 1, 5, 20, 32, 63, 64};
    for (size_t n = 0; n < sizeof ranks / sizeof ranks[0]; n++) {
        memset(&s, 0, sizeof s);
        make_dataset(&s, ranks[n]);
        model *m = train(&s);
        prepared p = {.modalities = m->modalities, .modality_count = 1};
        assert_int_equal(prepared_rank(&p, DIM), ranks[n]);
        for (size_t j = 0; j < DIM; j++) { /* no dimension is wasted */
            double square = 0;
            for (size_t i = 0; i < ITEMS; i++) {
                square += (double)m->item_e[i * DIM + j] * (double)m->item_e[i * DIM + j];
            }
            assert_true(sqrt(square / ITEMS) > 1e-3);
        }
        serve(&s, m);
        for (uint32_t user = 0; user < USERS; user += 7) {
            check_dial(&s, user);
            check_similar(&s, user);
        }
        shop_close(&s);
    }
}

/* Only the columns that content leaves empty are drawn, and only for items with interactions. */
static void what_content_fills_is_left_as_it_is(void **state)
{
    (void)state;
    static shop_of_rank s;
    memset(&s, 0, sizeof s);
    make_dataset(&s, 20);
    train_options o = TRAIN_OPTIONS_INIT;
    prepare_hooks h = {0};
    prepared p;
    err e = ERR_INIT;
    assert_int_equal(prepare_run(&p, s.d, &o, &h, &e), ERR_OK);
    float *e0 = mem_array((USERS + ITEMS) * DIM, sizeof *e0);
    assert_non_null(e0);
    prepare_initial(&p, s.d, &o, e0);
    for (size_t i = 0; i < ITEMS; i++) {
        const float *row = e0 + (USERS + i) * DIM;
        bool taken = false;
        for (size_t k = 0; k < s.d->train_count; k++) {
            taken = taken || s.d->train[k].item == i;
        }
        for (size_t j = 0; j < 20; j++) {
            assert_true(fabsf(row[j] - p.modalities[0].content[i * DIM + j]) < 1e-6F);
        }
        for (size_t j = 20; j < DIM; j++) {
            assert_int_equal(row[j] != 0, taken);
        }
    }
    mem_free(e0);
    prepared_fini(&p);
    dataset_free(s.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_end_of_the_dial_is_dead_at_any_rank_of_the_features),
        cmocka_unit_test(what_content_fills_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
