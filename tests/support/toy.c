/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/toy.h"

/* cmocka needs these first. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"

enum { GROUPS = 4 };

typedef struct tables {
    feature_table table[2];
} tables;

static void release(void *ctx)
{
    tables *t = ctx;
    for (int m = 0; m < 2; m++) {
        mem_free((void *)(uintptr_t)t->table[m].x);
    }
    mem_free(t);
}

static void add_features(dataset *d, const toy_options *o, rng *r)
{
    static const char *const names[2] = {"text", "image"};
    tables *t = mem_array(1, sizeof *t);
    d->modalities = mem_array(2, sizeof *d->modalities);
    assert_non_null(t);
    assert_non_null(d->modalities);
    d->release = release;
    d->release_ctx = t;
    for (size_t m = 0; m < 2 && o->widths[m] > 0; m++) {
        size_t width = o->widths[m];
        float *x = mem_array(d->items * width, sizeof *x);
        assert_non_null(x);
        for (size_t i = 0; i < d->items; i++) {
            for (size_t j = 0; j < width; j++) {
                x[i * width + j] = (float)(rng_normal(r) + (j % GROUPS == i % GROUPS ? 1.5 : 0));
            }
        }
        t->table[m] = (feature_table){x, d->items, width};
        d->modalities[m] = feature_source_table(names[m], &t->table[m], m == 0 ? 5 : 1);
        d->modality_count++;
    }
}

dataset *toy_new(const toy_options *o)
{
    dataset *d = NULL;
    err e = ERR_INIT;
    rng r;
    rng_init(&r, o->seed, 0);
    assert_int_equal(dataset_new(&d, o->users, o->items, &e), ERR_OK);
    pair *all = mem_array(o->pairs + o->users, sizeof *all);
    d->train = mem_array(o->pairs + o->users, sizeof *all);
    d->valid = mem_array(o->pairs + o->users, sizeof *all);
    d->test = mem_array(o->pairs + o->users, sizeof *all);
    assert_true(all != NULL && d->train != NULL && d->valid != NULL && d->test != NULL);
    size_t count = 0;
    for (size_t k = 0; k < o->pairs + o->users; k++) {
        uint32_t user = k < o->users ? (uint32_t)k : rng_below(&r, (uint32_t)o->users);
        uint32_t item = rng_below(&r, (uint32_t)o->items);
        if (rng_below(&r, 4) != 0) { /* usually their own group */
            item = item / GROUPS * GROUPS + user % GROUPS;
        }
        all[count++] = (pair){user, item < o->items ? item : 0, 1, 0};
    }
    count = pairs_sort(all, count);
    for (size_t k = 0; k < count; k++) {
        int percent = (int)rng_below(&r, 100);
        if (percent < o->valid_percent) {
            d->valid[d->valid_count++] = all[k];
        } else if (percent < o->valid_percent + o->test_percent) {
            d->test[d->test_count++] = all[k];
        } else {
            d->train[d->train_count++] = all[k];
        }
    }
    mem_free(all);
    add_features(d, o, &r);
    return d;
}
