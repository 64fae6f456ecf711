/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train_memory.h"

#include "core/model/links_build.h"
#include "core/train/loop/choose_grid.h"
#include "core/train/loop/fit_map.h"

enum {
    PROGRAM_BYTES = 12 << 20,
    EDGE_BYTES = 8, /* a column and a value in a sparse matrix */
    LINK_BYTES = 6,
    LOOP_TABLES = 6, /* E, both moments, the best E, the step's table and that of an evaluation */
};

train_size train_size_of(const dataset *d)
{
    train_size s = {.users = d->users, .items = d->items};
    s.pairs = d->train_count + d->valid_count + d->test_count;
    s.modality_count = d->modality_count < MODALITIES_MAX ? d->modality_count : MODALITIES_MAX;
    for (size_t m = 0; m < s.modality_count; m++) {
        s.widths[m] = d->modalities[m].width;
    }
    interaction_list train = {d->train, d->train_count, d->users, d->items};
    s.timed = links_timed(&train);
    return s;
}

/* links_most returns the largest possible number of links: `kept` for each item, but at most one to
 * every other item. */
static uint64_t links_most(const train_size *s, uint64_t kept)
{
    uint64_t others = s->items > 0 ? s->items - 1 : 0;
    return s->items * (kept < others ? kept : others);
}

/* together_most estimates the number of collaborative links. Each pair links its item to the items
 * of the user's other pairs, and every user is taken to have the mean number of pairs. */
static uint64_t together_most(const train_size *s)
{
    uint64_t each = s->users > 0 ? s->pairs / s->users : 0;
    uint64_t most = links_most(s, LINKS_KEPT_COLLABORATIVE);
    return s->pairs * each < most ? s->pairs * each : most;
}

uint64_t train_memory(const train_size *s, const train_options *o)
{
    uint64_t row = o->dim * sizeof(float), users = s->users, items = s->items;
    uint64_t content = s->modality_count * items * row;
    uint64_t links =
        o->without_links ? 0 : s->modality_count * links_most(s, LINKS_KEPT_CONTENT) * LINK_BYTES;
    for (size_t m = 0; m < s->modality_count; m++) {
        content += (uint64_t)s->widths[m] * (row + sizeof(float)); /* projection and mean */
    }
    uint64_t always = PROGRAM_BYTES + s->pairs * sizeof(pair) + content + links;
    uint64_t graph = 2 * (uint64_t)s->pairs * EDGE_BYTES;
    uint64_t loop = graph + LOOP_TABLES * (users + items) * row;
    /* The model, and a second copy of all pairs. */
    uint64_t tables = (users + 3 * items) * row + s->pairs * sizeof(pair);
    uint64_t together = o->without_links ? 0 : together_most(s) * LINK_BYTES;
    /* Choosing links needs H of users and items, G, and the tables of links that it compares. */
    uint64_t choice = (users + 2 * items) * row + choose_grid_kinds(s->timed) * together;
    uint64_t map = o->without_links
                       ? 0
                       : links + together + fit_map_bytes(s->widths, s->modality_count, items);
    uint64_t end = tables + (choice > map ? choice : map);
    return always + (loop > end ? loop : end);
}
