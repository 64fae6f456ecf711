/* SPDX-License-Identifier: Apache-2.0 */
/* Generations and checkpoints: building, sweeping, activating, and what an erasure does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/log/generation_ops.h"
#include "storage/log/oplog.h"
#include "storage/maintenance/recover.h"
#include "storage/models/checkpoint_file.h"
#include "storage/models/model_private.h"
#include "tests/support/store_fixture.h"

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

static void reopen(world *w)
{
    store_close(w->s);
    w->s = open_store(w->folder);
}

static store_info stat_of(store *s)
{
    store_info info;
    assert_int_equal(store_stat(s, &info, NULL), ERR_OK);
    return info;
}

static uint32_t finished_generation(store *s, const float *users, uint32_t user_rows)
{
    generation_id id;
    uint32_t number = 0;
    store_info now = stat_of(s);
    generation_info info = {.seq = now.seq, .users = user_rows, .items = now.item_rows};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(s, &info, &id, NULL), ERR_OK);
    assert_int_equal(generation_put(s, &id, "user_e", users, user_rows * 4 * sizeof *users,
                                    4 * sizeof *users, NULL),
                     ERR_OK);
    assert_int_equal(generation_finish(s, &id, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(s, &id, 7, &number, NULL), ERR_OK);
    return number;
}

static bool row_is_zero(store *s, uint32_t generation, size_t row)
{
    store_read *r = NULL;
    float got[4], zero[4] = {0};
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(
        generation_blob_read(r, generation, "user_e", row * sizeof got, got, sizeof got, NULL),
        ERR_OK);
    store_read_end(r);
    return memcmp(got, zero, sizeof got) == 0;
}

static void erasure_reaches_generations_log_and_checkpoint(void **state)
{
    world *w = *state;
    const float table[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    apply_result result;
    apply_result_init(&result);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u0", "a", "purchase", 1), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u1", "a", "purchase", 1), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u2", "a", "purchase", 1), NULL), ERR_OK);
    uint32_t number = finished_generation(w->s, table, 3);
    assert_int_equal(checkpoint_file_put(w->s, stat_of(w->s).seq, slice_of("tables"), NULL),
                     ERR_OK);
    /* A training that read its data before the erasure and ends after it. */
    generation_id training;
    uint32_t late = 0;
    store_info now = stat_of(w->s);
    generation_info info = {.seq = now.seq, .users = 3, .items = 1};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->s, &info, &training, NULL), ERR_OK);

    op *o = op_erase("u1");
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_int_equal(result.receipt.interactions, 1);
    assert_int_equal(result.receipt.generations, 1);
    assert_int_equal(result.receipt.log_entries, 1);
    assert_true(result.receipt.checkpoint);
    assert_false(checkpoint_file_exists(w->s));
    op_free(o);

    assert_int_equal(
        generation_put(w->s, &training, "user_e", table, sizeof table, 4 * sizeof *table, NULL),
        ERR_OK);
    assert_int_equal(generation_finish(w->s, &training, slice_of("{}"), false, NULL), ERR_OK);
    assert_int_equal(generation_register(w->s, &training, 7, &late, NULL), ERR_OK);
    for (uint32_t g = number; g <= late; g++) {
        assert_false(row_is_zero(w->s, g, 0));
        assert_true(row_is_zero(w->s, g, 1));
        assert_false(row_is_zero(w->s, g, 2));
    }
    assert_int_equal(checkpoint_file_put(w->s, now.seq, slice_of("tables"), NULL), ERR_OK);
    assert_false(checkpoint_file_exists(w->s));

    store_read *r = NULL;
    arena memory;
    arena_init(&memory, 1 << 20);
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    for (uint64_t seq = 1; seq <= 7; seq++) {
        oplog_entry entry;
        assert_int_equal(oplog_get(r, seq, &memory, &entry, NULL), ERR_OK);
        assert_null(memmem(entry.op.at, entry.op.length, "u1", 2));
        assert_int_equal(entry.redacted, seq == 3);
        op *decoded = NULL;
        assert_int_equal(op_decode(&decoded, entry.op, NULL), ERR_OK);
        op_free(decoded);
    }
    store_read_end(r);
    arena_fini(&memory);
    apply_result_fini(&result);
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

static void a_large_blob_crosses_pieces_and_survives(void **state)
{
    world *w = *state;
    size_t rows = 800000; /* 12.8 MB: two groups, 13 pieces */
    float *table = malloc(rows * 4 * sizeof *table);
    for (size_t i = 0; i < rows * 4; i++) {
        table[i] = (float)i + 1;
    }
    uint32_t number = finished_generation(w->s, table, (uint32_t)rows);
    reopen(w);
    store_read *r = NULL;
    float *back = malloc(rows * 4 * sizeof *back);
    size_t bytes = 0;
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(generation_blob_bytes(r, number, "user_e", &bytes, NULL), ERR_OK);
    assert_int_equal(bytes, rows * 4 * sizeof *table);
    assert_int_equal(generation_blob_read(r, number, "user_e", 0, back, bytes, NULL), ERR_OK);
    assert_memory_equal(back, table, bytes);
    store_read_end(r);
    assert_int_equal(apply_now(w->s, op_activate(number), NULL), ERR_OK);
    assert_int_equal(stat_of(w->s).generation, number);
    uint32_t removed = 9;
    assert_int_equal(generation_prune(w->s, 0, 7, &removed, NULL), ERR_OK);
    assert_int_equal(removed, 0);
    assert_int_equal(apply_now(w->s, op_activate(0), NULL), ERR_OK);
    assert_int_equal(generation_prune(w->s, 0, 7, &removed, NULL), ERR_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(blobs_left(w->s), 0);
    free(back);
    free(table);
}

static void an_unfinished_generation_is_swept_unless_its_training_lives(void **state)
{
    world *w = *state;
    generation_id id;
    generation_info info = {.users = 1}, got;
    store_info now = stat_of(w->s);
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->s, &info, &id, NULL), ERR_OK);
    store_options beside = {.mode = STORE_BESIDE};
    store *trainer = NULL;
    /* LMDB allows one environment per process, so the trainer is another process. */
    int ready[2], leave[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    store_close(w->s);
    pid_t child = fork();
    if (child == 0) {
        char c = 'x';
        bool fine = recover_open(&trainer, w->folder, &beside, NULL) == ERR_OK &&
                    store_train_lock(trainer, NULL) == ERR_OK && write(ready[1], &c, 1) == 1 &&
                    read(leave[0], &c, 1) == 1;
        _exit(fine ? 0 : 1);
    }
    char c = 0;
    assert_int_equal(read(ready[0], &c, 1), 1);
    w->s = open_store(w->folder);
    store_read *r = NULL;
    assert_true(store_train_running(w->s));
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(held_borrow(r, &id, &got, NULL), ERR_OK);
    store_read_end(r);
    assert_int_equal(write(leave[1], &c, 1), 1);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    reopen(w);
    assert_false(store_train_running(w->s));
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(held_borrow(r, &id, &got, NULL), ERR_NOT_FOUND);
    store_read_end(r);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(leave[i]);
    }
}

/* Registration, activation and pruning depend only on what is registered. */
static void numbers_do_not_depend_on_whose_tables_lie_here(void **state)
{
    world *w = *state;
    const float table[4] = {1, 2, 3, 4};
    store_read *r = NULL;
    bool held = true;
    uint32_t serve = 9;
    generation_info abroad = {.created = 5, .users = 1, .summary = slice_of("{}")};
    memset(abroad.id.bytes, 0xab, sizeof abroad.id.bytes);
    assert_int_equal(apply_now(w->s, op_activate(1), NULL), ERR_NOT_FOUND);
    assert_int_equal(finished_generation(w->s, table, 1), 1);
    assert_int_equal(apply_now(w->s, op_activate(1), NULL), ERR_OK);
    op *o = NULL;
    assert_int_equal(op_register_new(&o, &abroad, 7, NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, o, NULL), ERR_OK);
    assert_int_equal(op_register_new(&o, &abroad, 7, NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, o, NULL), ERR_CONFLICT); /* it has a number */
    assert_int_equal(apply_now(w->s, op_activate(2), NULL), ERR_OK);
    assert_int_equal(stat_of(w->s).generation, 2);
    reopen(w);
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(generation_held(r, 2, &held, NULL), ERR_OK);
    assert_false(held);
    assert_int_equal(generation_to_serve(r, &serve, NULL), ERR_OK);
    assert_int_equal(serve, 1); /* what it served before it lacked the active one */
    store_read_end(r);
    uint32_t removed = 0;
    assert_int_equal(generation_prune(w->s, 0, 7, &removed, NULL), ERR_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(blobs_left(w->s), 0);
    assert_int_equal(finished_generation(w->s, table, 1), 3); /* numbers are never reused */
}

static void a_checkpoint_is_refused_once_the_data_changed(void **state)
{
    world *w = *state;
    void *bytes = NULL;
    size_t count = 0;
    assert_int_equal(checkpoint_file_take(w->s, &bytes, &count, NULL), ERR_NOT_FOUND);
    assert_int_equal(checkpoint_file_put(w->s, 0, slice_of("state"), NULL), ERR_OK);
    assert_int_equal(checkpoint_file_take(w->s, &bytes, &count, NULL), ERR_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(bytes, "state", 5);
    mem_free(bytes);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(checkpoint_file_take(w->s, &bytes, &count, NULL), ERR_CONFLICT);
    assert_null(bytes);
    reopen(w);
    assert_false(checkpoint_file_exists(w->s));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(erasure_reaches_generations_log_and_checkpoint),
        WITH_STORE(a_large_blob_crosses_pieces_and_survives),
        WITH_STORE(an_unfinished_generation_is_swept_unless_its_training_lives),
        WITH_STORE(numbers_do_not_depend_on_whose_tables_lie_here),
        WITH_STORE(a_checkpoint_is_refused_once_the_data_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
