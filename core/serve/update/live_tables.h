/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_tables: the internals of live, shared by the files that each apply one kind of change.
 *
 * A change is made to `next`, a copy of the current view whose vectors are copied on write. If
 * everything succeeds, live_publish makes it current; otherwise live_undo drops it together with
 * all memory that was allocated for it.
 */
#ifndef CORE_LIVE_TABLES_H
#define CORE_LIVE_TABLES_H

#include <stdatomic.h>

#include "core/common/epoch.h"
#include "core/serve/query/recommend_scratch.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/live.h"

/* What the lists loaded at the start contribute to an item. Twenty million edges are counted in a
 * plain array, and then every item is entered once. */
typedef struct item_tally {
    double degree;
    uint32_t records, edge_users;
} item_tally;

struct live {
    _Atomic(view *) current;
    epoch *ep;
    live_options options;
    /* used by the writer alone */
    idmap *item_ids, *user_ids, *strings;
    pvec_txn txn;
    uint64_t stamp;
    view *next;        /* NULL outside a change */
    item_tally *tally; /* (tally_rows) NULL outside the load */
    size_t tally_rows;
    uint32_t later_serial; /* serial of the last list of a later item; never decreases */
    recommend_scratch *scratch;
    /* for the kept lists (live_top.c): rows that the current op may have moved */
    size_t top_rows;
    uint32_t *moved;        /* (moved_count) */
    struct top_key *moving; /* (moving_room) the keys that leave a list and those that enter it */
    size_t moved_count, moved_room, moving_room;
};

/* live_begin makes `next` unless it exists. */
err_code live_begin(live *l, err *e) ERR_CHECKED;
err_code live_publish(live *l, err *e) ERR_CHECKED;
void live_undo(live *l);

/* live_bit sets or clears a bit of one of next's bitmaps. *was receives the old value; it may be
 * NULL. */
err_code live_bit(live *l, pvec *bitmap, size_t row, bool on, bool *was, err *e) ERR_CHECKED;

/* live_follow records that the id of row predecessor - 1 now belongs to `row`. Predecessor 0 means
 * that no row had the id before. */
err_code live_follow(live *l, uint32_t predecessor, uint32_t row, err *e) ERR_CHECKED;

/* These apply each kind of change to `next`. */
err_code live_put_item(live *l, const change_item *item, err *e) ERR_CHECKED;
err_code live_drop_item(live *l, uint32_t row, err *e) ERR_CHECKED;
err_code live_put_user(live *l, uint32_t row, slice id, err *e) ERR_CHECKED;
err_code live_drop_user(live *l, uint32_t row, err *e) ERR_CHECKED;
err_code live_put_edge(live *l, const change_edge *edge, err *e) ERR_CHECKED;
err_code live_drop_edge(live *l, const change_edge *edge, err *e) ERR_CHECKED;
err_code live_put_list(live *l, uint32_t user, const live_edge *edges, size_t count,
                       err *e) ERR_CHECKED;

/* live_tally_begin makes room for the loaded items. live_tally_end enters the counts.
 * live_tally_drop discards them. */
err_code live_tally_begin(live *l, err *e) ERR_CHECKED;
err_code live_tally_end(live *l, err *e) ERR_CHECKED;
void live_tally_drop(live *l);

/* live_tag enters the item into its category bitmaps and attribute columns, and removes it from
 * those that it left. With item == NULL it removes the item from all. */
err_code live_tag(live *l, uint32_t row, const change_item *item, err *e) ERR_CHECKED;

/* live_place computes a vector from its features for an item that training has not seen.
 * live_unplace removes its vector. live_append adds a row to the delta and makes it current; if the
 * row is not finite, it removes the vector instead. */
err_code live_place(live *l, const change_item *item, err *e) ERR_CHECKED;
err_code live_unplace(live *l, uint32_t row, err *e) ERR_CHECKED;

typedef struct vector_row {
    const float *h, *g, *embedding; /* (dim) */
} vector_row;
err_code live_append(live *l, uint32_t row, const vector_row *vectors, err *e) ERR_CHECKED;

/* live_set_list sets the content links of an item that training has not seen, and holds the
 * prepared list where it can; without links (NULL or none) it removes the old ones.
 * live_carry_lists enters the lists that the new base lacks into the new delta. live_clear_lists
 * drops all lists. */
err_code live_set_list(live *l, uint32_t row, later_list *prepared, err *e) ERR_CHECKED;
err_code live_carry_lists(live *l, err *e) ERR_CHECKED;
err_code live_clear_lists(live *l, err *e) ERR_CHECKED;

/* live_touch moves an item that training has not seen, after a new edge of the user raised the
 * weight by `gain`. */
err_code live_touch(live *l, uint32_t user, uint32_t item, float gain, err *e) ERR_CHECKED;

/* live_moved records a row whose users, creation time or presence in lists an op changes. live_top
 * updates the kept lists to `next` before the publication. */
err_code live_moved(live *l, uint32_t row, err *e) ERR_CHECKED;
err_code live_top(live *l, err *e) ERR_CHECKED;

void delta_free(void *d);

#endif
