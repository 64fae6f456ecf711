/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged stores are mended where nothing is lost by it, and left alone where something would be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "storage/env/schema.h"
#include "storage/log/generation_ops.h"
#include "storage/log/oplog.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/digest.h"
#include "storage/maintenance/repair.h"
#include "storage/models/model_private.h"
#include "tests/support/store_fixture.h"

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
    char told[4096]; /* by the last repair or check */
} world;

static const float vector[4] = {1, 2, 3, 4};

/* --- the store that is damaged --- */

static err_code keep_answer(const op *o, const apply_result *result, arena *a, uint16_t *status,
                            slice *body, err *e)
{
    (void)o, (void)result, (void)e;
    *status = 200;
    *body = arena_slice(a, slice_of("{}"));
    return ERR_OK;
}

static void keyed_write(store *s, const char *user, const char *key)
{
    op *o = op_add(user, "a", "purchase", 5);
    o->idempotency_key = slice_of(key);
    o->render = keep_answer;
    assert_int_equal(apply_now(s, o, NULL), ERR_OK);
}

static uint32_t finished_generation(store *s)
{
    generation_id id;
    uint32_t number = 0;
    store_info now;
    assert_int_equal(store_stat(s, &now, NULL), ERR_OK);
    generation_info info = {.seq = now.seq, .users = now.user_rows, .items = now.item_rows};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(s, &info, &id, NULL), ERR_OK);
    assert_int_equal(generation_put(s, &id, "t", vector, sizeof vector, 0, NULL), ERR_OK);
    assert_int_equal(generation_finish(s, &id, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(s, &id, 0, &number, NULL), ERR_OK);
    return number;
}

/* Items: row 0 "a", 1 "b", 2 "gone". Users: row 0 "u", 1 "v". Generation 1 is active, 2 is not. */
static void make(world *w)
{
    temp_folder(w->folder);
    w->s = open_store(w->folder);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", "A", vector, 4), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "b", "B", vector, 4), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "gone", NULL, NULL, 0), NULL),
                     ERR_OK);
    assert_int_equal(apply_now(w->s, op_delete_item("gone"), NULL), ERR_OK);
    keyed_write(w->s, "u", "first-key");
    keyed_write(w->s, "v", "second-key");
    assert_int_equal(finished_generation(w->s), 1);
    assert_int_equal(finished_generation(w->s), 2);
    assert_int_equal(apply_now(w->s, op_activate(1), NULL), ERR_OK);
}

static void unmake(world *w)
{
    store_close(w->s);
    temp_remove(w->folder);
}

/* --- raw access --- */

static slice raw(const void *at, size_t bytes)
{
    return (slice){at, bytes};
}

static store_write *begin(world *w)
{
    store_write *write = NULL;
    assert_int_equal(store_write_begin(w->s, &write, NULL), ERR_OK);
    return write;
}

static void put(world *w, store_db db, slice key, slice value)
{
    store_write *write = begin(w);
    assert_int_equal(schema_put(write, db, key, value, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void take(world *w, store_db db, slice key)
{
    store_write *write = begin(w);
    assert_int_equal(schema_delete(write, db, key, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

/* Changes the last byte of the content of a record, before its seal; gives its length. */
static void flip(world *w, store_db db, slice key)
{
    char copy[8192];
    slice value;
    store_write *write = begin(w);
    assert_int_equal(schema_get(store_write_reads(write), db, key, &value, NULL), ERR_OK);
    assert_true(value.length > 9 && value.length <= sizeof copy);
    memcpy(copy, value.at, value.length);
    copy[value.length - 9] ^= 0x10;
    assert_int_equal(schema_put(write, db, key, raw(copy, value.length), NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

/* Moves a kept answer under another key, as a key that was overwritten in its page. */
static void garble(world *w, const char *from, const char *to)
{
    char copy[8192];
    slice value;
    store_write *write = begin(w);
    assert_int_equal(
        schema_get(store_write_reads(write), DB_IDEMPOTENCY, slice_of(from), &value, NULL), ERR_OK);
    size_t length = value.length;
    memcpy(copy, value.at, length);
    assert_int_equal(schema_delete(write, DB_IDEMPOTENCY, slice_of(from), NULL), ERR_OK);
    assert_int_equal(schema_put(write, DB_IDEMPOTENCY, slice_of(to), raw(copy, length), NULL),
                     ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

/* --- the damages --- */

static void garbled_key(world *w)
{
    garble(w, "first-key", "\x01irst-ke\xff");
}

static void damaged_answer(world *w)
{
    flip(w, DB_IDEMPOTENCY, slice_of("second-key"));
}

static void lost_answer(world *w)
{
    take(w, DB_IDEMPOTENCY, slice_of("second-key"));
}

static void short_time(world *w)
{
    put(w, DB_IDEM_TIMES, raw("\0\0\1", 3), raw("", 0));
}

static void lost_ids(world *w)
{
    take(w, DB_ITEM_IDS, slice_of("a"));
    take(w, DB_USER_IDS, slice_of("v"));
}

static void wrong_ids(world *w)
{
    put(w, DB_ITEM_IDS, slice_of("a"), raw("\0\0\0\1", 4));
    put(w, DB_ITEM_IDS, slice_of("nobody"), raw("\0\0\0\7", 4));
    put(w, DB_USER_IDS, slice_of("nobody"), raw("\0\0\0\0", 4));
    put(w, DB_GONE_IDS, slice_of("b"), raw("\0\0\0\1", 4));
}

static void orphaned_features(world *w)
{
    char copy[64];
    slice value;
    store_write *write = begin(w);
    assert_int_equal(
        schema_get(store_write_reads(write), DB_FEATURES, raw("\0\0\0\0\1", 5), &value, NULL),
        ERR_OK);
    size_t length = value.length;
    assert_true(length <= sizeof copy);
    memcpy(copy, value.at, length);
    slice kept = raw(copy, length);
    assert_int_equal(schema_put(write, DB_FEATURES, raw("\0\0\0\0\2", 5), kept, NULL), ERR_OK);
    assert_int_equal(schema_put(write, DB_FEATURES, raw("\0\0\0\0\11", 5), kept, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void damaged_log(world *w)
{
    flip(w, DB_OPLOG, raw("\0\0\0\0\0\0\0\3", 8));
}

static void log_of_the_future(world *w)
{
    put(w, DB_OPLOG, raw("\0\0\0\0\0\0\1\0", 8), raw("0123456789", 10));
}

static void wrong_counters(world *w)
{
    store_write *write = begin(w);
    write->state.info.items += 3;
    write->state.info.users--;
    write->state.info.interactions++;
    write->state.oplog_bytes = 1;
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

static void tables_of_nothing(world *w)
{
    put(w, DB_BLOBS, raw("0123456789abcdeft\0", 18), raw("0123456789", 10));
    put(w, DB_BLOBS, raw("0123456789abcdeft\0\0\0\0\0", 22), raw("0123456789", 10));
}

static void damaged_generation(world *w)
{
    flip(w, DB_GENERATIONS, raw("\0\0\0\2", 4));
}

static void flip_table(world *w, uint32_t generation)
{
    char key[GENERATION_ID_BYTES + 6] = {0};
    generation_info info;
    store_read *r = NULL;
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(generation_borrow(r, generation, &info, NULL), ERR_OK);
    store_read_end(r);
    memcpy(key, info.id.bytes, GENERATION_ID_BYTES);
    key[GENERATION_ID_BYTES] = 't';
    flip(w, DB_BLOBS, (slice){key, sizeof key});
}

static void damaged_table(world *w)
{
    flip_table(w, 2);
}

typedef struct damage {
    void (*make)(world *w);
    const char *told[4];
    bool keeps_digest; /* which covers kept answers */
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
    {orphaned_features, {"item row 2, which", "item row 9, which"}, true},
    {damaged_log, {"the log up to write 3"}, true},
    {log_of_the_future, {"there was no such write"}, true},
    {wrong_counters,
     {"number of items: 2, not 5", "number of users: 2, not 1", "interactions: 2, not 3", "log"},
     true},
    {tables_of_nothing, {"the tables of generation 30313233-3435-3637-3839-616263646566"}, true},
    {damaged_generation,
     {"its record is damaged", "the tables of 1 generations without a number"},
     true},
    {damaged_table, {"dropped the tables of generation ", ": one is damaged"}, true},
};

/* --- the tests --- */

static void note(void *ctx, const char *text)
{
    world *w = ctx;
    size_t used = strlen(w->told);
    snprintf(w->told + used, sizeof w->told - used, "%s\n", text);
}

static uint64_t problems(world *w)
{
    const check_options options = {.problem = note, .ctx = w};
    check_report report;
    w->told[0] = '\0';
    assert_int_equal(check_run(w->s, &options, &report, NULL), ERR_OK);
    return report.problems;
}

static uint64_t repair(world *w)
{
    const repair_options options = {.mended = note, .ctx = w};
    uint64_t count = 0;
    err e = ERR_INIT;
    w->told[0] = '\0';
    assert_int_equal(repair_run(w->s, &options, &count, &e), ERR_OK);
    return count;
}

static void digest_of(world *w, char out[128])
{
    store_digest digest;
    assert_int_equal(digest_read(w->s, NULL, NULL, &digest, NULL), ERR_OK);
    snprintf(out, 128, "%s", digest.hash);
}

static void what_can_be_dropped_or_derived_is_mended_and_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mendable / sizeof mendable[0]; i++) {
        world w;
        char before[128], after[128];
        const damage *d = &mendable[i];
        make(&w);
        assert_int_equal(problems(&w), 0);
        digest_of(&w, before);
        d->make(&w);
        if (problems(&w) == 0) {
            fail_msg("the check does not see damage %zu", i);
        }
        assert_true(repair(&w) > 0);
        for (size_t t = 0; t < 4 && d->told[t] != NULL; t++) {
            if (strstr(w.told, d->told[t]) == NULL) {
                fail_msg("damage %zu: \"%s\" was not said, but: %s", i, d->told[t], w.told);
            }
        }
        if (problems(&w) > 0) {
            fail_msg("damage %zu is left: %s", i, w.told);
        }
        digest_of(&w, after);
        assert_true(!d->keeps_digest || strcmp(before, after) == 0);
        assert_int_equal(repair(&w), 0);
        /* and writes go on */
        keyed_write(w.s, "new", "third-key");
        assert_int_equal(problems(&w), 0);
        unmake(&w);
    }
}

static void a_whole_store_is_left_as_it_is(void **state)
{
    world w;
    (void)state;
    make(&w);
    assert_int_equal(repair(&w), 0);
    assert_string_equal(w.told, "");
    unmake(&w);
}

static void damaged_item(world *w)
{
    flip(w, DB_ITEMS, raw("\0\0\0\1", 4));
}

static void damaged_user(world *w)
{
    flip(w, DB_USERS, raw("\0\0\0\1", 4));
}

static void damaged_features(world *w)
{
    flip(w, DB_FEATURES, raw("\0\0\0\0\1", 5));
}

static void damaged_active_table(world *w)
{
    flip_table(w, 1);
}

static void what_only_a_snapshot_has_is_left_and_still_reported(void **state)
{
    static void (*const damages[])(world *) = {damaged_item, damaged_user, damaged_features,
                                               damaged_active_table};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        world w;
        make(&w);
        damages[i](&w);
        uint64_t before = problems(&w);
        assert_true(before > 0);
        assert_int_equal(repair(&w), 0);
        assert_int_equal(problems(&w), before);
        unmake(&w);
    }
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_repair_that_is_stopped_changes_nothing(void **state)
{
    world w;
    const repair_options options = {.cancelled = at_once};
    uint64_t count = 0;
    (void)state;
    make(&w);
    store_write *write = begin(&w);
    for (uint32_t i = 0; i < 5000; i++) { /* it asks every few thousand records */
        unsigned char key[12] = {0};
        put_be32(key + 8, i);
        assert_int_equal(schema_put(write, DB_IDEM_TIMES, raw(key, sizeof key), raw("", 0), NULL),
                         ERR_OK);
    }
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
    uint64_t before = problems(&w);
    assert_int_equal(repair_run(w.s, &options, &count, NULL), ERR_CANCELLED);
    assert_int_equal(problems(&w), before);
    unmake(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_dropped_or_derived_is_mended_and_named),
        cmocka_unit_test(a_whole_store_is_left_as_it_is),
        cmocka_unit_test(what_only_a_snapshot_has_is_left_and_still_reported),
        cmocka_unit_test(a_repair_that_is_stopped_changes_nothing),
    };
    return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
