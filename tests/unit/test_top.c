/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kept parts of the popular and latest lists against the whole order, under random changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/serve/query/top.h"
#include "tests/support/shop.h"

/* Small, so that lists are often cut, emptied and refilled. */
enum { TOP = 12, BULK = 20 };

typedef struct place {
    uint32_t row, users;
    int64_t created;
} place;

static int by_users(const void *a, const void *b)
{
    const place *one = a, *other = b;
    if (one->users != other->users) {
        return one->users > other->users ? -1 : 1;
    }
    if (one->users > 0) {
        return one->row < other->row ? -1 : 1;
    }
    return one->created != other->created ? (one->created > other->created ? -1 : 1)
           : one->row > other->row        ? -1
                                          : 1;
}

/* order lists every listable item, from the plain arrays. */
static size_t order(const shop *s, const view *v, top_kind kind, const filter *f, place *out)
{
    size_t count = 0;
    for (uint32_t row = 0; row < s->item_rows; row++) {
        const shop_item *item = &s->items[row];
        if (item->exists && !item->hidden && (f == NULL || shop_passes(s, row, f))) {
            uint32_t users = kind == TOP_USERS ? view_item_users(v, row) : 0;
            out[count++] = (place){row, users, item->created};
        }
    }
    qsort(out, count, sizeof *out, by_users);
    return count;
}

/* check_head asserts the invariant: the list is a prefix of the order, down to its threshold. */
static void check_head(const shop *s, const view *v, top_kind kind)
{
    static place want[SHOP_ITEMS_MAX];
    const top_list *list = v->top[kind];
    size_t count = order(s, v, kind, NULL, want);
    assert_non_null(list);
    assert_true(list->count <= 2 * TOP);
    assert_true(list->whole ? list->count == count : list->count >= TOP / 2);
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(list->keys[i].row, want[i].row);
    }
}

/* How a list was answered. Each way must have occurred, or it was not tested. */
typedef struct tally {
    size_t kept, scanned, cut, filled;
} tally;

static void check_lists(shop *s, const view *v, recommend_scratch *scratch, tally *t)
{
    static place want[SHOP_ITEMS_MAX];
    rng *r = &s->random;
    for (int kind = 0; kind < TOP_KINDS; kind++) {
        shop_filter_room room;
        filter filtered = shop_filter(s, &room);
        uint32_t exclude[8];
        list_query q = {.k = 1 + rng_below(r, 15),
                        .offset = rng_below(r, 3) == 0 ? rng_below(r, 40) : 0,
                        .filter = rng_below(r, 3) == 0 ? &filtered : NULL,
                        .exclude = exclude,
                        .exclude_count = rng_below(r, 8)};
        for (size_t i = 0; i < q.exclude_count; i++) {
            exclude[i] = v->top[kind]->count > 0 && rng_below(r, 2) == 0
                             ? v->top[kind]->keys[rng_below(r, (uint32_t)v->top[kind]->count)].row
                             : rng_below(r, (uint32_t)s->item_rows);
        }
        check_head(s, v, (top_kind)kind);
        recommend_result got;
        err_code code = kind == TOP_USERS ? popular(v, &q, scratch, &got, NULL)
                                          : latest(v, &q, scratch, &got, NULL);
        assert_int_equal(code, ERR_OK);
        size_t all = order(s, v, (top_kind)kind, q.filter, want), passed = 0, listed = 0;
        for (size_t i = 0; i < all && listed < got.count; i++) {
            bool out = false;
            for (size_t n = 0; n < q.exclude_count; n++) {
                out = out || exclude[n] == want[i].row;
            }
            if (!out && passed++ >= q.offset) {
                assert_int_equal(got.hits[listed++].row, want[i].row);
            }
        }
        assert_int_equal(listed, got.count);
        assert_true(got.count == q.k || passed <= q.offset + q.k);
        uint32_t last = got.count > 0 ? got.hits[got.count - 1].row : 0;
        bool kept = false;
        for (size_t i = 0; i < v->top[kind]->count; i++) {
            kept = kept || v->top[kind]->keys[i].row == last;
        }
        t->kept += got.count == q.k && kept;
        t->scanned += got.count > 0 && !kept;
    }
}

/* bulk applies one op that shows, hides and changes the creation time of many items. */
static err_code bulk(shop *s)
{
    static shop_change_room rooms[BULK];
    change changes[3 * BULK];
    rng *r = &s->random;
    size_t count = 0;
    for (size_t i = 0; i < BULK; i++) {
        uint32_t row = rng_below(r, (uint32_t)s->item_rows);
        shop_item *item = &s->items[row];
        bool known = !item->exists;
        for (size_t n = 0; n < count; n++) {
            known = known || (changes[n].kind == CHANGE_ITEM && changes[n].item->row == row);
        }
        if (known) {
            continue;
        }
        item->hidden = rng_below(r, 2) == 0;
        item->created = rng_below(r, 2) == 0 ? item->created : (int64_t)rng_below(r, 1100);
        changes[count++] = shop_item_change(s, row, false, &rooms[i]);
    }
    change_list list = {changes, count, ++s->seq};

    return live_apply(s->live, &list, NULL);
}

static void open_shop(shop *s, uint64_t seed)
{
    err e = ERR_INIT;
    live_options options = {.top_rows = TOP};
    shop_init(s, seed);
    live_free(s->live);
    assert_int_equal(live_new(&s->live, &options, &e), ERR_OK);
    shop_fill(s, 120, 25, 250);
}

static void lists_follow_random_changes_and_equal_the_whole_order(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    recommend_scratch *scratch = NULL;
    tally t = {0};
    assert_int_equal(recommend_scratch_new(&scratch, NULL), ERR_OK);
    open_shop(s, 31);
    for (unsigned round = 0; round < 1500; round++) {
        live_hold before, after;
        live_acquire(s->live, &before);
        if (round % 5 == 0) {
            assert_int_equal(bulk(s), ERR_OK);
        } else {
            shop_step(s);
        }
        live_acquire(s->live, &after);
        for (int kind = 0; kind < TOP_KINDS; kind++) {
            const top_list *old = before.view->top[kind], *now = after.view->top[kind];
            t.cut += old->count > now->count + 1 && now->count == TOP && !now->whole;
            t.filled += !old->whole && now->count == TOP && old->count < TOP;
        }
        check_lists(s, after.view, scratch, &t);
        live_release(s->live, &before);
        live_release(s->live, &after);
    }
    assert_true(t.kept > 500 && t.scanned > 500 && t.cut > 5 && t.filled > 5);
    recommend_scratch_free(scratch);
    shop_fini(s);
    mem_free(s);
}

static void a_held_views_lists_stay_while_others_are_made(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s), *then = mem_array(1, sizeof *then);
    open_shop(s, 32);
    memcpy(then, s, sizeof *then);
    live_hold hold;
    live_acquire(s->live, &hold);
    for (unsigned i = 0; i < 300; i++) {
        shop_step(s);
    }
    for (int kind = 0; kind < TOP_KINDS; kind++) {
        check_head(then, hold.view, (top_kind)kind);
    }
    live_release(s->live, &hold);
    assert_int_equal(live_reclaim(s->live), 0);
    shop_fini(s);
    mem_free(s);
    mem_free(then);
}

static void an_op_that_fails_leaves_the_lists_and_the_next_one_is_right(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s), *tried = mem_array(1, sizeof *tried);
    size_t failed = 0;
    open_shop(s, 33);
    for (unsigned round = 0; round < 400; round++) {
        live_hold hold;
        memcpy(tried, s, sizeof *tried);
        mem_fail_at((long)rng_below(&s->random, 60));
        err_code code = bulk(tried);
        mem_fail_at(-1);
        if (code == ERR_OK) {
            memcpy(s, tried, sizeof *s);
        } else {
            failed++;
        }
        live_acquire(s->live, &hold);
        for (int kind = 0; kind < TOP_KINDS; kind++) {
            check_head(s, hold.view, (top_kind)kind);
        }
        live_release(s->live, &hold);
    }
    assert_true(failed > 20 && failed < 380);
    shop_fini(s);
    mem_free(s);
    mem_free(tried);
}

static void a_shop_that_grows_from_nothing_has_its_lists_from_the_first_item_on(void **state)
{
    (void)state;
    shop *s = mem_array(1, sizeof *s);
    err e = ERR_INIT;
    live_options options = {.top_rows = TOP};
    shop_init(s, 34);
    live_free(s->live);
    assert_int_equal(live_new(&s->live, &options, &e), ERR_OK);
    for (unsigned i = 0; i < 4 * TOP; i++) {
        live_hold hold;
        shop_add_item(s);
        live_acquire(s->live, &hold);
        check_head(s, hold.view, TOP_USERS);
        check_head(s, hold.view, TOP_CREATED);
        live_release(s->live, &hold);
    }
    shop_fini(s);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_follow_random_changes_and_equal_the_whole_order),
        cmocka_unit_test(a_held_views_lists_stay_while_others_are_made),
        cmocka_unit_test(an_op_that_fails_leaves_the_lists_and_the_next_one_is_right),
        cmocka_unit_test(a_shop_that_grows_from_nothing_has_its_lists_from_the_first_item_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
