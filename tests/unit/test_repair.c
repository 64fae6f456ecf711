/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged stores are repaired if that loses nothing, and otherwise left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/env/schema.h"
#include "storage/log/log_private.h"
#include "storage/maintenance/repair.h"
#include "storage/models/model_private.h"
#include "tests/support/damaged_store.h"

/* garble moves a stored answer to another key, as if the key had been overwritten in its page. */
static void garble(damaged_store *w, const char *from, const char *to)
{
    char copy[8192];
    slice value;
    store_write *write = damaged_begin(w);
    assert_int_equal(
        schema_get(store_write_reads(write), DB_IDEMPOTENCY, slice_of(from), &value, NULL), ERR_OK);
    size_t length = value.length;
    memcpy(copy, value.at, length);
    assert_int_equal(schema_delete(write, DB_IDEMPOTENCY, slice_of(from), NULL), ERR_OK);
    assert_int_equal(schema_put(write, DB_IDEMPOTENCY, slice_of(to), bytes_of(copy, length), NULL),
                     ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

/* --- the damages --- */

static void garbled_key(damaged_store *w)
{
    garble(w, "first-key", "\x01irst-ke\xff");
}

static void damaged_answer(damaged_store *w)
{
    damaged_flip(w, DB_IDEMPOTENCY, slice_of("second-key"));
}

static void lost_answer(damaged_store *w)
{
    damaged_take(w, DB_IDEMPOTENCY, slice_of("second-key"));
}

static void short_time(damaged_store *w)
{
    damaged_put(w, DB_IDEM_TIMES, bytes_of("\0\0\1", 3), bytes_of("", 0));
}

static void lost_ids(damaged_store *w)
{
    damaged_take(w, DB_ITEM_IDS, slice_of("a"));
    damaged_take(w, DB_USER_IDS, slice_of("v"));
}

static void wrong_ids(damaged_store *w)
{
    damaged_put(w, DB_ITEM_IDS, slice_of("a"), bytes_of("\0\0\0\1", 4));
    damaged_put(w, DB_ITEM_IDS, slice_of("nobody"), bytes_of("\0\0\0\7", 4));
    damaged_put(w, DB_USER_IDS, slice_of("nobody"), bytes_of("\0\0\0\0", 4));
    damaged_put(w, DB_GONE_IDS, slice_of("b"), bytes_of("\0\0\0\1", 4));
}

static void lost_deleted_id(damaged_store *w)
{
    damaged_take(w, DB_GONE_IDS, slice_of("gone"));
}

static void orphaned_features(damaged_store *w)
{
    char copy[64];
    slice value;
    store_write *write = damaged_begin(w);
    assert_int_equal(
        schema_get(store_write_reads(write), DB_FEATURES, bytes_of("\0\0\0\0\1", 5), &value, NULL),
        ERR_OK);
    size_t length = value.length;
    assert_true(length <= sizeof copy);
    memcpy(copy, value.at, length);
    slice kept = bytes_of(copy, length);
    assert_int_equal(schema_put(write, DB_FEATURES, bytes_of("\0\0\0\0\2", 5), kept, NULL), ERR_OK);
    assert_int_equal(schema_put(write, DB_FEATURES, bytes_of("\0\0\0\0\11", 5), kept, NULL),
                     ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void damaged_log(damaged_store *w)
{
    damaged_flip(w, DB_OPLOG, bytes_of("\0\0\0\0\0\0\0\3", 8));
}

static void log_of_the_future(damaged_store *w)
{
    damaged_put(w, DB_OPLOG, bytes_of("\0\0\0\0\0\0\1\0", 8), bytes_of("0123456789", 10));
}

static void wrong_counters(damaged_store *w)
{
    store_write *write = damaged_begin(w);
    write->state.info.items += 3;
    write->state.info.users--;
    write->state.info.interactions++;
    write->state.oplog_bytes = 1;
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void tables_of_nothing(damaged_store *w)
{
    damaged_put(w, DB_BLOBS, bytes_of("0123456789abcdeft\0", 18), bytes_of("0123456789", 10));
    damaged_put(w, DB_BLOBS, bytes_of("0123456789abcdeft\0\0\0\0\0", 22),
                bytes_of("0123456789", 10));
}

static void damaged_generation(damaged_store *w)
{
    damaged_flip(w, DB_GENERATIONS, bytes_of("\0\0\0\2", 4));
}

static void damaged_active(damaged_store *w)
{
    damaged_flip(w, DB_GENERATIONS, bytes_of("\0\0\0\1", 4));
}

static void lost_active(damaged_store *w)
{
    damaged_take(w, DB_GENERATIONS, bytes_of("\0\0\0\1", 4));
}

/* two_damaged_generations damages the records of both generations, so nobody can tell which record
 * had which number. */
static void two_damaged_generations(damaged_store *w)
{
    assert_int_equal(apply_now(w->s, op_activate(0), NULL), ERR_OK);
    damaged_flip(w, DB_GENERATIONS, bytes_of("\0\0\0\1", 4));
    damaged_flip(w, DB_GENERATIONS, bytes_of("\0\0\0\2", 4));
}

static void damaged_held(damaged_store *w)
{
    generation_id id = damaged_generation_id(w, 1);
    damaged_flip(w, DB_HELD, bytes_of(id.bytes, sizeof id.bytes));
}

static void lost_held(damaged_store *w)
{
    generation_id id = damaged_generation_id(w, 1);
    damaged_take(w, DB_HELD, bytes_of(id.bytes, sizeof id.bytes));
}

static void held_under_another_key(damaged_store *w)
{
    char copy[8192];
    slice value;
    generation_id id = damaged_generation_id(w, 2);
    store_write *write = damaged_begin(w);
    slice key = bytes_of(id.bytes, sizeof id.bytes);
    assert_int_equal(schema_get(store_write_reads(write), DB_HELD, key, &value, NULL), ERR_OK);
    slice kept = bytes_of(copy, value.length);
    assert_true(value.length <= sizeof copy);
    memcpy(copy, value.at, value.length);
    assert_int_equal(schema_delete(write, DB_HELD, key, NULL), ERR_OK);
    id.bytes[3] ^= 1;
    assert_int_equal(schema_put(write, DB_HELD, key, kept, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

/* held_of_other_tables leaves two intact records, neither of which matches the tables. */
static void held_of_other_tables(damaged_store *w)
{
    generation_info info;
    generation_id id = damaged_generation_id(w, 2);
    store_write *write = damaged_begin(w);
    assert_int_equal(held_borrow(store_write_reads(write), &id, &info, NULL), ERR_OK);
    info.summary = (slice){NULL, 0};
    info.sha256[5] ^= 1;
    assert_int_equal(held_put(write, &info, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
    damaged_flip_table(w, 2);
}

static void row_of_the_erased(damaged_store *w)
{
    char key[GENERATION_ID_BYTES + 10] = {0};
    generation_id id = damaged_generation_id(w, 1);
    encoder x;
    const float rows[DAMAGED_USER_ROWS] = {1, 2, 3};
    memcpy(key, id.bytes, sizeof id.bytes);
    memcpy(key + sizeof id.bytes, "users", 5);
    encoder_init(&x, 256);
    piece_encode(rows, sizeof rows, &x);
    damaged_put(w, DB_BLOBS, bytes_of(key, sizeof key), encoder_slice(&x));
    encoder_fini(&x);
}

static void publisher(damaged_store *w, slice key, bool whole)
{
    const publisher_record record = {.last = 5, .window = 1, .clock = 5, .time = 5};
    encoder x;
    encoder_init(&x, 256);
    publisher_encode(&record, &x);
    damaged_put(w, DB_PUBLISHERS, key, encoder_slice(&x));
    encoder_fini(&x);
    if (!whole) {
        damaged_flip(w, DB_PUBLISHERS, key);
    }
}

static void damaged_publisher(damaged_store *w)
{
    publisher(w, slice_of("0123456789abcdef"), false);
}

static void publisher_of_a_short_key(damaged_store *w)
{
    publisher(w, slice_of("012345"), true);
}

static void damaged_table(damaged_store *w)
{
    damaged_flip_table(w, 2);
}

typedef struct damage {
    void (*make)(damaged_store *w);
    const char *told[4];
    bool keeps_digest; /* the digest covers stored answers and seq */
} damage;

static const damage mendable[] = {
    {garbled_key, {"kept answer of Idempotency-Key 0x01697273742d6b65ff", "\"first-key\""}, false},
    {damaged_answer, {"kept answer of Idempotency-Key \"second-key\": it is damaged"}, false},
    {lost_answer, {"the time of Idempotency-Key \"second-key\""}, false},
    {short_time, {"the time of Idempotency-Key 0x"}, false},
    {lost_ids, {"restored \"a\" in item_ids", "restored \"v\" in user_ids"}, true},
    {wrong_ids,
     {"dropped \"nobody\" from item_ids", "restored \"a\" in item_ids",
      "dropped \"nobody\" from user_ids", "dropped \"b\" from gone_ids"},
     true},
    {lost_deleted_id, {"restored \"gone\" in gone_ids"}, true},
    {orphaned_features, {"item row 2, which", "item row 9, which"}, true},
    {damaged_log, {"the log up to write 3"}, true},
    {log_of_the_future, {"there was no such write"}, true},
    {wrong_counters,
     {"number of items: 2, not 5", "number of users: 2, not 1", "interactions: 2, not 3", "log"},
     true},
    {tables_of_nothing, {"the tables of generation 30313233-3435-3637-3839-616263646566"}, true},
    {damaged_generation, {"restored generation 2 from the record of its tables"}, true},
    {damaged_active, {"restored generation 1 from the record of its tables"}, true},
    {lost_active, {"restored generation 1 from the record of its tables"}, true},
    {two_damaged_generations,
     {"dropped generation 2: its record is damaged",
      "the tables of 2 generations without a number"},
     false},
    {damaged_held, {"restored the record of the tables of generation 1"}, true},
    {lost_held, {"restored the record of the tables of generation 1"}, true},
    {held_under_another_key,
     {"restored the record of the tables of generation 2", "the record of held tables of key"},
     true},
    {held_of_other_tables, {"generation 2: they are not those that were registered"}, true},
    {damaged_table, {"dropped the tables of generation ", ": they are not whole"}, true},
    {row_of_the_erased, {"emptied the rows of erased users in generation "}, true},
    {damaged_publisher, {"dropped the publisher \"0123456789abcdef\": it is damaged"}, true},
    {publisher_of_a_short_key, {"dropped the publisher \"012345\": it is damaged"}, true},
};

/* --- the tests --- */

static void what_can_be_dropped_or_derived_is_mended_and_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mendable / sizeof mendable[0]; i++) {
        damaged_store w;
        char before[128], after[128];
        const damage *d = &mendable[i];
        damaged_make(&w);
        assert_int_equal(damaged_problems(&w), 0);
        damaged_digest(&w, before);
        d->make(&w);
        if (damaged_problems(&w) == 0) {
            fail_msg("the check does not see damage %zu", i);
        }
        assert_true(damaged_repair(&w) > 0);
        for (size_t t = 0; t < 4 && d->told[t] != NULL; t++) {
            if (strstr(w.told, d->told[t]) == NULL) {
                fail_msg("damage %zu: \"%s\" was not said, but: %s", i, d->told[t], w.told);
            }
        }
        if (damaged_problems(&w) > 0) {
            fail_msg("damage %zu is left: %s", i, w.told);
        }
        damaged_digest(&w, after);
        assert_true(!d->keeps_digest || strcmp(before, after) == 0);
        assert_int_equal(damaged_repair(&w), 0);
        /* Writes still work. */
        damaged_keyed_write(w.s, "new", "third-key");
        assert_int_equal(damaged_problems(&w), 0);
        damaged_unmake(&w);
    }
}

static void a_whole_store_is_left_as_it_is(void **state)
{
    damaged_store w;
    (void)state;
    damaged_make(&w);
    assert_int_equal(damaged_repair(&w), 0);
    assert_string_equal(w.told, "");
    damaged_unmake(&w);
}

static void damaged_item(damaged_store *w)
{
    damaged_flip(w, DB_ITEMS, bytes_of("\0\0\0\1", 4));
}

static void damaged_user(damaged_store *w)
{
    damaged_flip(w, DB_USERS, bytes_of("\0\0\0\1", 4));
}

static void damaged_features(damaged_store *w)
{
    damaged_flip(w, DB_FEATURES, bytes_of("\0\0\0\0\1", 5));
}

static void damaged_active_table(damaged_store *w)
{
    damaged_flip_table(w, 1);
}

static void what_only_a_snapshot_has_is_left_and_still_reported(void **state)
{
    static void (*const damages[])(damaged_store *) = {damaged_item, damaged_user, damaged_features,
                                                       damaged_active_table};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        damaged_store w;
        damaged_make(&w);
        damages[i](&w);
        uint64_t before = damaged_problems(&w);
        assert_true(before > 0);
        assert_int_equal(damaged_repair(&w), 0);
        assert_int_equal(damaged_problems(&w), before);
        damaged_unmake(&w);
    }
}

/* damage_one changes a bit of a random record, in its key or its value, or removes the record. */
static void damage_one(damaged_store *w, store_db db)
{
    char key[SCHEMA_KEY_BYTES_MAX], value[8192];
    MDB_stat stat;
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    store_write *write = damaged_begin(w);
    assert_int_equal(mdb_stat(write->txn, w->s->dbi[db], &stat), 0);
    assert_true(stat.ms_entries > 0);
    assert_int_equal(mdb_cursor_open(write->txn, w->s->dbi[db], &cursor), 0);
    for (size_t i = (size_t)rand() % stat.ms_entries + 1; i > 0; i--) {
        assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_NEXT), 0);
    }
    slice kept_key = bytes_of(key, k.mv_size), kept = bytes_of(value, v.mv_size), there;
    assert_true(k.mv_size <= sizeof key && v.mv_size <= sizeof value);
    memcpy(key, k.mv_data, k.mv_size);
    memcpy(value, v.mv_data, v.mv_size);
    assert_int_equal(mdb_cursor_del(cursor, 0), 0);
    mdb_cursor_close(cursor);
    int how = rand() % 3;
    if (how == 0) {
        key[(size_t)rand() % k.mv_size] ^= (char)(1 << rand() % 8);
    } else if (v.mv_size > 0) {
        value[(size_t)rand() % v.mv_size] ^= (char)(1 << rand() % 8);
    }
    bool free = schema_get(store_write_reads(write), db, kept_key, &there, NULL) == ERR_NOT_FOUND;
    if (how < 2 && free) {
        assert_int_equal(schema_put(write, db, kept_key, kept, NULL), ERR_OK);
    }
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void whatever_is_damaged_no_whole_content_goes(void **state)
{
    static damaged_records whole, damaged, after;
    size_t mended = 0;
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        damaged_store w;
        char before[128], now[128];
        damaged_make(&w);
        publisher(&w, slice_of("0123456789abcdef"), true);
        damaged_digest(&w, before);
        damaged_records_read(&w, DB_BY_ITEM, &whole);
        srand(round);
        store_db db = DB_META + 1 + rand() % (DB_COUNT - 1);
        damage_one(&w, db);
        damaged_records_read(&w, DB_BY_ITEM, &damaged);
        if (damaged_problems(&w) == 0) { /* a lost vector, or a place that does not matter */
            damaged_unmake(&w);
            continue;
        }
        (void)damaged_repair(&w);
        damaged_records_read(&w, DB_BY_ITEM, &after);
        size_t intact = damaged.count - damaged_lost(&damaged, &whole);
        size_t kept = after.count - damaged_lost(&after, &whole);
        if (kept < intact) {
            fail_msg("round %u, database %d: %zu whole records of %zu: %s", round, (int)db, kept,
                     intact, w.told);
        }
        if (damaged_problems(&w) == 0) {
            damaged_digest(&w, now);
            bool drops = db == DB_IDEMPOTENCY || db == DB_IDEM_TIMES || db == DB_PUBLISHERS ||
                         db == DB_FEATURES;
            if (!drops && strcmp(before, now) != 0) {
                fail_msg("round %u, database %d: clean, but not as it was", round, (int)db);
            }
            mended++;
            damaged_loads(&w);
        }
        damaged_unmake(&w);
    }
    assert_in_range(mended, 50, 190);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_repair_that_is_stopped_changes_nothing(void **state)
{
    damaged_store w;
    const repair_options options = {.cancelled = at_once};
    uint64_t count = 0;
    (void)state;
    damaged_make(&w);
    store_write *write = damaged_begin(&w);
    for (uint32_t i = 0; i < 5000; i++) { /* it calls this every few thousand records */
        unsigned char key[12] = {0};
        put_be32(key + 8, i);
        assert_int_equal(
            schema_put(write, DB_IDEM_TIMES, bytes_of(key, sizeof key), bytes_of("", 0), NULL),
            ERR_OK);
    }
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
    uint64_t before = damaged_problems(&w);
    assert_int_equal(repair_run(w.s, &options, &count, NULL), ERR_CANCELLED);
    assert_int_equal(damaged_problems(&w), before);
    damaged_unmake(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_dropped_or_derived_is_mended_and_named),
        cmocka_unit_test(a_whole_store_is_left_as_it_is),
        cmocka_unit_test(what_only_a_snapshot_has_is_left_and_still_reported),
        cmocka_unit_test(whatever_is_damaged_no_whole_content_goes),
        cmocka_unit_test(a_repair_that_is_stopped_changes_nothing),
    };
    return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
