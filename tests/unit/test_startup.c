/* SPDX-License-Identifier: Apache-2.0 */
/* A start reads records and model at the same time (startup_load's pthread_create). If one side
 * fails, the other is waited for and freed. Also run under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/train/loop/train.h"
#include "server/load/dataset_load.h"
#include "server/load/live_load.h"
#include "server/runtime/startup.h"
#include "server/telemetry/log.h"
#include "storage/env/schema.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "tests/support/store_fixture.h"

enum { ITEMS = 60, USERS = 15, EDGES = 90, WIDTH = 8, LATER = 3 };

typedef struct fixture {
    char folder[TEMP_PATH_MAX];
    store *store;
    live *live;
    live_feature_source lent;
    generation_id generation;
    store_info info;
    err why;
} fixture;

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fail_msg("%s", e->text);
    }
}

static void add_item(fixture *f, int i)
{
    char id[16];
    float features[WIDTH];
    snprintf(id, sizeof id, "i%d", i);
    for (int j = 0; j < WIDTH; j++) {
        features[j] = (float)((i * 7 + j * 13) % 11) - 5;
    }
    assert_int_equal(
        apply_now(f->store, op_put_item(OP_ITEMS_CREATE, id, "x", features, WIDTH), NULL), ERR_OK);
}

static void add_generation(fixture *f)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    model *m = NULL;
    store_info origin;
    generation_id id;
    uint32_t number = 0;
    train_options options = TRAIN_OPTIONS_INIT;
    options.dim = 8;
    options.epochs = 1;
    options.eval_every = 0;
    options.batch = 32;
    options.threads = 1;
    must(dataset_load(f->store, NULL, &d, &origin, &e), &e);
    must(train_run(&m, d, &options, &(train_hooks){0}, &e), &e);
    generation_info info = {
        .seq = origin.seq, .users = (uint32_t)m->users, .items = (uint32_t)m->items};
    memcpy(info.lineage, origin.lineage, sizeof info.lineage);
    must(generation_begin(f->store, &info, &id, &e), &e);
    must(model_put(f->store, &id, m, NULL, 0, &e), &e);
    must(generation_finish(f->store, &id, slice_of("{}"), false, &e), &e);
    must(generation_register(f->store, &id, 0, &number, &e), &e);
    f->generation = id;
    assert_int_equal(apply_now(f->store, op_activate(number), NULL), ERR_OK);
    model_free(m);
    dataset_free(d);
}

/* setup makes a shop with a model, and a few items that came after it. */
static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    log_setup(LOG_NONE, 2);
    temp_folder(f->folder);
    f->store = open_store(f->folder);
    for (int i = 0; i < ITEMS; i++) {
        add_item(f, i);
    }
    for (int i = 0; i < EDGES; i++) {
        char user[16], item[16];
        snprintf(user, sizeof user, "u%d", i % USERS);
        snprintf(item, sizeof item, "i%d", i * 17 % ITEMS);
        assert_int_equal(apply_now(f->store, op_add(user, item, "purchase", 1700000000), NULL),
                         ERR_OK);
    }
    add_generation(f);
    for (int i = 0; i < LATER; i++) {
        add_item(f, ITEMS + i);
    }
    live_feature_source_init(&f->lent, f->store);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mem_fail_at(-1);
    live_free(f->live);
    live_feature_source_fini(&f->lent);
    store_close(f->store);
    temp_remove(f->folder);
    free(f);
    return 0;
}

static err_code start(fixture *f)
{
    live_options options = {.features = live_stored_features, .ctx = &f->lent};
    f->why = (err)ERR_INIT;
    live_free(f->live);
    f->live = NULL;
    err_code code = live_new(&f->live, &options, &f->why);
    return code == ERR_OK ? startup_load(f->store, f->live, 1, &f->info, &f->why) : code;
}

/* seen returns what the live tables contain after a start. */
static view_stats seen(fixture *f)
{
    live_hold hold;
    view_stats stats;
    live_acquire(f->live, &hold);
    view_stats_get(hold.view, &stats);
    live_release(f->live, &hold);
    return stats;
}

static void spoil(fixture *f, store_db db, slice key, slice value)
{
    err e = ERR_INIT;
    store_write *w = NULL;
    must(store_write_begin(f->store, &w, &e), &e);
    must(schema_put(w, db, key, value, &e), &e);
    must(store_write_commit(w, &e), &e);
}

static void records_model_and_later_items_are_there_after_a_start(void **state)
{
    fixture *f = *state;
    live_hold hold;
    must(start(f), &f->why);
    view_stats stats = seen(f);
    assert_int_equal(stats.items, ITEMS + LATER);
    assert_int_equal(stats.users, USERS);
    assert_int_equal(stats.interactions, f->info.interactions);
    assert_int_equal(stats.seq, f->info.seq);
    assert_int_equal(stats.generation, 1);
    assert_int_equal(stats.base_rows, ITEMS);
    assert_int_equal(stats.delta_rows, LATER);
    live_acquire(f->live, &hold);
    for (uint32_t row = 0; row < ITEMS + LATER; row++) {
        assert_true((view_item_flags(hold.view, row) & ITEM_PLACED) != 0);
    }
    live_release(f->live, &hold);
}

static void a_damaged_model_leaves_a_shop_without_one(void **state)
{
    fixture *f = *state;
    char key[GENERATION_ID_BYTES + 11];
    memcpy(key, f->generation.bytes, GENERATION_ID_BYTES);
    memcpy(key + GENERATION_ID_BYTES, "item_g\0\0\0\0\0", 11);
    spoil(f, DB_BLOBS, (slice){key, sizeof key}, slice_of("nothing like a table"));
    must(start(f), &f->why);
    view_stats stats = seen(f);
    assert_int_equal(stats.items, ITEMS + LATER);
    assert_int_equal(stats.interactions, f->info.interactions);
    assert_int_equal(stats.generation, 0);
    assert_int_equal(f->info.generation, 1);
}

static void damaged_features_of_a_later_item_leave_a_shop_without_a_model(void **state)
{
    fixture *f = *state;
    const char key[] = {0, 0, 0, 0, ITEMS};
    spoil(f, DB_FEATURES, (slice){key, sizeof key}, slice_of("no vector"));
    must(start(f), &f->why);
    assert_int_equal(seen(f).items, ITEMS + LATER);
    assert_int_equal(seen(f).generation, 0);
}

static void a_damaged_record_ends_the_start(void **state)
{
    fixture *f = *state;
    const char key[] = {0, 0, 0, USERS - 1};
    spoil(f, DB_USERS, (slice){key, sizeof key}, slice_of("nobody"));
    assert_int_equal(start(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "user"));
    assert_int_equal(seen(f).items, 0);
    assert_int_equal(seen(f).generation, 0);
}

/* It is random which side runs out of memory first, but neither may silently leave out the
 * model. */
static void a_start_without_memory_fails_whole_on_whichever_side(void **state)
{
    fixture *f = *state;
    err_code code = ERR_NOMEM;
    size_t refused = 0;
    for (long n = 0; code != ERR_OK; n++) {
        mem_fail_at(n);
        code = start(f);
        mem_fail_at(-1);
        assert_true(code == ERR_OK || code == ERR_NOMEM);
        refused += code == ERR_NOMEM;
    }
    assert_true(refused > 100);
    assert_int_equal(seen(f).items, ITEMS + LATER);
    assert_int_equal(seen(f).generation, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_model_and_later_items_are_there_after_a_start,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_model_leaves_a_shop_without_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            damaged_features_of_a_later_item_leave_a_shop_without_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_record_ends_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_without_memory_fails_whole_on_whichever_side, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
