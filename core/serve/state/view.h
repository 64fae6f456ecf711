/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: an immutable snapshot of the shop in memory, as of one sequence number.
 *
 * A view holds everything that a read needs: both id maps, the items' flags, categories, attributes
 * and popularity, the users' interactions, and the vectors of the active generation and of later
 * items. It never changes, so readers take no locks. The writer publishes a new view for each group
 * of writes; the old one is freed when its last reader has released it (core/serve/update/live.h
 * hands views out).
 *
 * Rows are those of the store: item rows are [0, view_item_rows), user rows [0, view_user_rows).
 * A row can be empty (never used, deleted or erased). Titles and whole documents are not here,
 * they are read from the store.
 *
 * Everything returned is borrowed and valid until the view is released. Thread-safe.
 */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/slice.h"
#include "core/common/types.h"

typedef struct view view;

/* Bits of view_item_flags. */
enum {
    ITEM_EXISTS = 1, /* has an id; false for deleted rows */
    ITEM_HIDDEN = 2, /* exists, but is in no list */
    ITEM_PLACED = 4, /* has a vector of the active generation, so lists can rank it */
};

typedef struct view_stats {
    uint64_t seq;
    uint32_t generation; /* 0: no model */
    size_t items;        /* that exist, hidden ones too */
    size_t items_hidden;
    size_t users;        /* that exist */
    size_t interactions; /* records of existing users and items, all splits */
    size_t base_rows;    /* rows that the index holds */
    size_t delta_rows;   /* vectors beside the index: later and changed items */
    uint64_t changes;    /* graph and vector changes since the base was made: what a re-run of FSC
                            would take up; the propagator's trigger */
} view_stats;

/* view_seq is the number of the last write that this view has seen. */
uint64_t view_seq(const view *v);

/* view_generation is the active generation, 0 without a model. */
uint32_t view_generation(const view *v);

/* view_tables_seq is the last write that the background run had seen which made the tables behind
 * the lists; 0: they are as the training made them, or there is no model. A list changes only if
 * it, view_seq or view_generation does. */
uint64_t view_tables_seq(const view *v);

void view_stats_get(const view *v, view_stats *out);

size_t view_item_rows(const view *v);
size_t view_user_rows(const view *v);

/* view_item_find and view_user_find give the row of an id that exists in this view, else
 * ROW_NONE. Hidden items are found. */
uint32_t view_item_find(const view *v, slice id);
uint32_t view_user_find(const view *v, slice id);

/* view_item_heir gives the row that the id of this row has now: the row itself, or a later one
 * where the item was deleted and made again; ROW_NONE if the id has no item. view_item_next gives
 * the next row that a deleted row's id had; ROW_NONE if there was none. */
uint32_t view_item_heir(const view *v, uint32_t row);
uint32_t view_item_next(const view *v, uint32_t row);

/* view_item_id and view_user_id give the id of a row, absent for a row that does not exist. */
slice view_item_id(const view *v, uint32_t row);
slice view_user_id(const view *v, uint32_t row);

/* view_item_flags gives ITEM_*; 0 for a row out of range. */
unsigned view_item_flags(const view *v, uint32_t row);

/* view_item_created gives epoch seconds; view_item_users how many users have an edge to
 * the item (its popularity); view_item_degree the sum of those edges' weights. */
int64_t view_item_created(const view *v, uint32_t row);
uint32_t view_item_users(const view *v, uint32_t row);
double view_item_degree(const view *v, uint32_t row);

/* view_user_edges gives the records of a user, sorted by (item, type), also those of deleted
 * items (test them with view_item_flags); NULL and 0 for none. */
const live_edge *view_user_edges(const view *v, uint32_t row, size_t *count);

/* view_dim is the length of an embedding, 0 without a model. */
size_t view_dim(const view *v);

/* view_item_vector writes the item's row of H (view_dim floats); false, and nothing written, if
 * the item is not placed. */
bool view_item_vector(const view *v, uint32_t row, float *out /* (dim) */);

#endif
