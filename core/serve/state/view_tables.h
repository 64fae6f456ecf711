/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_tables: the internals of a view, for the files that make and search it (live, filter,
 * recommend, propagate). All other files use core/serve/state/view.h.
 *
 * Data per row is kept in persistent vectors. A missing leaf reads as zero, so a row that was never
 * written has no flags, no tags and no edges. Bitmaps are vectors of 64-bit words.
 *
 * Invariants:
 *   - listable implies exists, and placed implies exists;
 *   - slot s of the delta is current for row r only if the vector `slots` holds s + 1 for r;
 *   - a base row with a current slot is in `stale`.
 */
#ifndef CORE_VIEW_TABLES_H
#define CORE_VIEW_TABLES_H

#include "core/common/change.h"
#include "core/common/idmap.h"
#include "core/common/pvec.h"
#include "core/common/types.h"
#include "core/serve/state/base_tables.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/state/later_links.h"
#include "core/serve/state/view.h"

enum {
    BITMAP_LEAF_BITS = 6, /* words per leaf, as a power of two */
    BITMAP_LEAF_WORDS = 1 << BITMAP_LEAF_BITS,
    BITMAP_LEAF_ROWS = BITMAP_LEAF_WORDS * 64,
    DELTA_CHUNK_ROWS = 256,
    DELTA_CHUNKS_MAX = 16384,
};

/* The tags by which an item is removed from the bitmaps again: interned numbers of its categories,
 * then of its attributes' names. Immutable. */
typedef struct item_tags {
    uint32_t category_count, attribute_count;
    uint32_t ids[];
} item_tags;

/* One attribute of all items (core/serve/filter/filter_column.h), and how many of its values have a
 * bitmap (core/serve/filter/filter_kept.h). */
typedef struct attribute_column {
    pvec words; /* uint64_t; must be first, for the function that frees vectors of vectors */
    uint32_t kept;
} attribute_column;

/* A user's records; immutable once published. */
typedef struct user_list {
    uint64_t stamp; /* stamp of the transaction that made the list */
    uint32_t count, room;
    live_edge edges[]; /* sorted by (item, type) */
} user_list;

/* The vectors beside the index. They are only appended, at fixed addresses. A view sees the first
 * delta_count slots. */
typedef struct delta_chunk {
    float *h, *g, *embedding; /* (DELTA_CHUNK_ROWS, dim) */
    uint32_t rows[DELTA_CHUNK_ROWS];
} delta_chunk;

typedef struct delta {
    size_t dim;
    size_t count; /* used by the writer alone */
    delta_chunk *chunks[DELTA_CHUNKS_MAX];
    later_index later; /* lists that the base lacks or has an older version of */
} delta;

/* The orders of which every view keeps the first items (core/serve/query/top.h). */
typedef enum top_kind { TOP_USERS, TOP_CREATED, TOP_KINDS } top_kind;
typedef struct top_list top_list;

struct view {
    uint64_t seq;
    size_t item_rows, user_rows;
    size_t items, items_hidden, users, interactions;
    uint64_t changes;
    const idmap *item_ids, *user_ids;
    const idmap *strings; /* categories, attribute names and their texts */

    pvec exists, listable, placed; /* bitmaps over item rows */
    pvec tags;                     /* const item_tags *, by item row */
    pvec created;                  /* int64_t, by item row: epoch seconds */
    pvec edge_users;               /* uint32_t, by item row: users with an edge to the item */
    /* uint32_t: 1 + the next row of this deleted row's id; 0 if there is none */
    pvec successor;
    pvec records;             /* uint32_t, by item row: interaction records */
    pvec degree;              /* double, by item row: sum of the edges' weights */
    pvec categories;          /* by interned name: pvec, a bitmap over item rows */
    pvec attributes;          /* by interned name: attribute_column */
    pvec user_exists;         /* bitmap over user rows */
    pvec lists;               /* const user_list *, by user row */
    top_list *top[TOP_KINDS]; /* NULL before the first op */

    base *base;            /* NULL without a model */
    delta *delta;          /* NULL without a model */
    size_t delta_count;    /* slots of the delta that this view sees */
    pvec slots;            /* uint32_t by item row: slot + 1 */
    pvec later;            /* const later_list *, by item row */
    uint32_t later_serial; /* serial of the last of them */
    pvec stale;            /* bitmap over base rows that the delta overrides or that are deleted */
};

static inline bool view_bit(const pvec *bitmap, size_t row)
{
    const uint64_t *word = pvec_get(bitmap, row / 64);
    return (*word >> (row % 64) & 1) != 0;
}

/* view_slot returns the delta slot of a row, or SIZE_MAX. */
static inline size_t view_slot(const view *v, uint32_t row)
{
    uint32_t slot = *(const uint32_t *)pvec_get(&v->slots, row);
    return slot > 0 ? slot - 1 : SIZE_MAX;
}

/* A placed item's rows of H, G and E, borrowed from the view; NULL if it is not placed. */
typedef enum vector_kind { VECTOR_H, VECTOR_G, VECTOR_E } vector_kind;
const float *view_vector(const view *v, uint32_t row, vector_kind kind);

/* view_later_list borrows the content links of an item that came after the training, or returns
 * NULL. */
static inline const later_list *view_later_list(const view *v, uint32_t row)
{
    return *(const later_list *const *)pvec_get(&v->later, row);
}

/* pair_weight returns the weight in the graph of the pair whose records start at `edges`: the
 * largest of its records that count, in any split, or 0. *seen tells whether any of them hides the
 * item, *records how many records the pair has (>= 1). */
float pair_weight(const live_edge *edges, size_t count, bool *seen, size_t *records);

#endif
