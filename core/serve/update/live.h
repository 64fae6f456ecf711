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

/* Twice as many as a request may list, so that enough remain without the user's own items and
 * exclusions. */
enum { LIVE_TOP_ROWS = 2048 };

/* How many views can be held at once. live_acquire spins while there are more. */
enum { LIVE_READERS_MAX = 512 };

/* live_features_fn lends the stored vectors and texts of an item for a row that has no prepared
 * vector. They are valid until the next call. */
typedef err_code (*live_features_fn)(void *ctx, uint32_t item, item_content *out, err *e);

typedef struct live_options {
    live_features_fn features; /* if NULL, such rows have no vector */
    void *ctx;
    /* how many items the views keep of each list (core/serve/query/top.h); 0 means LIVE_TOP_ROWS */
    size_t top_rows;
} live_options;

/* live_new makes an empty shop at seq 0 without a model. Release all views before live_free. */
err_code live_new(live **out, const live_options *options, err *e) ERR_CHECKED;
void live_free(live *l);

/* A reader's reference to a view. */
typedef struct live_hold {
    const view *view;
    unsigned slot; /* private */
} live_hold;

/* live_acquire never blocks on the writer. Release soon: memory that the writer replaces is not
 * freed before the oldest hold ends. */
void live_acquire(live *l, live_hold *out);
void live_release(live *l, live_hold *hold);

/* live_apply applies a committed op. The next live_acquire sees all of it, with view_seq ==
 * changes->seq. For CHANGE_GENERATION it does nothing: call live_activate instead, so that one view
 * gets both the new seq and the new generation. */
err_code live_apply(live *l, const change_list *changes, err *e) ERR_CHECKED;

/* live_load_item and live_load_user fill the tables at the start. Nothing is published until
 * live_load_end, which publishes with `seq`. Load items before users. A user's edges must be sorted
 * by (item, type) and unique; they are copied. Rows that are not loaded stay empty. */
err_code live_load_item(live *l, const change_item *item, err *e) ERR_CHECKED;

/* live_load_gone records, at the start, that a row that is now deleted took over its id from row
 * predecessor - 1. */
err_code live_load_gone(live *l, uint32_t predecessor, uint32_t row, err *e) ERR_CHECKED;
err_code live_load_user(live *l, uint32_t row, slice id, const live_edge *edges, size_t count,
                        err *e) ERR_CHECKED;
err_code live_load_end(live *l, uint64_t seq, err *e) ERR_CHECKED;

/* live_activate makes `b` the base. `b` comes from base_new for a generation; NULL means no model.
 * Items that the generation does not know get the vector that base_fold_item prepared, or one made
 * through live_options.features. It takes `b` over, also on failure. */
err_code live_activate(live *l, base *b, uint64_t seq, err *e) ERR_CHECKED;

/* live_serve is live_activate without an op: the new view has the seq of the old one. It serves a
 * generation that was activated before its tables were present. It takes `b` over, also on
 * failure. */
err_code live_serve(live *l, base *b, err *e) ERR_CHECKED;

/* live_swap installs a base that propagate_run (core/serve/update/propagate.h) made from an earlier
 * view of this live. It keeps the vectors of items that changed since. If another generation was
 * activated in between, the base is dropped and *swapped is false. It takes `b` over, also on
 * failure. */
err_code live_swap(live *l, base *b, bool *swapped, err *e) ERR_CHECKED;

/* live_reclaim frees what no reader can see any more. live_apply calls it too. It returns how many
 * pieces are still waiting. */
size_t live_reclaim(live *l);

#endif
