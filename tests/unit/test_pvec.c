/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data structures below the live tables: the persistent vector, the id table, reclamation by
 * epochs.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/epoch.h"
#include "core/common/idmap.h"
#include "core/common/mem.h"
#include "core/common/pvec.h"
#include "core/common/rng.h"

static void free_pieces(pvec_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pieces[i].release(pieces[i].memory);
    }
}

static void a_pvec_keeps_every_old_version_while_new_ones_change(void **state)
{
    (void)state;
    enum { SPAN = 40000, VERSIONS = 12, CHANGES = 500 };
    static uint32_t model[VERSIONS][SPAN];
    pvec versions[VERSIONS];
    pvec_txn txn = {0};
    pvec_piece *late = mem_array(200000, sizeof *late);
    size_t later_count = 0;
    rng r;
    rng_init(&r, 3, 0);
    pvec v;
    pvec_init(&v, sizeof(uint32_t), 5);
    for (unsigned n = 0; n < VERSIONS; n++) {
        if (n > 0) {
            memcpy(model[n], model[n - 1], sizeof model[n]);
        }
        pvec_txn_begin(&txn, n + 1);
        for (unsigned c = 0; c < CHANGES; c++) {
            /* The first versions stay small, so that the tree grows upwards later. */
            uint32_t at = rng_below(&r, n < 3 ? 30 : SPAN), value = rng_below(&r, 1000);
            void *place = NULL;
            assert_int_equal(pvec_edit(&place, &v, &txn, at, NULL), ERR_OK);
            memcpy(place, &value, sizeof value);
            model[n][at] = value;
        }
        for (size_t i = 0; i < txn.replaced_count; i++) {
            late[later_count + i] = txn.replaced[i];
        }
        later_count += txn.replaced_count;
        versions[n] = v;
    }
    for (unsigned n = 0; n < VERSIONS; n++) {
        for (uint32_t i = 0; i < SPAN; i++) {
            assert_int_equal(*(const uint32_t *)pvec_get(&versions[n], i), model[n][i]);
        }
        assert_int_equal(*(const uint32_t *)pvec_get(&versions[n], (size_t)1 << 40), 0);
    }
    free_pieces(late, later_count);
    mem_free(late);
    pvec_free(&v);
    pvec_txn_fini(&txn);
}

static void an_undone_transaction_leaves_the_vector_as_it_was(void **state)
{
    (void)state;
    pvec v;
    pvec_init(&v, sizeof(uint64_t), 4);
    pvec_txn txn = {0};
    pvec_txn_begin(&txn, 1);
    for (uint64_t i = 0; i < 300; i++) {
        void *place = NULL;
        assert_int_equal(pvec_edit(&place, &v, &txn, i, NULL), ERR_OK);
        memcpy(place, &i, sizeof i);
    }
    free_pieces(txn.replaced, txn.replaced_count);
    bool whole = false;
    for (long nth = 0; !whole; nth++) {
        pvec next = v;
        whole = true;
        pvec_txn_begin(&txn, (uint64_t)nth + 2);
        mem_fail_at(nth);
        for (size_t i = 0; i < 5000 && whole; i += 250) {
            void *place = NULL;
            whole = pvec_edit(&place, &next, &txn, i, NULL) == ERR_OK;
            if (whole) {
                memset(place, 0xff, sizeof(uint64_t));
            }
        }
        mem_fail_at(-1);
        pvec_txn_undo(&txn);
        for (uint64_t i = 0; i < 6000; i++) {
            assert_int_equal(*(const uint64_t *)pvec_get(&v, i), i < 300 ? i : 0);
        }
        assert_true(nth < 200);
        assert_true(!whole || nth > 20);
    }
    pvec_free(&v);
    pvec_txn_fini(&txn);
}

static slice numbered(char *text, size_t room, unsigned n)
{
    int length = snprintf(text, room, "item-%u", n);
    return (slice){text, (size_t)length};
}

static void an_idmap_finds_every_id_and_the_newest_row_below_the_limit(void **state)
{
    (void)state;
    idmap *m = NULL;
    assert_int_equal(idmap_new(&m, NULL), ERR_OK);
    char text[32];
    /* Every seventh row is left out. The ids of the rows from 20000 on repeat those of the first
     * rows. */
    for (uint32_t row = 0; row < 30000; row++) {
        if (row % 7 != 0) {
            assert_int_equal(idmap_put(m, row, numbered(text, sizeof text, row % 20000), NULL),
                             ERR_OK);
        }
    }
    for (uint32_t row = 0; row < 30000; row++) {
        slice id = numbered(text, sizeof text, row % 20000);
        if (row % 7 == 0) {
            assert_null(idmap_id(m, row).at);
            continue;
        }
        assert_true(slice_equal(idmap_id(m, row), id));
        assert_int_equal(idmap_find(m, id, row + 1), row);
        if (row < 20000) {
            assert_int_equal(idmap_find(m, id, 20000), row);
        }
    }
    assert_int_equal(idmap_find(m, slice_of("no such"), ROW_NONE), ROW_NONE);
    idmap_truncate(m, 20000);
    for (uint32_t row = 1; row < 30000; row += 7) {
        uint32_t first = row % 20000;
        slice id = numbered(text, sizeof text, first);
        assert_int_equal(idmap_find(m, id, ROW_NONE), first % 7 == 0 ? ROW_NONE : first);
    }
    assert_int_equal(idmap_put(m, 20005, slice_of("back"), NULL), ERR_OK);
    assert_int_equal(idmap_rows(m), 20006);
    assert_int_equal(idmap_find(m, slice_of("back"), ROW_NONE), 20005);
    idmap_free(m);
}

static void interning_gives_one_number_to_equal_strings(void **state)
{
    (void)state;
    idmap *m = NULL;
    assert_int_equal(idmap_new(&m, NULL), ERR_OK);
    uint32_t a = 9, b = 9, c = 9, empty = 9;
    assert_int_equal(idmap_intern(&a, m, slice_of("red"), NULL), ERR_OK);
    assert_int_equal(idmap_intern(&b, m, slice_of("blue"), NULL), ERR_OK);
    assert_int_equal(idmap_intern(&c, m, slice_of("red"), NULL), ERR_OK);
    assert_int_equal(idmap_intern(&empty, m, slice_of(""), NULL), ERR_OK);
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    assert_int_equal(c, 0);
    assert_int_equal(empty, 2);
    idmap_free(m);
}

/* One writer replaces a shared number, and readers check that the number they hold is not freed:
 * the release function overwrites it first, and sanitizers detect the rest. */
typedef struct shared {
    epoch *ep;
    _Atomic(uint64_t *) number;
    atomic_bool stop;
    atomic_ulong reads, spoilt;
} shared;

static void spoil(void *memory)
{
    *(volatile uint64_t *)memory = 0;
    mem_free(memory);
}

static void *read_numbers(void *ctx)
{
    shared *s = ctx;
    while (!atomic_load(&s->stop)) {
        unsigned slot = epoch_enter(s->ep);
        const volatile uint64_t *number = atomic_load(&s->number);
        for (int i = 0; i < 20; i++) {
            atomic_fetch_add(&s->spoilt, *number == 0);
        }
        epoch_leave(s->ep, slot);
        atomic_fetch_add(&s->reads, 1);
    }
    return NULL;
}

static void memory_is_not_freed_under_a_reader_and_is_freed_after(void **state)
{
    (void)state;
    shared s = {0};
    assert_int_equal(epoch_new(&s.ep, NULL), ERR_OK);
    uint64_t *first = mem_array(1, sizeof *first);
    *first = 1;
    atomic_store(&s.number, first);
    pthread_t threads[4];
    for (int t = 0; t < 4; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, read_numbers, &s), 0);
    }
    for (uint64_t n = 2; n < 3000 || atomic_load(&s.reads) < 1000; n++) {
        uint64_t *next = mem_array(1, sizeof *next);
        *next = n;
        assert_int_equal(epoch_reserve(s.ep, 1, NULL), ERR_OK);
        uint64_t *old = atomic_exchange(&s.number, next);
        epoch_retire(s.ep, (pvec_piece){old, spoil});
        epoch_advance(s.ep);
        epoch_reclaim(s.ep);
    }
    atomic_store(&s.stop, true);
    for (int t = 0; t < 4; t++) {
        pthread_join(threads[t], NULL);
    }
    assert_int_equal(epoch_reclaim(s.ep), 0);
    assert_int_equal(atomic_load(&s.spoilt), 0);
    mem_free(atomic_load(&s.number));
    epoch_free(s.ep);
}

static void a_reader_inside_holds_back_what_is_retired_after_it_came(void **state)
{
    (void)state;
    epoch *ep = NULL;
    assert_int_equal(epoch_new(&ep, NULL), ERR_OK);
    unsigned early = epoch_enter(ep);
    assert_int_equal(epoch_reserve(ep, 2, NULL), ERR_OK);
    epoch_retire(ep, (pvec_piece){mem_array(1, 8), mem_free});
    epoch_advance(ep);
    assert_int_equal(epoch_reclaim(ep), 1);
    unsigned late = epoch_enter(ep);
    epoch_retire(ep, (pvec_piece){mem_array(1, 8), mem_free});
    epoch_advance(ep);
    epoch_leave(ep, early);
    assert_int_equal(epoch_reclaim(ep), 1);
    epoch_leave(ep, late);
    assert_int_equal(epoch_reclaim(ep), 0);
    epoch_free(ep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pvec_keeps_every_old_version_while_new_ones_change),
        cmocka_unit_test(an_undone_transaction_leaves_the_vector_as_it_was),
        cmocka_unit_test(an_idmap_finds_every_id_and_the_newest_row_below_the_limit),
        cmocka_unit_test(interning_gives_one_number_to_equal_strings),
        cmocka_unit_test(memory_is_not_freed_under_a_reader_and_is_freed_after),
        cmocka_unit_test(a_reader_inside_holds_back_what_is_retired_after_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
