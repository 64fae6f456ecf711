/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/candidates.h"

#include <stdlib.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"

typedef struct place {
    int64_t created;
    uint32_t users, row;
} place;

static int by_place(const void *x, const void *y)
{
    const place *a = x, *b = y;
    if (a->users != b->users) {
        return a->users > b->users ? -1 : 1;
    }
    if (a->users > 0) {
        return a->row < b->row ? -1 : 1;
    }
    if (a->created != b->created) {
        return a->created > b->created ? -1 : 1;
    }
    return a->row > b->row ? -1 : 1;
}

static void count_pairs(candidates *c, const dataset *d)
{
    for (size_t k = 0; k < d->train_count; k++) {
        c->users[d->train[k].item]++;
        bits_set(c->history, d->train[k].user);
    }
}

static void put_in_order(candidates *c, const dataset *d, place *places)
{
    for (size_t i = 0; i < d->items; i++) {
        if (dataset_gone(d, i) || dataset_hidden(d, i)) {
            continue;
        }
        bits_set(c->listed, i);
        int64_t created = d->created != NULL ? d->created[i] : 0;
        places[c->count++] = (place){created, c->users[i], (uint32_t)i};
    }
    sort_array(places, c->count, sizeof *places, by_place);
    for (size_t i = 0; i < c->count; i++) {
        c->popular[i] = places[i].row;
    }
}

err_code candidates_new(candidates **out, const dataset *d, err *e)
{
    *out = NULL;
    candidates *c = mem_array(1, sizeof *c);
    place *places = mem_array(d->items, sizeof *places);
    if (c != NULL) {
        c->popular = mem_array(d->items, sizeof *c->popular);
        c->users = mem_array(d->items, sizeof *c->users);
        c->listed = mem_array(d->items / 64 + 1, sizeof *c->listed);
        c->history = mem_array(d->users / 64 + 1, sizeof *c->history);
    }
    if (c == NULL || places == NULL || c->popular == NULL || c->users == NULL ||
        c->listed == NULL || c->history == NULL) {
        mem_free(places);
        candidates_free(c);
        return err_nomem(e, "an evaluation's candidates");
    }
    count_pairs(c, d);
    put_in_order(c, d, places);
    mem_free(places);
    *out = c;
    return ERR_OK;
}

void candidates_free(candidates *c)
{
    if (c == NULL) {
        return;
    }
    mem_free(c->popular);
    mem_free(c->users);
    mem_free(c->listed);
    mem_free(c->history);
    mem_free(c);
}
