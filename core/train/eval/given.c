/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/given.h"

#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"

static int earliest_first(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    return x->time != y->time ? (x->time > y->time) - (x->time < y->time)
                              : (x->item > y->item) - (x->item < y->item);
}

/* add_user splits a user's held-out pairs, `held` (count), into the given ones and the rest. Pairs
 * of the same time keep the order of `held`, validation first. */
static void add_user(dataset *x, pair *held, size_t count, size_t given)
{
    if (count <= given) {
        return;
    }
    for (size_t i = 1; i < count; i++) {
        pair moved = held[i];
        size_t at = i;
        for (; at > 0 && held[at - 1].time > moved.time; at--) {
            held[at] = held[at - 1];
        }
        held[at] = moved;
    }
    memcpy(x->valid + x->valid_count, held, given * sizeof *held);
    memcpy(x->test + x->test_count, held + given, (count - given) * sizeof *held);
    x->valid_count += pairs_sort(x->valid + x->valid_count, given);
    x->test_count += pairs_sort(x->test + x->test_count, count - given);
}

/* take copies the pairs of `user` at *next to `to` and moves *next past them. */
static size_t take(pair *to, const pair *pairs, size_t count, size_t *next, uint32_t user)
{
    size_t taken = 0;
    for (; *next < count && pairs[*next].user == user; ++*next) {
        to[taken++] = pairs[*next];
    }
    return taken;
}

static err_code make_room(dataset *x, pair **held, const dataset *d, err *e)
{
    size_t most = d->valid_count + d->test_count;
    *held = mem_array(most + 1, sizeof **held);
    x->train = mem_array(d->train_count, sizeof *x->train);
    x->valid = mem_array(most, sizeof *x->valid);
    x->test = mem_array(most, sizeof *x->test);
    bool made = *held != NULL && x->train != NULL && x->valid != NULL && x->test != NULL;
    return made ? ERR_OK : err_nomem(e, "a dataset");
}

err_code given_new(dataset **out, const dataset *d, size_t count, err *e)
{
    dataset *x = NULL;
    pair *held = NULL;
    *out = NULL;
    err_code code = dataset_derive(&x, d, e);
    if (code == ERR_OK) {
        code = make_room(x, &held, d, e);
    }
    if (code != ERR_OK) {
        dataset_free(x);
        mem_free(held);
        return code;
    }
    memcpy(x->train, d->train, d->train_count * sizeof *d->train);
    x->train_count = d->train_count;
    for (size_t user = 0, at[3] = {0}; user < d->users; user++) {
        uint32_t row = (uint32_t)user;
        bool known = at[0] < d->train_count && d->train[at[0]].user == row;
        while (at[0] < d->train_count && d->train[at[0]].user == row) {
            at[0]++;
        }
        size_t found = take(held, d->valid, d->valid_count, &at[1], row);
        found += take(held + found, d->test, d->test_count, &at[2], row);
        add_user(x, held, known ? found : 0, count);
    }
    mem_free(held);
    *out = x;
    return ERR_OK;
}

size_t given_of(const dataset *x, const size_t *start, uint32_t user, uint32_t items[GIVEN_MAX])
{
    pair of[GIVEN_MAX];
    size_t count = start[user + 1] - start[user];
    count = count < GIVEN_MAX ? count : GIVEN_MAX;
    memcpy(of, x->valid + start[user], count * sizeof *of);
    sort_array(of, count, sizeof *of, earliest_first);
    for (size_t i = 0; i < count; i++) {
        items[i] = of[i].item;
    }
    return count;
}
