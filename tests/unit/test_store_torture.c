/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation in the life of a store fails in turn: opening, writing, a part of a training,
 * erasing, loading, checking. Nothing leaks (ASan), nothing is half-done, and the error is
 * reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/common/mem.h"
#include "server/load/dataset_load.h"
#include "storage/log/generation_ops.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/recover.h"
#include "storage/models/checkpoint_file.h"
#include "storage/models/generations.h"
#include "storage/models/model_private.h"
#include "storage/models/model_store.h"
#include "tests/support/store_fixture.h"

typedef struct life {
    const char *folder;
    const op *const *ops;
    size_t op_count;
    store *s;
    dataset *d;
    model *m;
    void *checkpoint;
    uint32_t generation;
    generation_id id;
    bool generation_made;
} life;

static err_code write_ops(life *l, err *e)
{
    apply_result results[8];
    for (size_t i = 0; i < l->op_count; i++) {
        apply_result_init(&results[i]);
    }
    err_code code = apply_group(l->s, l->ops, l->op_count, results, e);
    for (size_t i = 0; i < l->op_count; i++) {
        if (code == ERR_OK && results[i].code != ERR_OK) {
            code = err_set(e, results[i].code, "%s", results[i].detail);
        }
        apply_result_fini(&results[i]);
    }
    return code;
}

static err_code train_like(life *l, const model *made, err *e)
{
    store_info now;
    generation_info info = {0};
    size_t bytes = 0;
    err_code code = dataset_load(l->s, NULL, &l->d, &now, e);
    if (code != ERR_OK) {
        return code;
    }
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    info.seq = now.seq;
    info.users = (uint32_t)made->users;
    info.items = (uint32_t)made->items;
    code = checkpoint_file_put(l->s, now.seq, slice_of("bytes"), e);
    code = code == ERR_OK ? checkpoint_file_take(l->s, &l->checkpoint, &bytes, e) : code;
    code = code == ERR_OK ? generation_begin(l->s, &info, &l->id, e) : code;
    l->generation_made = code == ERR_OK;
    code = code == ERR_OK ? model_put(l->s, &l->id, made, "ann", 3, e) : code;
    code = code == ERR_OK ? generation_finish(l->s, &l->id, slice_of("{}"), true, e) : code;
    code = code == ERR_OK ? generation_register(l->s, &l->id, 1, &l->generation, e) : code;
    return code == ERR_OK ? model_get(l->s, l->generation, true, &l->m, e) : code;
}

static err_code live_through(life *l, const model *made, err *e)
{
    store_options options = {.mode = STORE_OWNER, .create = true, .no_sync = true};
    check_options nobody = {0};
    check_report report;
    uint64_t places = 0;
    err_code code = recover_open(&l->s, l->folder, &options, e);
    code = code == ERR_OK ? write_ops(l, e) : code;
    code = code == ERR_OK ? train_like(l, made, e) : code;
    code = code == ERR_OK ? check_run(l->s, &nobody, &report, e) : code;
    code = code == ERR_OK ? check_user(l->s, slice_of("u"), &nobody, &places, e) : code;
    if (code == ERR_OK) {
        assert_int_equal(report.problems, 0);
    }
    return code;
}

static void end_life(life *l)
{
    mem_fail_at(-1);
    dataset_free(l->d);
    model_free(l->m);
    mem_free(l->checkpoint);
    if (l->s != NULL && l->generation_made) {
        assert_int_equal(held_remove(l->s, &l->id, NULL), ERR_OK);
    }
    store_close(l->s);
}

static void verify(const char *folder)
{
    store *s = open_store(folder);
    check_options nobody = {0};
    check_report report;
    assert_int_equal(check_run(s, &nobody, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    store_close(s);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    const float vector[4] = {1, 2, 3, 4};
    model *made = NULL;
    train_options options = TRAIN_OPTIONS_INIT;
    options.dim = 4;
    assert_int_equal(model_new(&made, &options, 2, 1, 1, NULL), ERR_OK);
    assert_int_equal(model_modality_alloc(made, 0, "text", 4, NULL), ERR_OK);
    op *ops[6] = {op_put_item(OP_ITEMS_PUT, "a", "title", vector, 4),
                  op_put_item(OP_ITEMS_PATCH, "a", "other", NULL, 0),
                  op_add("u", "a", "purchase", 5),
                  op_add("v", "a", "view", 6),
                  op_remove("u", "a", NULL),
                  op_erase("v")};
    ops[2]->idempotency_key = slice_of("key");
    /* Each life uses a key of its own; otherwise the second would be a replay of the first. */
    temp_folder(folder);
    long nth = 0;
    for (bool whole = false; !whole; nth++) {
        err e = ERR_INIT;
        life l = {.folder = folder, .ops = (const op *const *)ops, .op_count = 6};
        memcpy(ops[2]->idempotency_hash, &nth, sizeof nth);
        ops[2]->time += IDEMPOTENCY_SECONDS;
        mem_fail_at(nth);
        err_code code = live_through(&l, made, &e);
        mem_fail_at(-1);
        whole = code == ERR_OK;
        if (!whole && code != ERR_NOMEM) {
            fail_msg("allocation %ld: %s: %s", nth, err_code_name(code), e.text);
        }
        end_life(&l);
        if (nth % 20 == 0) {
            verify(folder);
        }
    }
    assert_in_range(nth, 60, 2000); /* a life without allocations would prove nothing */
    verify(folder);
    for (size_t i = 0; i < 6; i++) {
        op_free(ops[i]);
    }
    model_free(made);
    temp_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
