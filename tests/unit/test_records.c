/* SPDX-License-Identifier: Apache-2.0 */
/* Stored records: an older version keeps fields of a later one, and checksums reveal damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "storage/log/generation_ops.h"
#include "storage/log/log_private.h"
#include "storage/maintenance/check.h"
#include "storage/models/blobs.h"
#include "storage/models/generations.h"
#include "storage/records/records.h"
#include "tests/support/store_fixture.h"

enum { LATER_TAG = 200, ARENA_BYTES = 1 << 20 };

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    temp_folder(w->folder);
    w->s = open_store(w->folder);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    store_close(w->s);
    temp_remove(w->folder);
    free(w);
    return 0;
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* An item as a later version writes it, with a field that this version does not have. */
static void encode_with_later_field(const stored_item *it, encoder *x)
{
    item_encode(it, x);
    x->out.length -= SEAL_BYTES;
    size_t begun = encode_field_begin(x, LATER_TAG);
    encode_bytes(x, "new", 3);
    encode_field_end(x, begun);
    encode_seal(x);
}

static void a_field_of_a_later_stair_survives_a_patch_and_not_a_replacement(void **state)
{
    world *w = *state;
    stored_item it = {.id = slice_of("a"), .title = slice_of("T"), .created = 5};
    encoder x;
    arena memory;
    store_write *write = NULL;
    store_read *r = NULL;
    arena_init(&memory, ARENA_BYTES);
    encoder_init(&x, ARENA_BYTES);
    encode_with_later_field(&it, &x);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(store_write_begin(w->s, &write, NULL), ERR_OK);
    slice key = {"\0\0\0\0", 4};
    assert_int_equal(schema_put(write, DB_ITEMS, key, encoder_slice(&x), NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
    for (int replaced = 0; replaced < 2; replaced++) {
        op *o = op_put_item(replaced ? OP_ITEMS_PUT : OP_ITEMS_PATCH, "a", "U", NULL, 0);
        assert_int_equal(apply_now(w->s, o, NULL), ERR_OK);
        assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
        assert_int_equal(item_get(r, 0, &memory, &it, NULL), ERR_OK);
        store_read_end(r);
        assert_true(slice_equal(it.title, slice_of("U")));
        assert_int_equal(it.later.length, replaced ? 0 : 1 + 4 + 3);
    }
    encoder_fini(&x);
    arena_fini(&memory);
}

static uint64_t problems(store *s)
{
    check_options nobody = {0};
    check_report report;
    assert_int_equal(check_run(s, &nobody, &report, NULL), ERR_OK);
    return report.problems;
}

/* flip changes one bit of the first record of a database. A second call changes it back. */
static void flip(store *s, store_db db, size_t from_end)
{
    store_write *w = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    char key[64], value[4096];
    assert_int_equal(store_write_begin(s, &w, NULL), ERR_OK);
    assert_int_equal(mdb_cursor_open(w->txn, s->dbi[db], &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_LAST), 0);
    assert_true(k.mv_size <= sizeof key && v.mv_size <= sizeof value);
    slice key_copy = {key, k.mv_size}, value_copy = {value, v.mv_size};
    memcpy(key, k.mv_data, k.mv_size);
    memcpy(value, v.mv_data, v.mv_size);
    mdb_cursor_close(cursor);
    value[v.mv_size - 1 - from_end] ^= 1;
    assert_int_equal(schema_put(w, db, key_copy, value_copy, NULL), ERR_OK);
    assert_int_equal(store_write_commit(w, NULL), ERR_OK);
}

static void one_flipped_bit_of_a_record_of_any_kind_is_found_by_check(void **state)
{
    world *w = *state;
    /* Distance from the end of a byte whose damage only the checksum can show: a digit of a name, a
     * number of a vector, a time. */
    static const struct {
        store_db db;
        size_t from_end;
    } kinds[] = {{DB_ITEMS, 8}, {DB_USERS, 20},      {DB_FEATURES, 8}, {DB_MODALITIES, 8},
                 {DB_TYPES, 8}, {DB_IDEMPOTENCY, 8}, {DB_OPLOG, 20},   {DB_GENERATIONS, 8},
                 {DB_HELD, 8},  {DB_BLOBS, 0}};
    const float vector[2] = {1, 2};
    generation_id id;
    uint32_t number = 0;
    generation_info info = {0};
    store_info stat;
    op *keyed = op_add("u", "a", "view", 7);
    keyed->idempotency_key = slice_of("key");
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", "title", vector, 2), NULL),
                     ERR_OK);
    assert_int_equal(apply_now(w->s, keyed, NULL), ERR_OK);
    assert_int_equal(store_stat(w->s, &stat, NULL), ERR_OK);
    memcpy(info.lineage, stat.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->s, &info, &id, NULL), ERR_OK);
    assert_int_equal(generation_put(w->s, &id, "w", "0123", 4, 0, NULL), ERR_OK);
    assert_int_equal(generation_finish(w->s, &id, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(w->s, &id, 0, &number, NULL), ERR_OK);
    assert_int_equal(problems(w->s), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        flip(w->s, kinds[i].db, kinds[i].from_end);
        if (problems(w->s) == 0) {
            fail_msg("a flipped bit of %s was not found", schema_db_name(kinds[i].db));
        }
        flip(w->s, kinds[i].db, kinds[i].from_end);
        assert_int_equal(problems(w->s), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_field_of_a_later_stair_survives_a_patch_and_not_a_replacement),
        WITH_STORE(one_flipped_bit_of_a_record_of_any_kind_is_found_by_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
