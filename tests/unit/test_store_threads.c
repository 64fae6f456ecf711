/* SPDX-License-Identifier: Apache-2.0 */
/* Readers, the writer, a part of a training and a reopening at once: no reader sees half an op. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "storage/maintenance/check.h"
#include "storage/models/model_private.h"
#include "storage/records/items.h"
#include "tests/support/store_fixture.h"

enum { READERS = 3, OPS = 150, GENERATIONS = 20 };

typedef struct shared {
    store *s;
    atomic_bool stop;
    atomic_int failures;
    atomic_ulong reads;
} shared;

/* read_on checks states until the writer stops. Every op puts a pair of items, so a state must have
 * an even number of items, and its last row must be the second item of the last pair. */
static void *read_on(void *ctx)
{
    shared *x = ctx;
    do {
        store_read *r = NULL;
        store_info info;
        uint32_t row = 0;
        if (store_read_begin(x->s, &r, NULL) != ERR_OK) {
            atomic_fetch_add(&x->failures, 1);
            continue;
        }
        bool fine = store_read_stat(r, &info, NULL) == ERR_OK && info.items % 2 == 0;
        if (fine && info.items > 0) {
            char id[32];
            snprintf(id, sizeof id, "b%llu", (unsigned long long)info.items / 2 - 1);
            fine = item_find(r, slice_of(id), &row, NULL) == ERR_OK && row == info.items - 1;
        }
        store_read_end(r);
        atomic_fetch_add(&x->failures, fine ? 0 : 1);
        atomic_fetch_add(&x->reads, 1);
    } while (!atomic_load(&x->stop));
    return NULL;
}

static void *train_on(void *ctx)
{
    shared *x = ctx;
    float table[16] = {1};
    for (int i = 0; i < GENERATIONS; i++) {
        generation_id id;
        store_info now;
        generation_info info = {.users = 4, .items = 1};
        bool fine = store_stat(x->s, &now, NULL) == ERR_OK;
        memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
        fine = fine && generation_begin(x->s, &info, &id, NULL) == ERR_OK &&
               generation_put(x->s, &id, "user_e", table, sizeof table, 16, NULL) == ERR_OK &&
               generation_finish(x->s, &id, slice_of("{}"), false, NULL) == ERR_OK &&
               held_remove(x->s, &id, NULL) == ERR_OK;
        atomic_fetch_add(&x->failures, fine ? 0 : 1);
    }
    return NULL;
}

static op *pair_of_items(unsigned n)
{
    op *o = op_put_item(OP_ITEMS_CREATE, "unused", NULL, NULL, 0);
    op_item *list = arena_alloc(&o->memory, 2, sizeof *list);
    list[0].id = slice_of(arena_printf(&o->memory, "a%u", n));
    list[1].id = slice_of(arena_printf(&o->memory, "b%u", n));
    o->items = list;
    o->count = 2;
    return o;
}

static void readers_never_see_half_an_op(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    pthread_t readers[READERS], trainer;
    shared x = {0};
    store_info info;
    temp_folder(folder);
    x.s = open_store(folder);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &x), 0);
    }
    assert_int_equal(pthread_create(&trainer, NULL, train_on, &x), 0);
    for (unsigned n = 0; n < OPS; n++) {
        assert_int_equal(apply_now(x.s, pair_of_items(n), NULL), ERR_OK);
        if (n % 50 == 49) {
            store_reader_check(x.s);
            assert_int_equal(store_reopen(x.s, &info, NULL), ERR_OK);
            assert_int_equal(info.seq, n + 1);
        }
    }
    assert_int_equal(pthread_join(trainer, NULL), 0);
    atomic_store(&x.stop, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&x.failures), 0);
    assert_true(atomic_load(&x.reads) > READERS);
    check_options nobody = {0};
    check_report report;
    assert_int_equal(check_run(x.s, &nobody, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.unfinished_generations, 0);
    store_close(x.s);
    temp_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_half_an_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
