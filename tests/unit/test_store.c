/* SPDX-License-Identifier: Apache-2.0 */
/* The store's promises as its headers state them: seq, rows, refusals, reopening, owners,
 * formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/log/oplog.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/recover.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"
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

static err_code fixed_answer(const op *o, const apply_result *result, arena *a, uint16_t *status,
                             slice *body, err *e)
{
    (void)e;
    *status = result->code == ERR_OK ? 201 : 409;
    *body = arena_slice(a, o->answer.request_id);
    return ERR_OK;
}

static op *keyed(op *o, char *answer, unsigned char hash)
{
    o->idempotency_key = slice_of("key-1");
    memset(o->idempotency_hash, hash, sizeof o->idempotency_hash);
    o->render = fixed_answer;
    o->answer.request_id = slice_of(answer);
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
    o->answer.request_id = slice_of(second);
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_OK);
    assert_true(result.replayed);
    assert_int_equal(result.status, 201);
    assert_true(slice_equal(result.body, slice_of(first)));
    assert_int_equal(result.changes.count, 0);
    assert_int_equal(stat_of(w->s).seq, 2);
    keyed(o, second, 2);
    assert_int_equal(apply_one(w->s, o, &result, NULL), ERR_UNPROCESSABLE);
    /* An erasure empties the answer, but the key still prevents a repeat. */
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
        err_code code = recover_open(&second, w->folder, &options, &e);
        _exit(code == ERR_CONFLICT && second == NULL && strstr(e.text, expected) != NULL ? 0 : 1);
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
    assert_int_equal(recover_open(&s, folder, &options, &e), ERR_NOT_FOUND);
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

/* fill stores items of 4 KiB until the store is full, and returns their number. */
static int fill(store *s, int round)
{
    float vector[1000] = {0};
    char id[32];
    for (int n = 0; n < 100000; n++) {
        snprintf(id, sizeof id, "r%d-%d", round, n);
        err_code code = apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, vector, 1000), NULL);
        if (code != ERR_OK) {
            assert_int_equal(code, ERR_FULL);
            return n;
        }
    }
    return 0;
}

static void deleting_all_makes_room_though_the_log_might_take_the_quota(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX], id[32];
    store *s = NULL;
    store_options options = {
        .mode = STORE_OWNER, .create = true, .no_sync = true, .quota_bytes = 4 * 1024 * 1024};
    temp_folder(folder);
    assert_int_equal(recover_open(&s, folder, &options, NULL), ERR_OK);
    int first = 0;
    for (int round = 0; round < 4; round++) {
        int stored = fill(s, round);
        first = round == 0 ? stored : first;
        /* a deleted item leaves a row number; an erased user leaves nothing */
        assert_true(stored > first / 2);
        for (int n = 0; n < stored; n++) {
            snprintf(id, sizeof id, "r%d-%d", round, n);
            assert_int_equal(apply_now(s, op_delete_item(id), NULL), ERR_OK);
        }
    }
    assert_true(first > 300);
    assert_in_range(stat_of(s).file_bytes, 1,
                    options.quota_bytes + 4 * 1024 * 1024 + options.quota_bytes / 16);
    check_report report;
    assert_int_equal(check_run(s, &(check_options){.problem = NULL}, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    store_close(s);
    temp_remove(folder);
}

static void a_full_quota_refuses_what_does_not_fit_and_keeps_the_rest(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    store *s = NULL;
    store_options options = {.mode = STORE_OWNER, .create = true, .quota_bytes = 1500 * 1024};
    temp_folder(folder);
    assert_int_equal(recover_open(&s, folder, &options, NULL), ERR_OK);
    size_t width = 60000;
    float *vector = calloc(width, sizeof *vector);
    uint64_t seq = 0;
    int stored = 0;
    err_code code = ERR_OK;
    while (code == ERR_OK && stored < 100) {
        char id[16];
        snprintf(id, sizeof id, "i%d", stored);
        code = apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, vector, (uint32_t)width), &seq);
        if (code == ERR_FULL) { /* the newest entry of the log always stays, so make it small */
            snprintf(id, sizeof id, "j%d", stored);
            assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, NULL, 0), &seq),
                             ERR_OK);
            code = apply_now(s, op_put_item(OP_ITEMS_PUT, id, NULL, vector, (uint32_t)width), &seq);
            stored++;
        }
        stored += code == ERR_OK;
    }
    assert_int_equal(code, ERR_FULL);
    assert_in_range(stored, 1, 8);
    stored = (int)stat_of(s).items;
    seq = stat_of(s).seq;
    /* In a group, only the op that does not fit is refused. */
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
    assert_int_equal(results[2].seq, seq + 2);
    for (int i = 0; i < 3; i++) {
        apply_result_fini(&results[i]);
        op_free(ops[i]);
    }
    assert_int_equal(stat_of(s).items, stored + 2);
    assert_true(stat_of(s).writable);
    char title[1001];
    memset(title, 't', sizeof title - 1);
    title[sizeof title - 1] = '\0';
    /* Continue until nothing fits. A full store can still be emptied and filled again. */
    for (int i = 0; code == ERR_FULL && i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        code = apply_now(s, op_put_item(OP_ITEMS_PUT, id, title, NULL, 0), NULL);
        code = code == ERR_OK ? ERR_FULL : ERR_OK;
    }
    assert_int_equal(code, ERR_OK);
    assert_in_range(stat_of(s).used_bytes, 1200 * 1024, 1500 * 1024);
    assert_int_equal(apply_now(s, op_delete_item("i0"), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "i0", NULL, NULL, 0), NULL), ERR_OK);
    assert_in_range(stat_of(s).file_bytes, 1, 1800 * 1024); /* deletions use the reserve */
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
    assert_int_equal(recover_open(&s, folder, &options, NULL), ERR_OK);
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
        WITH_STORE(a_second_owner_is_told_the_pid_of_the_first),
        WITH_STORE(staging_replaces_the_content_and_raises_seq),
        cmocka_unit_test(no_store_is_said_plainly),
        cmocka_unit_test(deleting_all_makes_room_though_the_log_might_take_the_quota),
        cmocka_unit_test(a_full_quota_refuses_what_does_not_fit_and_keeps_the_rest),
        cmocka_unit_test(the_log_is_trimmed_by_size_and_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
