/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live tables against plain arrays: every change, held views, failures, readers during writes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "tests/support/shop.h"

static void the_view_says_what_the_changes_said(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    shop_init(s, 11);
    shop_fill(s, 150, 30, 200);
    live_hold hold;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 20; i++) {
            shop_step(s);
        }
        if (round == 20) {
            shop_activate(s, 1, NULL);
        }
        live_acquire(s->live, &hold);
        shop_check(s, hold.view);
        live_release(s->live, &hold);
    }
    shop_fini(s);
    mem_free(s);
}

static void a_held_view_stays_what_it_was_while_hundreds_of_writes_pass(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s), *then = mem_array(1, sizeof *then);
    shop_init(s, 12);
    shop_fill(s, 100, 20, 150);
    memcpy(then, s, sizeof *then);
    live_hold hold;
    live_acquire(s->live, &hold);
    for (unsigned i = 0; i < 400; i++) {
        shop_step(s);
    }
    shop_check(then, hold.view);
    assert_true(live_reclaim(s->live) > 0);
    live_release(s->live, &hold);
    assert_int_equal(live_reclaim(s->live), 0);
    live_acquire(s->live, &hold);
    shop_check(s, hold.view);
    live_release(s->live, &hold);
    shop_fini(s);
    mem_free(s);
    mem_free(then);
}

static void a_deleted_id_that_comes_back_gets_a_row_of_its_own(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    shop_init(s, 13);
    shop_fill(s, 3, 1, 0);
    live_hold before, after;
    live_acquire(s->live, &before);
    shop_drop_item(s, 1);
    uint32_t row = (uint32_t)s->item_rows++;
    s->items[row] = s->items[1];
    s->items[row].exists = true;
    s->items[row].hidden = false;
    shop_put_item(s, row, true);
    live_acquire(s->live, &after);
    assert_int_equal(view_item_find(before.view, slice_of("item 1")), 1);
    assert_int_equal(view_item_find(after.view, slice_of("item 1")), row);
    live_release(s->live, &before);
    live_release(s->live, &after);
    shop_fini(s);
    mem_free(s);
}

/* A large op with every kind of change, applied with the n-th allocation failing. */
static void a_failed_apply_leaves_the_published_view_as_it_was(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    shop_init(s, 14);
    shop_fill(s, 60, 10, 80);
    shop_activate(s, 1, NULL);
    s->items[60] = s->items[2];
    snprintf(s->items[60].id, sizeof s->items[60].id, "item 60");
    s->items[60].has_text = true;
    shop_change_room rooms[2];
    change changes[] = {
        shop_item_change(s, 60, true, &rooms[0]),
        shop_item_change(s, 3, true, &rooms[1]),
        {.kind = CHANGE_ITEM_GONE, .row = {.row = 5}},
        {.kind = CHANGE_USER, .row = {.row = 10, .id = slice_of("somebody")}},
        {.kind = CHANGE_EDGE,
         .edge = {.user = 10, .item = 60, .flags = EDGE_IN_GRAPH, .weight = 1}},
        {.kind = CHANGE_USER_GONE, .row = {.row = 2}},
        {.kind = CHANGE_EDGE, .edge = {.user = 3, .item = 7, .flags = EDGE_SEEN, .weight = 1}},
    };
    change_list list = {changes, sizeof changes / sizeof changes[0], s->seq + 1};
    err_code code = ERR_NOMEM;
    long nth = 0;
    for (; code != ERR_OK; nth++) {
        live_hold hold;
        live_acquire(s->live, &hold);
        mem_fail_at(nth);
        code = live_apply(s->live, &list, NULL);
        mem_fail_at(-1);
        if (code == ERR_OK) {
            live_release(s->live, &hold);
            break;
        }
        assert_int_equal(code, ERR_NOMEM);
        live_hold now;
        live_acquire(s->live, &now);
        assert_ptr_equal(now.view, hold.view);
        shop_check(s, now.view);
        assert_int_equal(view_user_find(now.view, slice_of("somebody")), ROW_NONE);
        live_release(s->live, &now);
        live_release(s->live, &hold);
        assert_true(nth < 500);
    }
    assert_true(nth > 30); /* so that a run without any failure is noticed */
    live_hold hold;
    live_acquire(s->live, &hold);
    assert_int_equal(view_item_find(hold.view, slice_of("item 60")), 60);
    assert_int_equal(view_user_find(hold.view, slice_of("somebody")), 10);
    assert_int_equal(view_item_users(hold.view, 60), 1);
    live_release(s->live, &hold);
    shop_fini(s);
    mem_free(s);
}

static void loading_gives_the_same_view_as_applying(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    shop_init(s, 15);
    shop_fill(s, 120, 25, 300);
    for (unsigned i = 0; i < 300; i++) {
        shop_step(s);
    }
    live *applied = s->live;
    err e = ERR_INIT;
    assert_int_equal(live_new(&s->live, NULL, &e), ERR_OK);
    for (uint32_t row = 0; row < s->item_rows; row++) {
        shop_change_room room;
        change c = shop_item_change(s, row, true, &room);
        if (s->items[row].exists) {
            assert_int_equal(live_load_item(s->live, c.item, &e), ERR_OK);
        }
    }
    for (uint32_t row = 0; row < s->user_rows; row++) {
        const shop_user *user = &s->users[row];
        if (user->exists) {
            assert_int_equal(
                live_load_user(s->live, row, slice_of(user->id), user->edges, user->edge_count, &e),
                ERR_OK);
        }
    }
    assert_int_equal(live_load_end(s->live, s->seq, &e), ERR_OK);
    size_t rows = s->item_rows;
    while (!s->items[s->item_rows - 1].exists) {
        s->item_rows--; /* after a load, empty rows at the end are unknown */
    }
    live_hold hold;
    live_acquire(s->live, &hold);
    shop_check(s, hold.view);
    live_release(s->live, &hold);
    s->item_rows = rows;
    live_free(applied);
    shop_fini(s);
    mem_free(s);
}

/* Every op of the writer hides one of two items and shows the other, so exactly one is hidden in
 * every view. It also moves an edge from one user to another, so the item keeps its degree. */
typedef struct race {
    live *live;
    atomic_bool stop;
    atomic_ulong reads, torn;
} race;

static void *race_reader(void *ctx)
{
    race *r = ctx;
    recommend_scratch *scratch = NULL;
    unsigned long torn = recommend_scratch_new(&scratch, NULL) != ERR_OK;
    uint64_t last = 0;
    while (!atomic_load(&r->stop)) {
        live_hold hold;
        live_acquire(r->live, &hold);
        unsigned first = view_item_flags(hold.view, 0), second = view_item_flags(hold.view, 1);
        torn += (first & ITEM_HIDDEN) == (second & ITEM_HIDDEN);
        torn += view_item_degree(hold.view, 2) != 1 || view_item_users(hold.view, 2) != 1;
        torn += view_seq(hold.view) < last;
        last = view_seq(hold.view);
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result found;
        q.user = (uint32_t)(last % 4);
        q.k = 50;
        q.explain = true;
        torn += recommend(hold.view, &q, scratch, &found, NULL) != ERR_OK;
        for (size_t i = 0; i < found.count; i++) {
            torn += (view_item_flags(hold.view, found.hits[i].row) & ITEM_HIDDEN) != 0;
        }
        live_release(r->live, &hold);
        atomic_fetch_add(&r->reads, 1);
    }
    recommend_scratch_free(scratch);
    atomic_fetch_add(&r->torn, torn);
    return NULL;
}

static void race_write(shop *s, unsigned n)
{
    shop_change_room rooms[3];
    s->items[0].hidden = n % 2 == 0;
    s->items[1].hidden = n % 2 != 0;
    s->items[3].has_text = true;
    uint32_t from = n % 2, to = 1 - from;
    change changes[] = {
        shop_item_change(s, 0, false, &rooms[0]),
        shop_item_change(s, 1, false, &rooms[1]),
        shop_item_change(s, 70, true, &rooms[2]),
        {.kind = CHANGE_EDGE_GONE, .edge = {.user = from, .item = 2, .type = 0}},
        {.kind = CHANGE_EDGE,
         .edge = {.user = to, .item = 2, .type = 0, .flags = EDGE_IN_GRAPH, .weight = 1}},
    };
    change_list list = {changes, 5, ++s->seq};
    assert_int_equal(live_apply(s->live, &list, NULL), ERR_OK);
}

static void readers_never_see_half_of_an_op(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    shop_init(s, 16);
    shop_fill(s, 70, 4, 0);
    for (uint32_t row = 4; row < 40; row++) {
        shop_edge(s, row % 4, row, 0);
    }
    shop_activate(s, 1, NULL);
    shop_add_item(s);
    change edge = {.kind = CHANGE_EDGE,
                   .edge = {.user = 0, .item = 2, .flags = EDGE_IN_GRAPH, .weight = 1}};
    change_list list = {&edge, 1, ++s->seq};
    assert_int_equal(live_apply(s->live, &list, NULL), ERR_OK);
    race_write(s, 0);
    race r = {.live = s->live};
    pthread_t threads[3];
    for (int t = 0; t < 3; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, race_reader, &r), 0);
    }
    for (unsigned n = 1; n < 600 || atomic_load(&r.reads) < 600; n++) {
        race_write(s, n);
        if (n % 100 == 50) {
            shop_activate(s, n, NULL);
        }
    }
    atomic_store(&r.stop, true);
    for (int t = 0; t < 3; t++) {
        pthread_join(threads[t], NULL);
    }
    assert_int_equal(atomic_load(&r.torn), 0);
    assert_int_equal(live_reclaim(s->live), 0);
    shop_fini(s);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_view_says_what_the_changes_said),
        cmocka_unit_test(a_held_view_stays_what_it_was_while_hundreds_of_writes_pass),
        cmocka_unit_test(a_deleted_id_that_comes_back_gets_a_row_of_its_own),
        cmocka_unit_test(a_failed_apply_leaves_the_published_view_as_it_was),
        cmocka_unit_test(loading_gives_the_same_view_as_applying),
        cmocka_unit_test(readers_never_see_half_of_an_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
