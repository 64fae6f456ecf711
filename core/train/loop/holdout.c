/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/holdout.h"

#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"

enum { HOLDOUT_LEAST = 3 };

static err_code derived(dataset **out, const dataset *d, err *e)
{
    err_code code = dataset_derive(out, d, e);
    if (code != ERR_OK) {
        return code;
    }
    dataset *x = *out;
    x->test = mem_copy(d->test, d->test_count * sizeof *d->test);
    x->test_count = d->test_count;
    x->train = mem_array(d->train_count + d->valid_count, sizeof *x->train);
    x->valid = mem_array(d->users + d->valid_count, sizeof *x->valid);
    if (x->test == NULL || x->train == NULL || x->valid == NULL) {
        return err_nomem(e, "a dataset");
    }
    return ERR_OK;
}

/* lot returns a pseudo-random number that depends only on user and item. */
static uint64_t lot(const pair *p)
{
    return rng_hash((uint64_t)p->user << 32 | p->item);
}

/* latest returns the index of the latest pair in [first, last). Of several at the same time, it
 * takes the one with the least lot. */
static size_t latest(const pair *pairs, size_t first, size_t last)
{
    size_t best = first;
    for (size_t i = first + 1; i < last; i++) {
        bool later = pairs[i].time > pairs[best].time;
        bool level = pairs[i].time == pairs[best].time;
        best = later || (level && lot(&pairs[i]) < lot(&pairs[best])) ? i : best;
    }
    return best;
}

/* set_aside moves one pair of every user with three or more to validation. If the dataset has a
 * validation split, that is used unchanged. */
static void set_aside(dataset *x, const dataset *d)
{
    if (d->valid_count > 0) {
        memcpy(x->train, d->train, d->train_count * sizeof *x->train);
        memcpy(x->valid, d->valid, d->valid_count * sizeof *x->valid);
        x->train_count = d->train_count;
        x->valid_count = d->valid_count;
        return;
    }
    for (size_t k = 0; k < d->train_count;) {
        size_t first = k;
        while (k < d->train_count && d->train[k].user == d->train[first].user) {
            k++;
        }
        size_t out = SIZE_MAX;
        if (k - first >= HOLDOUT_LEAST) {
            out = latest(d->train, first, k);
            x->valid[x->valid_count++] = d->train[out];
        }
        for (size_t i = first; i < k; i++) {
            if (i != out) {
                x->train[x->train_count++] = d->train[i];
            }
        }
    }
}

static void put_together(dataset *x, const dataset *d)
{
    memcpy(x->train, d->train, d->train_count * sizeof *x->train);
    if (d->valid_count > 0) { /* the table is NULL if there are none */
        memcpy(x->train + d->train_count, d->valid, d->valid_count * sizeof *x->train);
    }
    x->train_count = pairs_sort(x->train, d->train_count + d->valid_count);
    x->valid_count = 0;
}

err_code holdout_new(dataset **out, const dataset *d, err *e)
{
    err_code code = derived(out, d, e);
    if (code != ERR_OK) {
        dataset_free(*out);
        *out = NULL;
        return code;
    }
    set_aside(*out, d);
    (*out)->test_count = 0;
    return ERR_OK;
}

err_code holdout_together(dataset **out, const dataset *d, err *e)
{
    err_code code = derived(out, d, e);
    if (code != ERR_OK) {
        dataset_free(*out);
        *out = NULL;
        return code;
    }
    put_together(*out, d);
    return ERR_OK;
}
