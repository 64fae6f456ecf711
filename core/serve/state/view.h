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
    uint32_t generation; /* 0 without a model */
    size_t items;        /* existing items, hidden ones included */
    size_t items_hidden;
    size_t users;        /* existing users */
    size_t interactions; /* records of existing users and items, all splits */
    size_t base_rows;    /* rows that the index holds */
    size_t delta_rows;   /* vectors beside the index: those of later and changed items */
    /* changes of graph and vectors since the base was made, which a new run of FSC would include;
     * they trigger the propagator */
    uint64_t changes;
} view_stats;

/* view_seq returns the number of the last write that this view includes. */
uint64_t view_seq(const view *v);

/* view_generation returns the active generation, 0 without a model. */
uint32_t view_generation(const view *v);

/* view_tables_seq returns the last write that was included when the background run made the tables.
 * 0: the tables are as training made them, or there is no model. A list changes only if this,
 * view_seq or view_generation changes. */
uint64_t view_tables_seq(const view *v);

void view_stats_get(const view *v, view_stats *out);

size_t view_item_rows(const view *v);
size_t view_user_rows(const view *v);

/* view_item_find and view_user_find return the row of an id that exists in this view, or ROW_NONE.
 * They find hidden items too. */
uint32_t view_item_find(const view *v, slice id);
uint32_t view_user_find(const view *v, slice id);

/* view_item_heir returns the row that this row's id has now: the row itself, a later one if the
 * item was deleted and created again, or ROW_NONE if the id has no item. view_item_next returns the
 * next row of a deleted row's id, or ROW_NONE. */
uint32_t view_item_heir(const view *v, uint32_t row);
uint32_t view_item_next(const view *v, uint32_t row);

/* view_item_id and view_user_id return the id of a row, absent if the row does not exist. */
slice view_item_id(const view *v, uint32_t row);
slice view_user_id(const view *v, uint32_t row);

/* view_item_flags returns ITEM_* bits; 0 for a row out of range. */
unsigned view_item_flags(const view *v, uint32_t row);

/* view_item_created returns epoch seconds. view_item_users returns how many users have an edge to
 * the item (its popularity). view_item_degree returns the sum of those edges' weights. */
int64_t view_item_created(const view *v, uint32_t row);
uint32_t view_item_users(const view *v, uint32_t row);
double view_item_degree(const view *v, uint32_t row);

/* view_user_edges returns the records of a user, sorted by (item, type), or NULL and 0. They
 * include records of deleted items (test with view_item_flags). */
const live_edge *view_user_edges(const view *v, uint32_t row, size_t *count);

/* view_dim returns the length of an embedding, 0 without a model. */
size_t view_dim(const view *v);

/* view_item_vector writes the item's row of H (view_dim floats). It returns false and writes
 * nothing if the item is not placed. */
bool view_item_vector(const view *v, uint32_t row, float *out /* (dim) */);

#endif
