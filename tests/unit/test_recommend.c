/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists against brute force over plain arrays, and the guarantees of every list.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/propagate.h"
#include "tests/support/shop.h"
#include "tests/support/shop_lists.h"
#include "tests/support/shop_user.h"

static void recommend_equals_brute_force_under_random_queries(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 21, &shop_plain);
    shop *s = f.shop;
    size_t beside = 0;
    for (unsigned round = 0; round < 3000; round++) {
        shop_query_room room;
        recommend_query q = shop_query(s, &room);
        shop_check_list(&f, &q);
        if (round % 20 == 0) {
            live_release(s->live, &f.hold);
            shop_step(s);
            live_acquire(s->live, &f.hold);
        }
        beside = f.hold.view->delta_count;
    }
    assert_true(beside > 20); /* otherwise the vectors beside the index were not tested */
    fixture_close(&f);
}

static void the_lists_stay_right_through_background_runs_and_generations(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 22, &shop_plain);
    shop *s = f.shop;
    propagate_options once = {.threads = 1};
    for (unsigned round = 0; round < 24; round++) {
        base *b = NULL;
        bool swapped = false;
        err e = ERR_INIT;
        assert_int_equal(propagate_run(&b, f.hold.view, &once, &e), ERR_OK);
        live_release(s->live, &f.hold);
        for (unsigned i = 0; i < 15; i++) {
            shop_step(s); /* changes during the run */
        }
        if (round % 8 == 7) {
            shop_activate(s, round, &shop_plain);
        }
        live_hold before;
        live_acquire(s->live, &before);
        assert_int_equal(live_swap(s->live, b, &swapped, &e), ERR_OK);
        assert_int_equal(swapped, round % 8 != 7);
        live_acquire(s->live, &f.hold);
        shop_check(s, f.hold.view);
        for (uint32_t row = 0; row < s->item_rows; row++) {
            unsigned placed = view_item_flags(before.view, row) & ITEM_PLACED;
            assert_true(placed == 0 || (view_item_flags(f.hold.view, row) & ITEM_PLACED) != 0);
        }
        live_release(s->live, &before);
        for (uint32_t user = 0; user < s->user_rows; user++) {
            recommend_query q = RECOMMEND_QUERY_INIT;
            q.user = user;
            q.k = 40;
            if (s->users[user].exists) {
                shop_check_list(&f, &q);
            }
        }
    }
    fixture_close(&f);
}

/* After a background run, and before the next write, a request computes the same row for a user as
 * a convolution of the whole graph. */
static void a_users_row_is_that_of_the_whole_convolution(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 23, &shop_plain);
    shop *s = f.shop;
    propagate_options once = {.threads = 1};
    base *b = NULL;
    bool swapped = false;
    assert_int_equal(propagate_run(&b, f.hold.view, &once, NULL), ERR_OK);
    live_release(s->live, &f.hold);
    assert_int_equal(live_swap(s->live, b, &swapped, NULL), ERR_OK);
    live_acquire(s->live, &f.hold);
    const view *v = f.hold.view;
    static float embedding[SHOP_USERS_MAX][SHOP_DIM], h[SHOP_USERS_MAX][SHOP_DIM];
    static float items[SHOP_ITEMS_MAX][SHOP_DIM], item_h[SHOP_ITEMS_MAX][SHOP_DIM];
    static pair pairs[SHOP_USERS_MAX * SHOP_EDGES_MAX];
    size_t count = 0, compared = 0;
    for (uint32_t user = 0; user < s->user_rows; user++) {
        for (size_t i = 0; i < s->users[user].edge_count; i++) {
            const live_edge *in = &s->users[user].edges[i];
            if ((in->flags & EDGE_IN_GRAPH) != 0 && s->items[in->item].exists) {
                pairs[count++] = (pair){user, in->item, in->weight, in->time};
            }
        }
    }
    count = pairs_sort(pairs, count);
    for (uint32_t row = 0; row < s->item_rows; row++) {
        const float *known = view_vector(v, row, VECTOR_E);
        memcpy(items[row], known != NULL ? known : (float[SHOP_DIM]){0}, sizeof items[row]);
    }
    for (uint32_t user = 0; user < s->user_rows; user++) {
        shop_own own[SHOP_EDGES_MAX];
        double row[SHOP_DIM];
        size_t n = shop_profile(s, user, NULL, 0, own);
        shop_user_e(v, user, own, n, row);
        for (size_t j = 0; j < SHOP_DIM && n > 0; j++) {
            embedding[user][j] = (float)row[j];
        }
    }
    fsc_tables whole = {.users = s->user_rows,
                        .items = s->item_rows,
                        .dim = SHOP_DIM,
                        .layers = (uint32_t)v->base->layers,
                        .w = v->base->w,
                        .f = v->base->f,
                        .user_e = embedding[0],
                        .item_e = items[0],
                        .pairs = pairs,
                        .pair_count = count,
                        .threads = 1,
                        .user_h = h[0],
                        .item_h = item_h[0]};
    assert_int_equal(fsc_propagate(&whole, NULL), ERR_OK);
    for (uint32_t user = 0; user < s->user_rows; user++) {
        float made[SHOP_DIM];
        if (recommend_user_vector(v, user, NULL, 0, f.scratch, made)) {
            compared++;
            for (size_t j = 0; j < SHOP_DIM; j++) {
                assert_true(fabsf(made[j] - h[user][j]) < 1e-5F);
            }
        }
    }
    assert_true(compared > 30);
    fixture_close(&f);
}

/* The session repeats items that the user already has. */
static void reasons_are_items_on_show_and_none_is_named_twice(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 28, NULL);
    size_t reasons = 0, hidden = 0;
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        const shop_user *u = &f.shop->users[user];
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result got;
        session_item session[2 * SHOP_EDGES_MAX];
        for (size_t i = 0; i < 2 * u->edge_count; i++) {
            session[i] = (session_item){u->edges[i % u->edge_count].item, 1};
            hidden += f.shop->items[session[i].item].hidden;
        }
        q.user = user;
        q.session = session;
        q.session_count = 2 * u->edge_count;
        q.explain = true;
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        for (size_t i = 0; i < got.count && !got.hits[i].popular; i++) {
            const recommend_hit *hit = &got.hits[i];
            for (size_t n = 0; n < hit->because_count; n++, reasons++) {
                assert_int_equal(view_item_flags(f.hold.view, hit->because[n].item) & ITEM_HIDDEN,
                                 0);
                for (size_t other = 0; other < n; other++) {
                    assert_int_not_equal(hit->because[n].item, hit->because[other].item);
                }
            }
        }
    }
    assert_true(hidden > 20);
    assert_true(reasons > 100);
    fixture_close(&f);
}

static void explained_parts_sum_to_the_score_at_every_balance(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 24, NULL); /* with the content affinity */
    size_t leaning = 0, reasons = 0;
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        for (unsigned step = 0; step <= 10; step++) {
            recommend_query q = RECOMMEND_QUERY_INIT;
            recommend_result got;
            q.user = user;
            q.k = 100;
            q.explain = true;
            q.balance = (float)step / 10;
            assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
            for (size_t i = 0; i < got.count && !got.hits[i].popular; i++) {
                const recommend_hit *hit = &got.hits[i];
                float sum = hit->collaborative + hit->multimodal;
                assert_true(fabsf(sum - hit->score) <= 1e-5F * fmaxf(1, fabsf(hit->score)));
                assert_true(step != 0 || hit->multimodal == 0);
                assert_true(step != 10 || hit->collaborative == 0);
                leaning += view_slot(f.hold.view, hit->row) != SIZE_MAX;
                for (size_t n = 0; n < hit->because_count; n++, reasons++) {
                    assert_true(hit->because[n].similarity > 0 && hit->because[n].similarity <= 1);
                    assert_true(n == 0 ||
                                hit->because[n].similarity <= hit->because[n - 1].similarity);
                    assert_int_not_equal(hit->because[n].item, hit->row);
                }
            }
        }
    }
    assert_true(leaning > 50);
    assert_true(reasons > 100);
    fixture_close(&f);
}

static double mean_likeness(const view *v, const recommend_result *got)
{
    double sum = 0;
    size_t pairs = 0;
    for (size_t a = 0; a < got->count; a++) {
        for (size_t b = 0; b < a; b++, pairs++) {
            float one[SHOP_DIM], other[SHOP_DIM];
            double dot = 0, first = 0, second = 0;
            assert_true(view_item_vector(v, got->hits[a].row, one));
            assert_true(view_item_vector(v, got->hits[b].row, other));
            for (size_t j = 0; j < SHOP_DIM; j++) {
                dot += (double)one[j] * (double)other[j];
                first += (double)one[j] * (double)one[j];
                second += (double)other[j] * (double)other[j];
            }
            sum += dot / sqrt(first * second);
        }
    }
    return sum / (double)pairs;
}

static void more_diversity_means_less_likeness_within_the_lists(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 25, &shop_plain);
    double before = 2;
    for (unsigned step = 0; step <= 5; step++) {
        double sum = 0;
        for (uint32_t user = 0; user < 40; user++) {
            recommend_query q = RECOMMEND_QUERY_INIT;
            recommend_result got;
            q.user = user;
            q.include_seen = true;
            q.diversity = (float)step / 5;
            assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
            if (got.count == 10 && !got.hits[9].popular) {
                sum += mean_likeness(f.hold.view, &got);
            }
        }
        assert_true(sum / 40 < before);
        before = sum / 40;
    }
    fixture_close(&f);
}

static void a_diverse_list_holds_no_item_twice_and_pages_fit_together(void **state)
{
    (void)state;
    enum { WHOLE = 120, PAGE = 15 };
    fixture f;
    fixture_open(&f, 26, &shop_plain);
    for (unsigned step = 1; step <= 5; step++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result got;
        uint32_t whole[WHOLE];
        q.user = 3;
        q.diversity = (float)step / 5;
        q.k = WHOLE;
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        assert_int_equal(got.count, WHOLE);
        assert_false(got.hits[WHOLE - 1].popular);
        for (size_t i = 0; i < WHOLE; i++) {
            whole[i] = got.hits[i].row;
            for (size_t n = 0; n < i; n++) {
                assert_int_not_equal(whole[n], whole[i]);
            }
        }
        q.k = PAGE;
        for (q.offset = 0; q.offset < WHOLE; q.offset += PAGE) {
            assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
            assert_int_equal(got.count, PAGE);
            for (size_t i = 0; i < PAGE; i++) {
                assert_int_equal(got.hits[i].row, whole[q.offset + i]);
            }
        }
    }
    fixture_close(&f);
}

static void fallbacks_have_their_reasons(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    recommend_scratch *scratch = NULL;
    assert_int_equal(recommend_scratch_new(&scratch, NULL), ERR_OK);
    shop_init(s, 27);
    live_hold hold;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    live_acquire(s->live, &hold);
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_NO_MODEL);
    assert_int_equal(got.count, 0);
    live_release(s->live, &hold);
    shop_fill(s, 30, 5, 40);
    uint32_t quiet = shop_add_user(s);
    shop_activate(s, 1, NULL);
    live_acquire(s->live, &hold);
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_UNKNOWN_USER);
    q.nobody = true;
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_NO_CANDIDATES);
    q.nobody = false;
    q.user = quiet;
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_NEW_USER);
    assert_true(got.count == 10 && got.hits[0].popular);
    q.user = 0;
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_NONE);
    q.k = 100;
    live_release(s->live, &hold);
    s->items[0].hidden = false;
    s->items[0].has_text = s->items[0].has_image = false;
    uint32_t plain_item = shop_add_item(s);
    s->items[plain_item].hidden = s->items[plain_item].has_text = false;
    s->items[plain_item].has_image = false;
    shop_put_item(s, plain_item, true);
    live_acquire(s->live, &hold);
    assert_int_equal(view_item_flags(hold.view, plain_item), ITEM_EXISTS);
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_NO_CANDIDATES);
    assert_true(got.hits[got.count - 1].popular && !got.hits[0].popular);
    session_item session = {plain_item, 1}; /* has no vector */
    q.session = &session;
    q.session_count = 1;
    q.user = ROW_NONE;
    assert_int_equal(recommend(hold.view, &q, scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.fallback, FALLBACK_UNKNOWN_USER);
    live_release(s->live, &hold);
    recommend_scratch_free(scratch);
    shop_fini(s);
    mem_free(s);
}

static void popular_and_latest_equal_brute_force(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 28, NULL);
    const shop *s = f.shop;
    for (unsigned round = 0; round < 400; round++) {
        shop_filter_room room;
        filter filtered = shop_filter(f.shop, &room);
        list_query q = {.k = 1 + rng_below(&f.shop->random, 40),
                        .offset = rng_below(&f.shop->random, 30),
                        .filter = round % 3 == 0 ? NULL : &filtered};
        static shop_scored want[SHOP_ITEMS_MAX];
        size_t count = 0;
        bool newest = round % 2 == 0;
        for (uint32_t row = 0; row < s->item_rows; row++) {
            if (s->items[row].exists && !s->items[row].hidden &&
                (q.filter == NULL || shop_passes(s, row, q.filter))) {
                want[count++] = (shop_scored){.row = row, .score = shop_place_in(&f, newest, row)};
            }
        }
        qsort(want, count, sizeof want[0], shop_by_score);
        recommend_result got;
        err_code code = newest ? latest(f.hold.view, &q, f.scratch, &got, NULL)
                               : popular(f.hold.view, &q, f.scratch, &got, NULL);
        assert_int_equal(code, ERR_OK);
        size_t reach = count < q.offset + q.k ? count : q.offset + q.k;
        assert_int_equal(got.count, reach > q.offset ? reach - q.offset : 0);
        for (size_t i = 0; i < got.count; i++) {
            assert_int_equal(got.hits[i].row, want[q.offset + i].row);
        }
    }
    fixture_close(&f);
}

/* The last items were deleted. After a restart only the model knows their rows. */
static void a_generation_may_know_rows_that_the_shop_has_no_more(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 36, &shop_plain);
    size_t rows = f.shop->item_rows;
    live_release(f.shop->live, &f.hold);
    f.shop->item_rows = 9000;
    shop_activate(f.shop, 3, &shop_plain);
    f.shop->item_rows = rows;
    live_acquire(f.shop->live, &f.hold);
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        list_query nearest = {.k = 500};
        recommend_result got;
        q.user = user;
        q.k = 700;
        if (f.shop->users[user].exists) {
            shop_check_list(&f, &q);
        }
        assert_int_equal(similar(f.hold.view, user, SIMILAR_ALL, &nearest, f.scratch, &got, NULL),
                         ERR_OK);
        for (size_t i = 0; i < got.count; i++) {
            assert_true(got.hits[i].row < rows);
        }
    }
    fixture_close(&f);
}

static void numbers_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 32, NULL);
    struct {
        recommend_query q;
        const char *start;
    } cases[] = {
        {RECOMMEND_QUERY_INIT, "k: 0"},          {RECOMMEND_QUERY_INIT, "k: 900"},
        {RECOMMEND_QUERY_INIT, "balance: 1.5"},  {RECOMMEND_QUERY_INIT, "balance: nan"},
        {RECOMMEND_QUERY_INIT, "diversity: -1"}, {RECOMMEND_QUERY_INIT, "items[0].weight"},
    };
    session_item bad = {0, -1};
    cases[0].q.k = 0;
    cases[1].q.k = 900;
    cases[1].q.offset = 101;
    cases[2].q.balance = 1.5F;
    cases[3].q.balance = NAN;
    cases[4].q.diversity = -1;
    cases[5].q.session = &bad;
    cases[5].q.session_count = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err e = ERR_INIT;
        recommend_result got;
        assert_int_equal(recommend(f.hold.view, &cases[i].q, f.scratch, &got, &e), ERR_INVALID);
        assert_memory_equal(e.text, cases[i].start, strlen(cases[i].start));
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recommend_equals_brute_force_under_random_queries),
        cmocka_unit_test(the_lists_stay_right_through_background_runs_and_generations),
        cmocka_unit_test(a_users_row_is_that_of_the_whole_convolution),
        cmocka_unit_test(reasons_are_items_on_show_and_none_is_named_twice),
        cmocka_unit_test(explained_parts_sum_to_the_score_at_every_balance),
        cmocka_unit_test(more_diversity_means_less_likeness_within_the_lists),
        cmocka_unit_test(a_diverse_list_holds_no_item_twice_and_pages_fit_together),
        cmocka_unit_test(fallbacks_have_their_reasons),
        cmocka_unit_test(popular_and_latest_equal_brute_force),
        cmocka_unit_test(a_generation_may_know_rows_that_the_shop_has_no_more),
        cmocka_unit_test(numbers_out_of_range_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
