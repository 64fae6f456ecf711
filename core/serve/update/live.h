/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live: the tables in memory that every read uses, and how the one writer changes them.
 *
 * Readers acquire the current view and release it; neither takes a lock nor waits for the writer.
 * The writer applies the changes of a committed op to a copy-on-write version and publishes it by
 * one atomic pointer, so a reader sees all of an op or nothing. What a new view replaced is freed
 * when the last reader that could see it has left (epochs).
 *
 * Vectors: the active generation gives an immutable base (core/serve/state/base.h), whose index
 * holds the only copy of its H. Later and changed items are rows of a delta, and the base's
 * outdated rows are masked. A background run of FSC, or a new generation, gives a new base;
 * live_swap and live_activate install it and keep the changes that came meanwhile.
 *
 * Threading: live_acquire and live_release from any thread; everything else from the one writer
 * thread (or before there are others). A failed call leaves the published view as it was.
 */
#ifndef CORE_LIVE_H
#define CORE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/change.h"
#include "core/common/err.h"
#include "core/common/types.h"
#include "core/serve/state/base.h"
#include "core/serve/state/view.h"

typedef struct live live;

/* Twice as many as a request may list, so that a shopper's own items and exclusions leave enough.
 */
enum { LIVE_TOP_ROWS = 2048 };

/* How many views can be held at the same moment; live_acquire spins while more are wanted. */
enum { LIVE_READERS_MAX = 512 };

/* live_features_fn lends the stored vectors and texts of an item that the writer needs for a row
 * that has none prepared; valid until the next call. */
typedef err_code (*live_features_fn)(void *ctx, uint32_t item, item_content *out, err *e);

typedef struct live_options {
    live_features_fn features; /* may be NULL: such rows stay without a vector */
    void *ctx;
    size_t top_rows; /* how many items the heads of the lists keep (core/serve/query/top.h); 0:
                        LIVE_TOP_ROWS */
} live_options;

/* live_new makes an empty shop at seq 0 without a model. live_free needs all views released. */
err_code live_new(live **out, const live_options *options, err *e) ERR_CHECKED;
void live_free(live *l);

/* A reader's hold on a view. */
typedef struct live_hold {
    const view *view;
    unsigned slot; /* private */
} live_hold;

/* live_acquire never blocks on the writer. Keep holds short: memory that the writer replaces is
 * not reclaimed before the oldest hold is released. */
void live_acquire(live *l, live_hold *out);
void live_release(live *l, live_hold *hold);

/* live_apply follows an op that is committed: the next live_acquire sees it whole, with
 * view_seq == changes->seq. CHANGE_GENERATION changes nothing: live_activate is called
 * instead, so that one view has the new seq and the new generation. */
err_code live_apply(live *l, const change_list *changes, err *e) ERR_CHECKED;

/* live_load_item and live_load_user fill the tables at start, unpublished until live_load_end.
 * Items before users. A user's edges are sorted by (item, type) and unique; they are copied.
 * Rows that are left out stay empty. live_load_end publishes with `seq`. */
err_code live_load_item(live *l, const change_item *item, err *e) ERR_CHECKED;

/* live_load_gone notes, at start, that a row which is deleted now had an id after the row
 * predecessor - 1. */
err_code live_load_gone(live *l, uint32_t predecessor, uint32_t row, err *e) ERR_CHECKED;
err_code live_load_user(live *l, uint32_t row, slice id, const live_edge *edges, size_t count,
                        err *e) ERR_CHECKED;
err_code live_load_end(live *l, uint64_t seq, err *e) ERR_CHECKED;

/* live_activate makes `b` (made by base_new for a generation; may be NULL: no model) the base.
 * Items that the generation does not know are placed from what base_fold_item prepared, else
 * through live_options.features. Takes `b` over, also on failure. */
err_code live_activate(live *l, base *b, uint64_t seq, err *e) ERR_CHECKED;

/* live_serve is live_activate without an op: the new view has the old one's seq. For a generation
 * whose activation was seen before its tables were there. Takes `b` over, also on failure. */
err_code live_serve(live *l, base *b, err *e) ERR_CHECKED;

/* live_swap puts in a base that propagate_run (core/serve/update/propagate.h) made from an earlier
 * view of this live, keeping the vectors of items that changed since. If another generation was
 * activated in between, the base is dropped and *swapped is false. Takes `b` over, also on failure.
 */
err_code live_swap(live *l, base *b, bool *swapped, err *e) ERR_CHECKED;

/* live_reclaim frees what no reader can see any more; live_apply does so itself. Returns how many
 * pieces still wait. */
size_t live_reclaim(live *l);

#endif
