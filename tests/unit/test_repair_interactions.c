/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interactions that differ between their user's and their item's side: what one side shows about
 * the other is restored; the rest is left and reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/records/records.h"
#include "tests/support/damaged_store.h"

enum { USERS = 8, ITEMS = 6, VIEWED = 77, CARTED = 78 };

/* --- a store with more interactions --- */

static void make(damaged_store *w)
{
    static const char *const types[] = {"purchase", "view", "cart"};
    damaged_make(w);
    assert_int_equal(apply_now(w->s, op_add("u", "b", "view", VIEWED), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "b", "cart", CARTED), NULL), ERR_OK);
    srand(7);
    for (int i = 0; i < 40; i++) {
        char user[16], item[16];
        snprintf(user, sizeof user, "user-%d", rand() % USERS);
        snprintf(item, sizeof item, "item-%d", rand() % ITEMS);
        (void)!apply_now(w->s, op_put_item(OP_ITEMS_PUT, item, item, NULL, 0), NULL);
        op *o = op_add(user, item, types[rand() % 3], 1000 + i);
        assert_int_equal(apply_now(w->s, o, NULL), ERR_OK);
    }
}

/* --- damages --- */

typedef struct edge_value {
    unsigned char key[4], value[EDGE_VALUE_BYTES];
} edge_value;

static edge_value nth_edge(damaged_store *w, store_db db, size_t nth)
{
    edge_value out;
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    store_write *write = damaged_begin(w);
    assert_int_equal(mdb_cursor_open(write->txn, w->s->dbi[db], &cursor), 0);
    for (size_t i = 0; i <= nth; i++) {
        int rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        assert_int_equal(rc == MDB_NOTFOUND ? mdb_cursor_get(cursor, &k, &v, MDB_FIRST) : rc, 0);
    }
    memcpy(out.key, k.mv_data, sizeof out.key);
    memcpy(out.value, v.mv_data, sizeof out.value);
    mdb_cursor_close(cursor);
    store_write_abort(write);
    return out;
}

/* replace replaces one record by another. With `to` NULL it removes the record. */
static void replace(damaged_store *w, store_db db, const edge_value *from, const edge_value *to)
{
    store_write *write = damaged_begin(w);
    MDB_val k = val_of(from->key, sizeof from->key);
    MDB_val v = val_of(from->value, sizeof from->value);
    assert_int_equal(mdb_del(write->txn, w->s->dbi[db], &k, &v), 0);
    if (to != NULL) {
        assert_int_equal(schema_put(write, db, bytes_of(to->key, sizeof to->key),
                                    bytes_of(to->value, sizeof to->value), NULL),
                         ERR_OK);
    }
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void lose(damaged_store *w, store_db db, size_t nth)
{
    edge_value x = nth_edge(w, db, nth);
    replace(w, db, &x, NULL);
}

/* alter changes one byte of a record's value. */
static void alter(damaged_store *w, store_db db, size_t at, unsigned char by)
{
    edge_value from = nth_edge(w, db, 3), to = from;
    to.value[at] ^= by;
    replace(w, db, &from, &to);
}

static void lost_under_items(damaged_store *w)
{
    lose(w, DB_BY_ITEM, 0);
    lose(w, DB_BY_ITEM, 5);
}

static void lost_under_users(damaged_store *w)
{
    lose(w, DB_BY_USER, 2);
}

static void another_lost_on_each_side(damaged_store *w)
{
    lose(w, DB_BY_USER, 0);
    lose(w, DB_BY_ITEM, 30);
}

static void all_lost_under_items(damaged_store *w)
{
    store_write *write = damaged_begin(w);
    assert_int_equal(mdb_drop(write->txn, w->s->dbi[DB_BY_ITEM], 0), 0);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void unknown_version(damaged_store *w)
{
    alter(w, DB_BY_ITEM, 7, 0x40);
}

static void item_that_does_not_exist(damaged_store *w)
{
    alter(w, DB_BY_USER, 1, 0x10);
}

static void user_that_does_not_exist(damaged_store *w)
{
    alter(w, DB_BY_ITEM, 0, 0x80);
}

static void type_that_does_not_exist(damaged_store *w)
{
    alter(w, DB_BY_USER, 4, 0x20);
}

static void odd_key(damaged_store *w)
{
    edge_value x = nth_edge(w, DB_BY_USER, 1);
    replace(w, DB_BY_USER, &x, NULL);
    damaged_put(w, DB_BY_USER, bytes_of(x.key, 3), bytes_of(x.value, sizeof x.value));
}

static edge_value edge_of_time(damaged_store *w, store_db db, unsigned char time)
{
    edge_value x = nth_edge(w, db, 0);
    for (size_t i = 1; x.value[8] != time; i++) {
        x = nth_edge(w, db, i);
    }
    return x;
}

/* place_of_another stores the record of one type at the place of another type, which both sides
 * have. */
static void place_of_another(damaged_store *w)
{
    edge_value viewed = edge_of_time(w, DB_BY_USER, VIEWED), to = viewed;
    to.value[4] = edge_of_time(w, DB_BY_USER, CARTED).value[4];
    replace(w, DB_BY_USER, &viewed, &to);
}

static const struct {
    const char *name;
    void (*make)(damaged_store *w);
    const char *told;
} mendable[] = {
    {"lost under items", lost_under_items, "restored 2 interactions under items, from those"},
    {"lost under users", lost_under_users, "restored 1 interactions under users, from those"},
    {"both", another_lost_on_each_side, "restored 1 interactions under users, from those"},
    {"all", all_lost_under_items, "interactions under items, from those under users"},
    {"version", unknown_version, "dropped 1 damaged interactions under items"},
    {"item", item_that_does_not_exist, "dropped 1 damaged interactions under users"},
    {"user", user_that_does_not_exist, "dropped 1 damaged interactions under items"},
    {"type", type_that_does_not_exist, "dropped 1 damaged interactions under users"},
    {"key", odd_key, "dropped 1 damaged interactions under users"},
    {"place", place_of_another, "dropped 1 damaged interactions under users"},
};

/* --- the tests --- */

static void a_side_is_restored_from_the_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mendable / sizeof mendable[0]; i++) {
        static damaged_records before, after;
        damaged_store w;
        make(&w);
        damaged_records_read(&w, DB_BLOBS, &before);
        mendable[i].make(&w);
        if (damaged_problems(&w) == 0) {
            fail_msg("the check does not see the damage: %s", mendable[i].name);
        }
        assert_true(damaged_repair(&w) > 0);
        if (strstr(w.told, mendable[i].told) == NULL) {
            fail_msg("%s: \"%s\" was not said, but: %s", mendable[i].name, mendable[i].told,
                     w.told);
        }
        if (damaged_problems(&w) > 0) {
            fail_msg("%s is left: %s", mendable[i].name, w.told);
        }
        damaged_records_read(&w, DB_BLOBS, &after);
        assert_int_equal(damaged_lost(&before, &after) + damaged_lost(&after, &before), 0);
        damaged_loads(&w);
        damaged_unmake(&w);
    }
}

static void another_weight(damaged_store *w)
{
    alter(w, DB_BY_USER, 18, 0x40);
}

static void another_time(damaged_store *w)
{
    alter(w, DB_BY_ITEM, 9, 0x01);
}

/* The same interaction with two existing items: either side may be the damaged one. */
static void another_item(damaged_store *w)
{
    edge_value from = nth_edge(w, DB_BY_USER, 0), to = from;
    assert_int_equal(get_be32(from.value), 0);
    to.value[3] = 1;
    replace(w, DB_BY_USER, &from, &to);
}

static void lost_user(damaged_store *w)
{
    damaged_take(w, DB_USERS, bytes_of("\0\0\0\1", 4));
}

static void lost_item(damaged_store *w)
{
    damaged_take(w, DB_ITEMS, bytes_of("\0\0\0\1", 4));
}

static void broken_on_both_sides(damaged_store *w)
{
    const unsigned char *user = NULL;
    edge_value by_user = nth_edge(w, DB_BY_USER, 0), by_item = by_user, to;
    user = by_user.key;
    memcpy(by_item.key, by_user.value, 4);
    memcpy(by_item.value, user, 4);
    to = by_user;
    to.value[7] = 9;
    replace(w, DB_BY_USER, &by_user, &to);
    to = by_item;
    to.value[7] = 9;
    replace(w, DB_BY_ITEM, &by_item, &to);
}

/* A key's only value may have any length, so a damaged page can hold one that is no interaction. */
static void value_of_another_length(damaged_store *w)
{
    damaged_put(w, DB_BY_USER, bytes_of("\0\0\0\0", 3), bytes_of("\1\2\3\4\5\6\7", 7));
    lost_under_users(w);
}

static void what_nothing_tells_is_left_and_reported(void **state)
{
    static void (*const damages[])(damaged_store *) = {
        another_weight, another_time,         another_item,           lost_user,
        lost_item,      broken_on_both_sides, value_of_another_length};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        static damaged_records before, after;
        damaged_store w;
        make(&w);
        damages[i](&w);
        assert_true(damaged_problems(&w) > 0);
        damaged_records_read(&w, DB_BLOBS, &before);
        if (damaged_repair(&w) != 0) {
            fail_msg("damage %zu: %s", i, w.told);
        }
        assert_true(damaged_problems(&w) > 0);
        damaged_records_read(&w, DB_BLOBS, &after);
        assert_int_equal(damaged_lost(&before, &after) + damaged_lost(&after, &before), 0);
        damaged_unmake(&w);
    }
}

/* One or two bytes of random interactions change, or records are lost. The repair ends with the
 * original store, or with one that has every undamaged record and still reports problems. */
static void whatever_is_damaged_nothing_whole_changes(void **state)
{
    static damaged_records whole, damaged, after;
    size_t mended = 0;
    (void)state;
    for (unsigned round = 0; round < 120; round++) {
        damaged_store w;
        char told[4096];
        make(&w);
        damaged_records_read(&w, DB_BLOBS, &whole);
        srand(round);
        for (int n = rand() % 2; n >= 0; n--) { /* two of them belong to two interactions */
            store_db db = rand() % 2 == 0 ? DB_BY_USER : DB_BY_ITEM;
            edge_value from = edge_of_time(&w, db, (unsigned char)(VIEWED + n)), to = from;
            bool in_key = rand() % 8 == 0;
            unsigned char by = (unsigned char)(1 << rand() % 8);
            if (in_key) {
                to.key[rand() % 4] ^= by;
            } else {
                to.value[rand() % EDGE_VALUE_BYTES] ^= by;
            }
            replace(&w, db, &from, rand() % 4 == 0 ? NULL : &to);
        }
        damaged_records_read(&w, DB_BLOBS, &damaged);
        (void)damaged_repair(&w);
        snprintf(told, sizeof told, "%s", w.told);
        damaged_records_read(&w, DB_BLOBS, &after);
        size_t intact = damaged.count - damaged_lost(&damaged, &whole);
        size_t kept = after.count - damaged_lost(&after, &whole);
        assert_true(kept >= intact);
        if (damaged_problems(&w) == 0) {
            if (damaged_lost(&whole, &after) + damaged_lost(&after, &whole) > 0) {
                fail_msg("round %u: clean, but not as it was: %s", round, told);
            }
            mended++;
            damaged_loads(&w);
        }
        damaged_unmake(&w);
    }
    assert_in_range(mended, 40, 119);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_side_is_restored_from_the_other),
        cmocka_unit_test(what_nothing_tells_is_left_and_reported),
        cmocka_unit_test(whatever_is_damaged_nothing_whole_changes),
    };
    return cmocka_run_group_tests_name("repair of interactions", tests, NULL, NULL);
}
