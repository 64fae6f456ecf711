/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/damaged_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/serve/update/live.h"
#include "server/load/live_load.h"
#include "storage/env/checksum.h"
#include "storage/log/generation_ops.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/digest.h"
#include "storage/maintenance/repair.h"
#include "storage/models/model_private.h"

static const float vector[4] = {1, 2, 3, 4};
static const float users[DAMAGED_USER_ROWS] = {1, 2}; /* the third is erased */

/* --- the store that is damaged --- */

static err_code keep_answer(const op *o, const apply_result *result, arena *a, uint16_t *status,
                            slice *body, err *e)
{
    (void)o, (void)result, (void)e;
    *status = 200;
    *body = arena_slice(a, slice_of("{}"));
    return ERR_OK;
}

void damaged_keyed_write(store *s, const char *user, const char *key)
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
    assert_int_equal(generation_put(s, &id, "users", users, sizeof users, 4, NULL), ERR_OK);
    assert_int_equal(generation_finish(s, &id, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(s, &id, 0, &number, NULL), ERR_OK);
    return number;
}

void damaged_make(damaged_store *w)
{
    const store_options options = {.mode = STORE_OWNER, .create = true, .no_sync = true};
    temp_folder(w->folder);
    assert_int_equal(store_open(&w->s, w->folder, &options, NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", "A", vector, 4), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "b", "B", vector, 4), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "gone", NULL, NULL, 0), NULL),
                     ERR_OK);
    assert_int_equal(apply_now(w->s, op_delete_item("gone"), NULL), ERR_OK);
    damaged_keyed_write(w->s, "u", "first-key");
    damaged_keyed_write(w->s, "v", "second-key");
    assert_int_equal(apply_now(w->s, op_add("erased", "b", "purchase", 6), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_erase("erased"), NULL), ERR_OK);
    assert_int_equal(finished_generation(w->s), 1);
    assert_int_equal(finished_generation(w->s), 2);
    assert_int_equal(apply_now(w->s, op_activate(1), NULL), ERR_OK);
}

void damaged_unmake(damaged_store *w)
{
    store_close(w->s);
    temp_remove(w->folder);
}

/* --- raw access --- */

store_write *damaged_begin(damaged_store *w)
{
    store_write *write = NULL;
    assert_int_equal(store_write_begin(w->s, &write, NULL), ERR_OK);
    return write;
}

void damaged_put(damaged_store *w, store_db db, slice key, slice value)
{
    store_write *write = damaged_begin(w);
    assert_int_equal(schema_put(write, db, key, value, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

void damaged_take(damaged_store *w, store_db db, slice key)
{
    store_write *write = damaged_begin(w);
    assert_int_equal(schema_delete(write, db, key, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

void damaged_flip(damaged_store *w, store_db db, slice key)
{
    char copy[8192];
    slice value;
    store_write *write = damaged_begin(w);
    assert_int_equal(schema_get(store_write_reads(write), db, key, &value, NULL), ERR_OK);
    assert_true(value.length > 9 && value.length <= sizeof copy);
    memcpy(copy, value.at, value.length);
    copy[value.length - 9] ^= 0x10;
    assert_int_equal(schema_put(write, db, key, bytes_of(copy, value.length), NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
}

generation_id damaged_generation_id(damaged_store *w, uint32_t generation)
{
    generation_info info;
    store_read *r = NULL;
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(generation_borrow(r, generation, &info, NULL), ERR_OK);
    store_read_end(r);
    return info.id;
}

void damaged_flip_table(damaged_store *w, uint32_t generation)
{
    char key[GENERATION_ID_BYTES + 6] = {0};
    generation_id id = damaged_generation_id(w, generation);
    memcpy(key, id.bytes, GENERATION_ID_BYTES);
    key[GENERATION_ID_BYTES] = 't';
    damaged_flip(w, DB_BLOBS, (slice){key, sizeof key});
}

/* --- looking --- */

static void note(void *ctx, const char *text)
{
    damaged_store *w = ctx;
    size_t used = strlen(w->told);
    snprintf(w->told + used, sizeof w->told - used, "%s\n", text);
}

uint64_t damaged_problems(damaged_store *w)
{
    const check_options options = {.problem = note, .ctx = w};
    check_report report;
    err e = ERR_INIT;
    w->told[0] = '\0';
    if (check_run(w->s, &options, &report, &e) != ERR_OK) {
        fail_msg("the check failed: %s", e.text);
    }
    return report.problems;
}

uint64_t damaged_repair(damaged_store *w)
{
    const repair_options options = {.mended = note, .ctx = w};
    uint64_t count = 0;
    err e = ERR_INIT;
    w->told[0] = '\0';
    if (repair_run(w->s, &options, &count, &e) != ERR_OK) {
        fail_msg("the repair failed: %s", e.text);
    }
    return count;
}

void damaged_digest(damaged_store *w, char out[128])
{
    store_digest digest;
    assert_int_equal(digest_read(w->s, NULL, NULL, &digest, NULL), ERR_OK);
    snprintf(out, 128, "%s", digest.hash);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void damaged_records_read(damaged_store *w, store_db last, damaged_records *out)
{
    store_write *write = damaged_begin(w);
    out->count = 0;
    for (int db = DB_META + 1; db <= (int)last; db++) {
        MDB_cursor *cursor = NULL;
        MDB_val k = {0, NULL}, v = {0, NULL};
        assert_int_equal(mdb_cursor_open(write->txn, w->s->dbi[db], &cursor), 0);
        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
            assert_true(out->count < DAMAGED_RECORDS_MAX);
            out->hash[out->count++] =
                (checksum64(k.mv_data, k.mv_size) * 31 + checksum64(v.mv_data, v.mv_size)) * 31 +
                (uint64_t)db;
        }
        mdb_cursor_close(cursor);
    }
    store_write_abort(write);
    qsort(out->hash, out->count, sizeof out->hash[0], ascending);
}

size_t damaged_lost(const damaged_records *before, const damaged_records *after)
{
    size_t missing = 0;
    for (size_t i = 0, j = 0; i < before->count; i++) {
        while (j < after->count && after->hash[j] < before->hash[i]) {
            j++;
        }
        bool there = j < after->count && after->hash[j] == before->hash[i];
        missing += !there;
        j += there;
    }
    return missing;
}

void damaged_loads(damaged_store *w)
{
    live *l = NULL;
    store_info info;
    live_feature_source source;
    live_feature_source_init(&source, w->s);
    const live_options options = {.features = live_stored_features, .ctx = &source};
    assert_int_equal(live_new(&l, &options, NULL), ERR_OK);
    assert_int_equal(live_load(w->s, l, &info, NULL), ERR_OK);
    live_free(l);
    live_feature_source_fini(&source);
}
