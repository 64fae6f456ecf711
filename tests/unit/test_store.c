/* The store's promises, seen from its headers: seq, rows, refusals, reopening, owners, formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/types.h"
#include "storage/checkpoint_file.h"
#include "storage/features.h"
#include "storage/generations.h"
#include "storage/interactions.h"
#include "storage/items.h"
#include "storage/oplog.h"
#include "storage/users.h"
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

static void an_item_comes_back_as_it_was_put(void **state)
{
    world *w = *state;
    const float vector[3] = {1.5f, -2, 0};
    uint64_t seq = 0;
    assert_int_equal(
        apply_now(w->s, op_put_item(OP_ITEMS_CREATE, "sku/1", "Red shoe", vector, 3), &seq),
        ERR_OK);
    assert_int_equal(seq, 1);
    reopen(w);
    store_read *r = NULL;
    uint32_t row = 9;
    arena memory;
    stored_item it;
    const feature *features = NULL;
    size_t count = 0;
    arena_init(&memory, 1 << 20);
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("sku/1"), &row, NULL), ERR_OK);
    assert_int_equal(row, 0);
    assert_int_equal(item_get(r, row, &memory, &it, NULL), ERR_OK);
    assert_true(slice_equal(it.title, slice_of("Red shoe")));
    assert_int_equal(it.updated_seq, 1);
    assert_false(it.hidden);
    assert_int_equal(features_get(r, row, &memory, &features, &count, NULL), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(features[0].width, 3);
    assert_memory_equal(features[0].data, vector, sizeof vector);
    float table[6];
    assert_int_equal(features_read(r, 0, 0, 2, table, NULL), ERR_OK);
    assert_memory_equal(table, vector, sizeof vector);
    assert_true(isnan(table[3]));
    store_read_end(r);
    arena_fini(&memory);
}

static void a_refused_op_takes_no_number_and_changes_nothing(void **state)
{
    world *w = *state;
    uint64_t seq = 0;
    const float two[2] = {1, 2}, three[3] = {1, 2, 3};
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_CREATE, "a", NULL, two, 2), NULL),
                     ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_CREATE, "a", "again", NULL, 0), &seq),
                     ERR_CONFLICT);
    assert_int_equal(seq, 1);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PATCH, "b", "x", NULL, 0), &seq),
                     ERR_NOT_FOUND);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "c", "x", three, 3), &seq),
                     ERR_INVALID);
    assert_int_equal(apply_now(w->s, op_delete_item("b"), &seq), ERR_NOT_FOUND);
    assert_int_equal(apply_now(w->s, op_add("u", "b", "purchase", 5), &seq), ERR_NOT_FOUND);
    assert_int_equal(apply_now(w->s, op_erase("u"), &seq), ERR_NOT_FOUND);
    assert_int_equal(apply_now(w->s, op_activate(3), &seq), ERR_NOT_FOUND);
    assert_int_equal(seq, 1);
    store_info info = stat_of(w->s);
    assert_int_equal(info.seq, 1);
    assert_int_equal(info.items, 1);
    assert_int_equal(info.item_rows, 1);
    assert_int_equal(info.users, 0);
    assert_int_equal(info.user_rows, 0);
}

static void a_deleted_id_that_comes_back_gets_a_new_row(void **state)
{
    world *w = *state;
    store_read *r = NULL;
    uint32_t row = 0;
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "a", "purchase", 5), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_delete_item("a"), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_CREATE, "a", NULL, NULL, 0), NULL),
                     ERR_OK);
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("a"), &row, NULL), ERR_OK);
    assert_int_equal(row, 1);
    arena memory;
    stored_item it;
    arena_init(&memory, 1 << 20);
    assert_int_equal(item_get(r, 0, &memory, &it, NULL), ERR_OK);
    assert_true(it.deleted);
    assert_true(slice_equal(it.id, slice_of("a")));
    arena_fini(&memory);
    store_read_end(r);
    assert_int_equal(stat_of(w->s).items, 1);
}

static void a_repeated_interaction_keeps_the_newest_time_only(void **state)
{
    world *w = *state;
    store_read *r = NULL;
    interaction x;
    uint8_t type = 9;
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "a", "view", 50), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "a", "purchase", 70), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "a", "view", 60), NULL), ERR_OK);
    assert_int_equal(apply_now(w->s, op_add("u", "a", "view", 55), NULL), ERR_OK);
    assert_int_equal(stat_of(w->s).interactions, 2);
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(type_find(r, slice_of("view"), &type, NULL), ERR_OK);
    assert_int_equal(interaction_get(r, 0, 0, type, &x, NULL), ERR_OK);
    assert_int_equal(x.time, 60);
    store_read_end(r);
    assert_int_equal(apply_now(w->s, op_remove("u", "a", NULL), NULL), ERR_OK);
    assert_int_equal(stat_of(w->s).interactions, 0);
    assert_int_equal(apply_now(w->s, op_remove("u", "a", NULL), NULL), ERR_NOT_FOUND);
}

static void an_op_of_a_group_sees_the_ones_before_it(void **state)
{
    world *w = *state;
    op *ops[4] = {op_put_item(OP_ITEMS_CREATE, "a", NULL, NULL, 0),
                  op_put_item(OP_ITEMS_CREATE, "a", NULL, NULL, 0), op_add("u", "a", "purchase", 1),
                  op_delete_item("a")};
    apply_result results[4];
    for (int i = 0; i < 4; i++) {
        apply_result_init(&results[i]);
    }
    assert_int_equal(apply_group(w->s, (const op *const *)ops, 4, results, NULL), ERR_OK);
    assert_int_equal(results[0].code, ERR_OK);
    assert_int_equal(results[1].code, ERR_CONFLICT);
    assert_int_equal(results[1].seq, 1);
    assert_int_equal(results[2].seq, 2);
    assert_int_equal(results[3].seq, 3);
    assert_int_equal(results[2].changes.count, 3); /* type, user, edge */
    assert_int_equal(results[3].changes.items[0].kind, CHANGE_ITEM_GONE);
    for (int i = 0; i < 4; i++) {
        apply_result_fini(&results[i]);
        op_free(ops[i]);
    }
}

static void unchanged_features_are_not_reported_as_changed(void **state)
{
    world *w = *state;
    const float vector[2] = {1, 2};
    apply_result result;
    apply_result_init(&result);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", "t", vector, 2), NULL), ERR_OK);
    op *again = op_put_item(OP_ITEMS_PUT, "a", "other", vector, 2);
    assert_int_equal(apply_one(w->s, again, &result, NULL), ERR_OK);
    assert_int_equal(result.changes.count, 1);
    assert_false(result.changes.items[0].item->features_changed);
    op_free(again);
    const float moved[2] = {1, 3};
    again = op_put_item(OP_ITEMS_PUT, "a", "other", moved, 2);
    assert_int_equal(apply_one(w->s, again, &result, NULL), ERR_OK);
    assert_true(result.changes.items[0].item->features_changed);
    assert_int_equal(result.changes.items[0].item->feature_count, 1);
    op_free(again);
    apply_result_fini(&result);
}

static err_code fixed_answer(void *ctx, const apply_result *result, arena *a, uint16_t *status,
                             slice *body, err *e)
{
    (void)e;
    *status = result->code == ERR_OK ? 201 : 409;
    *body = arena_slice(a, slice_of(ctx));
    return ERR_OK;
}

static op *keyed(op *o, char *answer, unsigned char hash)
{
    o->idempotency_key = slice_of("key-1");
    memset(o->idempotency_hash, hash, sizeof o->idempotency_hash);
    o->render = fixed_answer;
    o->render_ctx = answer;
    return o;
}

static void a_repeated_key_gets_the_first_answer_for_a_day(void **state)
{
    world *w = *state;
    apply_result result;
    char first[] = "first \"u\"", second[] = "second";
    apply_result_init(&result);
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    op *o = keyed(op_add("u", "a", "purchase", 1), first, 1);
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_false(result.replayed);
    reopen(w);
    o->render_ctx = second;
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_true(result.replayed);
    assert_int_equal(result.status, 201);
    assert_true(slice_equal(result.body, slice_of(first)));
    assert_int_equal(result.changes.count, 0);
    assert_int_equal(stat_of(w->s).seq, 2);
    keyed(o, second, 2);
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_UNPROCESSABLE);
    /* An erasure empties the answer; the key still guards against the repeat. */
    assert_int_equal(apply_now(w->s, op_erase("u"), NULL), ERR_OK);
    keyed(o, second, 1);
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_NOT_FOUND);
    assert_int_equal(result.entry_count, 0);
    assert_int_equal(stat_of(w->s).users, 0);
    o->time += IDEMPOTENCY_SECONDS;
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_false(result.replayed);
    assert_int_equal(stat_of(w->s).users, 1);
    op_free(o);
    apply_result_fini(&result);
}

static uint32_t finished_generation(store *s, const float *users, uint32_t user_rows)
{
    uint32_t number = 0;
    store_info now = stat_of(s);
    generation_info info = {.seq = now.seq, .users = user_rows, .items = now.item_rows};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(s, &info, &number, NULL), ERR_OK);
    assert_int_equal(generation_put(s, number, "user_e", users, user_rows * 4 * sizeof *users,
                                    4 * sizeof *users, NULL),
                     ERR_OK);
    assert_int_equal(generation_finish(s, number, slice_of("{}"), false, NULL), ERR_OK);
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
    /* A training that has read its data before, and ends after. */
    uint32_t late = 0;
    store_info now = stat_of(w->s);
    generation_info info = {.seq = now.seq, .users = 3, .items = 1};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->s, &info, &late, NULL), ERR_OK);

    op *o = op_erase("u1");
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_int_equal(result.receipt.interactions, 1);
    assert_int_equal(result.receipt.generations, 1);
    assert_int_equal(result.receipt.log_entries, 1);
    assert_true(result.receipt.checkpoint);
    assert_false(checkpoint_file_exists(w->s));
    op_free(o);

    assert_int_equal(
        generation_put(w->s, late, "user_e", table, sizeof table, 4 * sizeof *table, NULL), ERR_OK);
    assert_false(row_is_zero(w->s, late, 1));
    assert_int_equal(generation_finish(w->s, late, slice_of("{}"), false, NULL), ERR_OK);
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
    for (uint64_t seq = 1; seq <= 5; seq++) {
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
    assert_int_equal(generation_remove(w->s, number, NULL), ERR_CONFLICT);
    assert_int_equal(apply_now(w->s, op_activate(0), NULL), ERR_OK);
    assert_int_equal(generation_remove(w->s, number, NULL), ERR_OK);
    free(back);
    free(table);
}

static void an_unfinished_generation_is_swept_unless_its_training_lives(void **state)
{
    world *w = *state;
    uint32_t number = 0, second = 0;
    generation_info info = {.users = 1}, got;
    arena memory;
    arena_init(&memory, 1 << 20);
    store_info now = stat_of(w->s);
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(generation_begin(w->s, &info, &number, NULL), ERR_OK);
    store_options beside = {.mode = STORE_BESIDE};
    store *trainer = NULL;
    /* LMDB wants one environment a process, so the trainer is another one. */
    int ready[2], leave[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    store_close(w->s);
    pid_t child = fork();
    if (child == 0) {
        char c = 'x';
        bool fine = store_open(&trainer, w->folder, &beside, NULL) == ERR_OK &&
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
    assert_int_equal(generation_get(r, number, &memory, &got, NULL), ERR_OK);
    store_read_end(r);
    assert_int_equal(write(leave[1], &c, 1), 1);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    reopen(w);
    assert_false(store_train_running(w->s));
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(generation_get(r, number, &memory, &got, NULL), ERR_NOT_FOUND);
    store_read_end(r);
    assert_int_equal(generation_begin(w->s, &info, &second, NULL), ERR_OK);
    assert_int_equal(second, number + 1);
    arena_fini(&memory);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(leave[i]);
    }
}

static void a_second_owner_is_told_the_pid_of_the_first(void **state)
{
    world *w = *state;
    pid_t child = fork();
    if (child == 0) {
        store *second = NULL;
        err e = ERR_INIT;
        char expected[64];
        store_options options = {.mode = STORE_OWNER};
        snprintf(expected, sizeof expected, "process %ld", (long)getppid());
        err_code rc = store_open(&second, w->folder, &options, &e);
        _exit(rc == ERR_CONFLICT && second == NULL && strstr(e.text, expected) != NULL ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void no_store_is_said_plainly(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    store *s = NULL;
    err e = ERR_INIT;
    store_options options = {.mode = STORE_READ};
    temp_folder(folder);
    assert_int_equal(store_open(&s, folder, &options, &e), ERR_NOT_FOUND);
    assert_null(s);
    assert_non_null(strstr(e.text, "no store in"));
    temp_remove(folder);
}

static void staging_replaces_the_content_and_raises_seq(void **state)
{
    world *w = *state;
    store *staged = NULL;
    store_write *write = NULL;
    store_info before, after;
    assert_int_equal(apply_now(w->s, op_put_item(OP_ITEMS_PUT, "old", NULL, NULL, 0), NULL),
                     ERR_OK);
    before = stat_of(w->s);
    assert_int_equal(store_stage_begin(w->s, false, &staged, NULL), ERR_OK);
    assert_int_equal(store_write_begin(staged, &write, NULL), ERR_OK);
    stored_item it = {.id = slice_of("new")};
    uint32_t row = 7;
    assert_int_equal(item_create(write, &it, &row, NULL), ERR_OK);
    assert_int_equal(store_write_commit(write, NULL), ERR_OK);
    assert_int_equal(stat_of(w->s).items, 1);
    assert_int_equal(store_stage_flip(w->s, staged, NULL), ERR_OK);
    after = stat_of(w->s);
    assert_int_equal(after.seq, before.seq + 1);
    assert_memory_not_equal(after.lineage, before.lineage, LINEAGE_BYTES);
    store_read *r = NULL;
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("old"), &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(item_find(r, slice_of("new"), &row, NULL), ERR_OK);
    store_read_end(r);
    reopen(w);
    assert_int_equal(stat_of(w->s).seq, before.seq + 1);
    assert_int_equal(store_stage_begin(w->s, true, &staged, NULL), ERR_OK);
    assert_int_equal(stat_of(staged).items, 1);
    store_stage_abort(staged);
    assert_int_equal(stat_of(w->s).items, 1);
}

static void a_full_quota_refuses_what_does_not_fit_and_keeps_the_rest(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    store *s = NULL;
    store_options options = {.mode = STORE_OWNER, .create = true, .quota_bytes = 1200 * 1024};
    temp_folder(folder);
    assert_int_equal(store_open(&s, folder, &options, NULL), ERR_OK);
    size_t width = 60000;
    float *vector = calloc(width, sizeof *vector);
    uint64_t seq = 0;
    int stored = 0;
    err_code rc = ERR_OK;
    while (rc == ERR_OK && stored < 100) {
        char id[16];
        snprintf(id, sizeof id, "i%d", stored);
        rc = apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, vector, (uint32_t)width), &seq);
        stored += rc == ERR_OK;
    }
    assert_int_equal(rc, ERR_FULL);
    assert_in_range(stored, 1, 4);
    /* In a group only the one that does not fit is refused. */
    op *ops[3] = {op_put_item(OP_ITEMS_PUT, "small", NULL, NULL, 0),
                  op_put_item(OP_ITEMS_PUT, "large", NULL, vector, (uint32_t)width),
                  op_put_item(OP_ITEMS_PUT, "small too", NULL, NULL, 0)};
    apply_result results[3];
    for (int i = 0; i < 3; i++) {
        apply_result_init(&results[i]);
    }
    assert_int_equal(apply_group(s, (const op *const *)ops, 3, results, NULL), ERR_OK);
    assert_int_equal(results[0].code, ERR_OK);
    assert_int_equal(results[1].code, ERR_FULL);
    assert_int_equal(results[2].code, ERR_OK);
    assert_int_equal(results[2].seq, stored + 2);
    for (int i = 0; i < 3; i++) {
        apply_result_fini(&results[i]);
        op_free(ops[i]);
    }
    assert_int_equal(stat_of(s).items, stored + 2);
    assert_true(stat_of(s).writable);
    /* Until nothing at all fits; then a full store can still be emptied, and filled again. */
    for (int i = 0; rc == ERR_FULL && i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        rc = apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, NULL, 0), NULL);
        rc = rc == ERR_OK ? ERR_FULL : ERR_OK;
    }
    assert_int_equal(rc, ERR_OK);
    assert_in_range(stat_of(s).used_bytes, 900 * 1024, 1200 * 1024);
    assert_int_equal(apply_now(s, op_delete_item("i0"), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "i0", NULL, NULL, 0), NULL), ERR_OK);
    assert_in_range(stat_of(s).file_bytes, 1, 1200 * 1024);
    free(vector);
    store_close(s);
    temp_remove(folder);
}

static void the_log_is_trimmed_by_size_and_by_age(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    store *s = NULL;
    store_options options = {
        .mode = STORE_OWNER, .create = true, .oplog_bytes = 4096, .oplog_seconds = 100};
    temp_folder(folder);
    assert_int_equal(store_open(&s, folder, &options, NULL), ERR_OK);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "t", NULL, 0), NULL), ERR_OK);
    }
    store_read *r = NULL;
    uint64_t first = 0, last = 0;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(oplog_range(r, &first, &last, NULL), ERR_OK);
    store_read_end(r);
    assert_int_equal(last, 200);
    assert_in_range(first, 100, 190);
    op *late = op_put_item(OP_ITEMS_PUT, "a", "t", NULL, 0);
    late->time += 101;
    assert_int_equal(apply_now(s, late, NULL), ERR_OK);
    late = op_put_item(OP_ITEMS_PUT, "a", "t", NULL, 0);
    late->time += 101;
    assert_int_equal(apply_now(s, late, NULL), ERR_OK);
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(oplog_range(r, &first, &last, NULL), ERR_OK);
    store_read_end(r);
    assert_in_range(first, 200, 202);
    store_close(s);
    temp_remove(folder);
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
        WITH_STORE(an_item_comes_back_as_it_was_put),
        WITH_STORE(a_refused_op_takes_no_number_and_changes_nothing),
        WITH_STORE(a_deleted_id_that_comes_back_gets_a_new_row),
        WITH_STORE(a_repeated_interaction_keeps_the_newest_time_only),
        WITH_STORE(an_op_of_a_group_sees_the_ones_before_it),
        WITH_STORE(unchanged_features_are_not_reported_as_changed),
        WITH_STORE(a_repeated_key_gets_the_first_answer_for_a_day),
        WITH_STORE(erasure_reaches_generations_log_and_checkpoint),
        WITH_STORE(a_large_blob_crosses_pieces_and_survives),
        WITH_STORE(an_unfinished_generation_is_swept_unless_its_training_lives),
        WITH_STORE(a_second_owner_is_told_the_pid_of_the_first),
        WITH_STORE(staging_replaces_the_content_and_raises_seq),
        WITH_STORE(a_checkpoint_is_refused_once_the_data_changed),
        cmocka_unit_test(no_store_is_said_plainly),
        cmocka_unit_test(a_full_quota_refuses_what_does_not_fit_and_keeps_the_rest),
        cmocka_unit_test(the_log_is_trimmed_by_size_and_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
