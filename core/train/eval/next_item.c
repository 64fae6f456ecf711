/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/next_item.h"

#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"

/* A user's pairs of one split. */
typedef struct run {
    const pair *at;
    size_t count;
} run;

static run take_run(const pair *pairs, size_t count, size_t *next, uint32_t user)
{
    run r = {pairs + *next, 0};
    while (*next + r.count < count && r.at[r.count].user == user) {
        r.count++;
    }
    *next += r.count;
    return r;
}

/* earliest returns the earliest of the held-out pairs, at equal times the lowest row, or NULL if
 * there are none. */
static const pair *earliest(run held)
{
    const pair *found = NULL;
    for (size_t i = 0; i < held.count; i++) {
        found = found == NULL || held.at[i].time < found->time ? &held.at[i] : found;
    }
    return found;
}

static bool is_before(const pair *p, bool lower_split, const pair *target)
{
    return p->time < target->time || (p->time == target->time && lower_split);
}

/* add_user divides a user's pairs of the three splits into history, mask and target. */
static void add_user(dataset *x, const run splits[3], int held)
{
    const pair *target = earliest(splits[held]);
    size_t first = x->train_count;
    for (int s = 0; s < 3; s++) {
        for (size_t i = 0; i < splits[s].count; i++) {
            const pair *p = &splits[s].at[i];
            bool history = target == NULL ? s == 0 : is_before(p, s < held, target);
            if (history && p != target) {
                x->train[x->train_count++] = *p;
            } else if (s == 0) {
                x->valid[x->valid_count++] = *p;
            }
        }
    }
    /* The pairs of one user come from several splits, so they are sorted by item again. */
    x->train_count = first + pairs_sort(x->train + first, x->train_count - first);
    if (target != NULL) {
        x->test[x->test_count++] = *target;
    }
}

err_code next_item_new(dataset **out, const dataset *d, eval_on on, err *e)
{
    dataset *x = NULL;
    size_t at[3] = {0};
    err_code code = dataset_derive(&x, d, e);
    *out = NULL;
    if (code != ERR_OK) {
        return code;
    }
    x->train = mem_array(d->train_count + d->valid_count + d->test_count, sizeof *x->train);
    x->valid = mem_array(d->train_count, sizeof *x->valid);
    x->test = mem_array(d->users, sizeof *x->test);
    if (x->train == NULL || x->valid == NULL || x->test == NULL) {
        dataset_free(x);
        return err_nomem(e, "a dataset");
    }
    for (uint32_t user = 0; user < d->users; user++) {
        run splits[3] = {take_run(d->train, d->train_count, &at[0], user),
                         take_run(d->valid, d->valid_count, &at[1], user),
                         take_run(d->test, d->test_count, &at[2], user)};
        add_user(x, splits, on == EVAL_TEST ? 2 : 1);
    }
    *out = x;
    return ERR_OK;
}
