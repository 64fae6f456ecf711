/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a generation's tables from one store to another, with and without damage on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "storage/log/generation_ops.h"
#include "storage/maintenance/check.h"
#include "storage/models/generation_stream.h"
#include "storage/models/model_private.h"
#include "tests/support/store_fixture.h"

enum { USERS = 3, ROW = 4, LARGE = 9 * 1024 * 1024 + 5 };

typedef struct world {
    char folders[2][TEMP_PATH_MAX];
    store *from, *to;
    generation_id id;
    unsigned char *stream; /* (bytes) the stream of generation 1 */
    size_t bytes;
    size_t user_table; /* the offset of the content of user_e in the stream */
} world;

static void apply_both(world *w, op *(*make)(const char *, const char *, const char *, int64_t),
                       const char *user)
{
    assert_int_equal(apply_now(w->from, make(user, "a", "purchase", 1), NULL), ERR_OK);
    assert_int_equal(apply_now(w->to, make(user, "a", "purchase", 1), NULL), ERR_OK);
}

static void put_tables(world *w, const void *large)
{
    const float users[USERS * ROW] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    store *s = w->from;
    assert_int_equal(generation_put(s, &w->id, "item_g", large, LARGE, 0, NULL), ERR_OK);
    assert_int_equal(generation_put(s, &w->id, "links", "", 0, 0, NULL), ERR_OK);
    assert_int_equal(
        generation_put(s, &w->id, "user_e", users, sizeof users, ROW * sizeof *users, NULL),
        ERR_OK);
    assert_int_equal(generation_put(s, &w->id, "w", "0123456789", 10, 0, NULL), ERR_OK);
}

/* register_both registers the generation in both stores, but only the first has the tables. */
static void register_both(world *w)
{
    arena memory;
    op *o = NULL;
    uint32_t number = 0;
    generation_info info;
    store_read *r = NULL;
    arena_init(&memory, 1 << 20);
    assert_int_equal(store_read_begin(w->from, &r, NULL), ERR_OK);
    assert_int_equal(generation_pending(r, &memory, &info, NULL), ERR_OK);
    store_read_end(r);
    assert_int_equal(op_register_new(&o, &info, 7, NULL), ERR_OK);
    assert_int_equal(generation_register(w->from, &w->id, 7, &number, NULL), ERR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(apply_now(w->to, o, NULL), ERR_OK);
    arena_fini(&memory);
}

static void read_stream(world *w, size_t step)
{
    generation_source *source = NULL;
    uint64_t bytes = 0;
    size_t got = 1, at = 0;
    assert_int_equal(generation_source_open(&source, w->from, 1, &bytes, NULL), ERR_OK);
    free(w->stream);
    w->stream = malloc(bytes + step);
    while (got > 0) {
        assert_int_equal(generation_source_read(source, w->stream + at, step, &got, NULL), ERR_OK);
        at += got;
        assert_true(at <= bytes);
    }
    assert_int_equal(at, bytes);
    w->bytes = at;
    generation_source_close(source);
    w->user_table = bytes - SHA256_BYTES - (1 + 1 + 16 + 10) - USERS * ROW * sizeof(float);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    store_info now;
    unsigned char *large = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        large[i] = (unsigned char)(i * 7 + i / 251);
    }
    temp_folder(w->folders[0]);
    temp_folder(w->folders[1]);
    w->from = open_store(w->folders[0]);
    w->to = open_store(w->folders[1]);
    assert_int_equal(apply_now(w->from, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), 0);
    assert_int_equal(apply_now(w->to, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), 0);
    apply_both(w, op_add, "u0");
    apply_both(w, op_add, "u1");
    apply_both(w, op_add, "u2");
    assert_int_equal(store_stat(w->from, &now, NULL), ERR_OK);
    generation_info info = {.seq = now.seq, .users = USERS, .items = 1};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->from, &info, &w->id, NULL), ERR_OK);
    put_tables(w, large);
    assert_int_equal(generation_finish(w->from, &w->id, slice_of("{}"), true, NULL), ERR_OK);
    register_both(w);
    read_stream(w, 1000003);
    free(large);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    store_close(w->from);
    store_close(w->to);
    temp_remove(w->folders[0]);
    temp_remove(w->folders[1]);
    free(w->stream);
    free(w);
    return 0;
}

/* write_stream writes the first `count` bytes of the stream into a sink, `step` at a time, and ends
 * the sink. */
static err_code write_stream(world *w, size_t count, size_t step)
{
    generation_sink *sink = NULL;
    err_code code = generation_sink_open(&sink, w->to, 1, NULL);
    assert_int_equal(code, ERR_OK);
    for (size_t at = 0; at < count && code == ERR_OK; at += step) {
        size_t here = count - at < step ? count - at : step;
        code = generation_sink_write(sink, w->stream + at, here, NULL);
    }
    if (code != ERR_OK) {
        generation_sink_abort(sink);
        return code;
    }
    return generation_sink_finish(sink, NULL);
}

static bool is_held(store *s)
{
    store_read *r = NULL;
    bool held = false;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(generation_held(r, 1, &held, NULL), ERR_OK);
    store_read_end(r);
    return held;
}

static size_t blobs_left(store *s)
{
    store_read *r = NULL;
    MDB_stat stat;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(mdb_stat(r->txn, s->dbi[DB_BLOBS], &stat), 0);
    store_read_end(r);
    return stat.ms_entries;
}

static void *table(store *s, const char *name, size_t *bytes)
{
    store_read *r = NULL;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(generation_blob_bytes(r, 1, name, bytes, NULL), ERR_OK);
    void *out = malloc(*bytes + 1);
    assert_int_equal(generation_blob_read(r, 1, name, 0, out, *bytes, NULL), ERR_OK);
    store_read_end(r);
    return out;
}

static void assert_whole(store *s)
{
    check_options nobody = {0};
    check_report report;
    assert_int_equal(check_run(s, &nobody, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.unfinished_generations, 0);
}

static void tables_arrive_as_they_left_however_they_are_cut(void **state)
{
    world *w = *state;
    const char *names[] = {"item_g", "links", "user_e", "w"};
    const size_t steps[] = {w->bytes, 4096, 999983};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(write_stream(w, w->bytes, steps[i]), ERR_OK);
        assert_true(is_held(w->to));
        for (size_t t = 0; t < sizeof names / sizeof names[0]; t++) {
            size_t left = 0, right = 0;
            void *a = table(w->from, names[t], &left), *b = table(w->to, names[t], &right);
            assert_int_equal(left, right);
            assert_memory_equal(a, b, left);
            free(a);
            free(b);
        }
        assert_whole(w->to);
        generation_sink *again = NULL;
        assert_int_equal(generation_sink_open(&again, w->to, 1, NULL), ERR_CONFLICT);
        assert_int_equal(held_remove(w->to, &w->id, NULL), ERR_OK);
        assert_int_equal(blobs_left(w->to), 0);
    }
    generation_source *none = NULL;
    uint64_t bytes = 0;
    assert_int_equal(generation_source_open(&none, w->to, 1, &bytes, NULL), ERR_NOT_FOUND);
}

/* seal writes the right checksum into a changed stream. */
static void seal(world *w)
{
    slice body = {(const char *)w->stream, w->bytes - SHA256_BYTES};
    assert_int_equal(sha256(body, w->stream + body.length, NULL), ERR_OK);
}

static void a_damaged_or_short_stream_leaves_nothing_behind(void **state)
{
    world *w = *state;
    const size_t head = 8 + 1 + 16 + 2;
    const size_t flips[] = {
        0,           8,         9,         head - 2,       head,          head + 1,
        head + 7,    head + 15, head + 16, head + 4000000, w->user_table, w->bytes - 40,
        w->bytes - 1};
    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        w->stream[flips[i]] ^= 1;
        err_code code = write_stream(w, w->bytes, 1 << 20);
        w->stream[flips[i]] ^= 1;
        if (code != ERR_CORRUPT && code != ERR_CONFLICT) {
            fail_msg("byte %zu changed: %s", flips[i], err_code_name(code));
        }
        assert_false(is_held(w->to));
        assert_int_equal(blobs_left(w->to), 0);
    }
    /* A stream that is consistent in itself, but has other tables than the registered ones. */
    w->stream[head + 4000000] ^= 1;
    seal(w);
    assert_int_equal(write_stream(w, w->bytes, 1 << 20), ERR_CORRUPT);
    w->stream[head + 4000000] ^= 1;
    seal(w);
    const size_t cuts[] = {0, 5, head, head + 3, head + 5000000, w->bytes - 32, w->bytes - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        assert_int_equal(write_stream(w, cuts[i], 1 << 20), ERR_CORRUPT);
        assert_int_equal(blobs_left(w->to), 0);
    }
    assert_whole(w->to);
    assert_int_equal(write_stream(w, w->bytes, 1 << 20), ERR_OK);
}

static void rows_of_users_who_are_gone_arrive_empty(void **state)
{
    world *w = *state;
    const float zero[ROW] = {0};
    size_t bytes = 0;
    generation_sink *sink = NULL;
    assert_int_equal(apply_now(w->to, op_erase("u0"), NULL), ERR_OK);
    assert_int_equal(generation_sink_open(&sink, w->to, 1, NULL), ERR_OK);
    assert_int_equal(generation_sink_write(sink, w->stream, w->bytes, NULL), ERR_OK);
    assert_int_equal(apply_now(w->to, op_erase("u1"), NULL), ERR_OK);
    assert_int_equal(generation_sink_finish(sink, NULL), ERR_OK);
    float *users = table(w->to, "user_e", &bytes);
    assert_memory_equal(users, zero, sizeof zero);
    assert_memory_equal(users + ROW, zero, sizeof zero);
    assert_true(users[2 * ROW] == 9);
    free(users);
    assert_whole(w->to);
    /* The same generation after an erasure: another stream of the same tables. */
    assert_int_equal(apply_now(w->from, op_erase("u2"), NULL), ERR_OK);
    assert_int_equal(held_remove(w->to, &w->id, NULL), ERR_OK);
    read_stream(w, 1 << 20);
    assert_int_equal(write_stream(w, w->bytes, 1 << 20), ERR_OK);
    users = table(w->to, "user_e", &bytes);
    assert_memory_equal(users + 2 * ROW, zero, sizeof zero);
    free(users);
}

/* leave_half leaves what a kill in the middle of a sink would leave. */
static void leave_half(store *s)
{
    store_read *r = NULL;
    generation_info info;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(generation_borrow(r, 1, &info, NULL), ERR_OK);
    store_read_end(r);
    info.summary = (slice){NULL, 0};
    assert_int_equal(held_start(s, &info, NULL), ERR_OK);
    assert_int_equal(generation_put(s, &info.id, "item_g", "01234567", 8, 0, NULL), ERR_OK);
    assert_int_equal(generation_put(s, &info.id, "of_before", "01234567", 8, 0, NULL), ERR_OK);
}

static void what_was_pruned_or_interrupted_is_not_taken(void **state)
{
    world *w = *state;
    generation_sink *sink = NULL;
    uint32_t removed = 0;
    assert_int_equal(generation_sink_open(&sink, w->to, 2, NULL), ERR_NOT_FOUND);
    leave_half(w->to);
    assert_true(blobs_left(w->to) > 0);
    assert_int_equal(write_stream(w, w->bytes, 1 << 20), ERR_OK);
    assert_whole(w->to);
    assert_int_equal(held_remove(w->to, &w->id, NULL), ERR_OK);
    leave_half(w->to);
    store_close(w->to);
    w->to = open_store(w->folders[1]);
    assert_int_equal(blobs_left(w->to), 0);
    assert_false(is_held(w->to));
    assert_int_equal(generation_sink_open(&sink, w->to, 1, NULL), ERR_OK);
    assert_int_equal(generation_sink_write(sink, w->stream, w->bytes, NULL), ERR_OK);
    assert_int_equal(generation_prune(w->to, 0, 7, &removed, NULL), ERR_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(generation_sink_finish(sink, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_left(w->to), 0);
}

#define WITH_STORES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORES(tables_arrive_as_they_left_however_they_are_cut),
        WITH_STORES(a_damaged_or_short_stream_leaves_nothing_behind),
        WITH_STORES(rows_of_users_who_are_gone_arrive_empty),
        WITH_STORES(what_was_pruned_or_interrupted_is_not_taken),
    };
    return cmocka_run_group_tests_name("generation stream", tests, NULL, NULL);
}
