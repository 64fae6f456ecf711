/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of a generation with links against brute force: every item scored one by one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/propagate.h"
#include "tests/support/shop.h"
#include "tests/support/shop_links.h"
#include "tests/support/shop_lists.h"

static void step(fixture *f)
{
    live_release(f->shop->live, &f->hold);
    shop_step(f->shop);
    live_acquire(f->shop->live, &f->hold);
}

static void run_in_background(fixture *f)
{
    base *b = NULL;
    bool swapped = false;
    propagate_options once = {.threads = 1};
    assert_int_equal(propagate_run(&b, f->hold.view, &once, NULL), ERR_OK);
    live_release(f->shop->live, &f->hold);
    assert_int_equal(live_swap(f->shop->live, b, &swapped, NULL), ERR_OK);
    assert_true(swapped);
    live_acquire(f->shop->live, &f->hold);
}

/* check_random_list compares one random list with brute force, and changes the shop now and then.
 */
static void check_random_list(fixture *f, unsigned round, bool exact)
{
    shop_query_room room;
    recommend_query q = shop_query(f->shop, &room);
    q.explain = rng_below(&f->shop->random, 2) == 0;
    q.exact = q.exact || exact;
    shop_check_list(f, &q);
    if (round % 10 == 0) {
        step(f);
    }
}

/* With filters, exclusions, seen and hidden items, sessions, pages, balance and parts, while items
 * and interactions are added and removed. Some items get other features after a background run. */
static void lists_with_links_equal_brute_force_under_random_queries(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 71);
    for (unsigned round = 0; round < 1500; round++) {
        check_random_list(&f, round, false);
        if (round == 500) {
            run_in_background(&f);
        }
        for (uint32_t row = 0; round == 501 && row < f.shop->item_rows; row++) {
            if (f.shop->items[row].exists && view_later_list(f.hold.view, row) != NULL) {
                f.shop->items[row].has_text = true;
                f.shop->items[row].text[0] += 2;
                live_release(f.shop->live, &f.hold);
                shop_put_item(f.shop, row, true);
                live_acquire(f.shop->live, &f.hold);
            }
        }
    }
    assert_true(f.hold.view->delta_count > 20);
    assert_true(f.hold.view->later_serial > 10);
    fixture_close(&f);
}

/* Each kind of index adds links in its own way. */
static void lists_with_links_are_right_whatever_the_index(void **state)
{
    (void)state;
    const index_kind kinds[] = {INDEX_FLOAT, INDEX_ANN};
    for (size_t n = 0; n < sizeof kinds / sizeof kinds[0]; n++) {
        fixture f;
        index_stats stats;
        fixture_open_linked(&f, 78);
        live_release(f.shop->live, &f.hold);
        f.shop->index = kinds[n];
        shop_activate(f.shop, 2, NULL);
        live_acquire(f.shop->live, &f.hold);
        index_stats_get(f.hold.view->base->index, &stats);
        assert_int_equal(stats.kind, kinds[n]);
        for (unsigned round = 0; round < 500; round++) {
            check_random_list(&f, round, true);
        }
        fixture_close(&f);
    }
}

static void check_everybody(const fixture *f)
{
    for (uint32_t user = 0; user < f->shop->user_rows; user++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        q.user = user;
        q.k = 40;
        q.explain = true;
        if (f->shop->users[user].exists) {
            shop_check_list(f, &q);
        }
    }
}

static void lists_with_links_stay_right_through_background_runs_and_generations(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 72);
    shop *s = f.shop;
    propagate_options once = {.threads = 1};
    size_t among = 0, beside = 0;
    for (unsigned round = 0; round < 16; round++) {
        base *b = NULL;
        bool swapped = false;
        assert_int_equal(propagate_run(&b, f.hold.view, &once, NULL), ERR_OK);
        live_release(s->live, &f.hold);
        for (unsigned i = 0; i < 25; i++) {
            shop_step(s); /* changes during the run */
        }
        if (round % 8 == 7) {
            shop_activate(s, round, NULL);
        }
        assert_int_equal(live_swap(s->live, b, &swapped, NULL), ERR_OK);
        assert_int_equal(swapped, round % 8 != 7);
        live_acquire(s->live, &f.hold);
        shop_check(s, f.hold.view);
        check_everybody(&f);
        for (uint32_t row = 0; row < s->item_rows; row++) {
            bool listed = view_later_list(f.hold.view, row) != NULL;
            among += listed && base_linked(f.hold.view->base, row);
            beside += listed && !base_linked(f.hold.view->base, row);
        }
    }
    assert_true(among > 50);
    assert_true(beside > 10);
    fixture_close(&f);
}

/* The lists of items that came after the training have the same effect beside the base as among its
 * links. */
static void a_background_run_moves_no_score_that_links_alone_make(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 73);
    const view *v = f.hold.view;
    base *b = NULL;
    assert_int_equal(propagate_run(&b, v, &(propagate_options){.threads = 1}, NULL), ERR_OK);
    size_t late = 0;
    for (uint32_t owned = 0; owned < b->items; owned++) {
        for (uint32_t target = 0; target < b->items; target++) {
            double before = shop_link_weight(v, LINKS_CONTENT, owned, target);
            double after = (double)links_weight(b->links, LINKS_CONTENT, owned, target);
            assert_true(fabs(before - after) < 1e-4);
            late += before > 0 && target >= v->base->items;
        }
    }
    assert_true(late > 100);
    base_release(b);
    fixture_close(&f);
}

/* A user who takes a new and an old item links them, once the background run has included it. */
static void an_items_collaborative_links_follow_in_the_background_run(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 76);
    shop *s = f.shop;
    uint32_t old = 0, item = 0;
    live_release(s->live, &f.hold);
    while (!s->items[old].exists) {
        old++;
    }
    item = shop_add_item(s);
    for (unsigned n = 0; n < 6; n++) {
        uint32_t user = shop_add_user(s);
        shop_edge(s, user, old, 0);
        shop_edge(s, user, item, 0);
    }
    live_acquire(s->live, &f.hold);
    assert_true(shop_link_weight(f.hold.view, LINKS_COLLABORATIVE, old, item) == 0);
    run_in_background(&f);
    assert_true(shop_link_weight(f.hold.view, LINKS_COLLABORATIVE, old, item) > 0);
    assert_true(shop_link_weight(f.hold.view, LINKS_COLLABORATIVE, item, old) > 0);
    check_everybody(&f);
    fixture_close(&f);
}

static void lists_without_features_equal_brute_force_under_random_queries(void **state)
{
    (void)state;
    fixture f;
    fixture_open_bare(&f, 80);
    for (unsigned round = 0; round < 800; round++) {
        check_random_list(&f, round, false);
        if (round == 400) {
            run_in_background(&f);
        }
    }
    fixture_close(&f);
}

/* A session's reasons share the part of the score that comes from links as their weights squared
 * do, if there are no features. */
static void reasons_without_features_have_squared_shares(void **state)
{
    (void)state;
    fixture f;
    fixture_open_bare(&f, 81);
    const view *v = f.hold.view;
    const session_item session[] = {{7, 1}, {14, 1}, {3, 1}};
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    size_t checked = 0;
    q.session = session;
    q.session_count = 3;
    q.k = 60;
    q.explain = true;
    assert_int_equal(recommend(v, &q, f.scratch, &got, NULL), ERR_OK);
    for (size_t i = 0; i < got.count; i++) {
        const recommend_hit *hit = &got.hits[i];
        double sum = 0, pull = (double)v->base->links->choice.recency[LINKS_COLLABORATIVE];
        for (size_t k = 0; k < 3; k++) {
            double w = shop_link_weight(v, LINKS_COLLABORATIVE, session[k].item, hit->row);
            sum += pow(pull, 2 - (double)k) * w * w;
        }
        for (size_t n = 0; n < hit->because_count && sum > 0; n++) {
            size_t k = hit->because[n].item == 7 ? 0 : hit->because[n].item == 14 ? 1 : 2;
            double w = shop_link_weight(v, LINKS_COLLABORATIVE, session[k].item, hit->row);
            double share = pow(pull, 2 - (double)k) * w * w / sum;
            assert_true(fabs((double)hit->because[n].similarity - share) < 1e-3);
            checked++;
        }
    }
    assert_true(checked > 10);
    fixture_close(&f);
}

/* Reasons are the items whose links led to the listed item, with their shares. */
static void reasons_name_the_links_that_led_to_an_item(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 77);
    const view *v = f.hold.view;
    size_t linked = 0, nearest = 0;
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result got;
        q.user = user;
        q.k = 100;
        q.explain = true;
        assert_int_equal(recommend(v, &q, f.scratch, &got, NULL), ERR_OK);
        for (size_t i = 0; i < got.count && !got.hits[i].popular; i++) {
            const recommend_hit *hit = &got.hits[i];
            double shares = 0, weight = 0;
            for (size_t n = 0; n < hit->because_count; n++) {
                uint32_t own = hit->because[n].item;
                double together = shop_link_weight(v, LINKS_COLLABORATIVE, own, hit->row);
                double alike = shop_link_weight(v, LINKS_CONTENT, own, hit->row);
                assert_true(n == 0 || (together + alike > 0) == (weight > 0));
                weight = together + alike;
                shares += (double)hit->because[n].similarity;
            }
            linked += weight > 0;
            nearest += hit->because_count > 0 && !(weight > 0);
            assert_true(!(weight > 0) || shares < 1.0001);
        }
    }
    assert_true(linked > 300);
    assert_true(nearest > 50);
    fixture_close(&f);
}

static void a_diverse_list_with_links_keeps_its_scores_and_its_pages(void **state)
{
    (void)state;
    enum { WHOLE = 60, PAGE = 12 };
    fixture f;
    fixture_open_linked(&f, 74);
    size_t listed = 0;
    for (uint32_t user = 0; user < f.shop->user_rows; user++) {
        static shop_scored want[SHOP_ITEMS_MAX];
        uint32_t whole[WHOLE];
        size_t personal = 0;
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result got;
        q.user = user;
        q.k = WHOLE;
        q.diversity = 0.4F;
        if (!f.shop->users[user].exists) {
            continue;
        }
        size_t all = shop_lists_expected(&f, &q, want, &personal);
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        for (size_t i = 0; i < got.count && !got.hits[i].popular; i++, listed++) {
            size_t at = 0;
            while (at < all && want[at].row != got.hits[i].row) {
                at++;
            }
            assert_true(at < 4 * WHOLE + 1); /* chosen from the best by score */
            assert_true(fabs(want[at].score - (double)got.hits[i].score) < 1e-4);
            whole[i] = got.hits[i].row;
        }
        for (q.k = PAGE; q.offset < WHOLE; q.offset += PAGE) {
            assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
            for (size_t i = 0; i < got.count && !got.hits[i].popular; i++) {
                assert_int_equal(got.hits[i].row, whole[q.offset + i]);
            }
        }
    }
    assert_true(listed > 1000);
    fixture_close(&f);
}

/* The last item of a session counts as the latest. */
static void a_session_means_its_order(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 75);
    size_t moved = 0;
    for (uint32_t item = 0; item < 60; item++) {
        session_item forth[] = {{item, 1}, {item + 1, 1}}, back[] = {{item + 1, 1}, {item, 1}};
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result got;
        q.nobody = true;
        q.session_count = 2;
        if (!f.shop->items[item].exists || !f.shop->items[item + 1].exists) {
            continue;
        }
        q.session = forth;
        shop_check_list(&f, &q);
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        float score = got.count > 0 ? got.hits[0].score : 0;
        q.session = back;
        shop_check_list(&f, &q);
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        moved += got.count > 0 && fabsf(got.hits[0].score - score) > 1e-4F;
    }
    assert_true(moved > 20);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_with_links_equal_brute_force_under_random_queries),
        cmocka_unit_test(lists_with_links_are_right_whatever_the_index),
        cmocka_unit_test(lists_with_links_stay_right_through_background_runs_and_generations),
        cmocka_unit_test(a_background_run_moves_no_score_that_links_alone_make),
        cmocka_unit_test(an_items_collaborative_links_follow_in_the_background_run),
        cmocka_unit_test(lists_without_features_equal_brute_force_under_random_queries),
        cmocka_unit_test(reasons_without_features_have_squared_shares),
        cmocka_unit_test(reasons_name_the_links_that_led_to_an_item),
        cmocka_unit_test(a_diverse_list_with_links_keeps_its_scores_and_its_pages),
        cmocka_unit_test(a_session_means_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
