/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_load: loads the store's content into the live tables, and a generation into a base, at the
 * start.
 *
 * It makes a few sweeps over LMDB's pages in key order without looking up single records, so it
 * takes as long as reading the file. The caller makes sure that no op is applied meanwhile.
 */
#ifndef STORAGE_LIVE_LOAD_H
#define STORAGE_LIVE_LOAD_H

#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"
#include "storage/env/store.h"

/* live_load fills `l` (new, unpublished) with all items, users and interactions and publishes it
 * with the store's seq. *info receives the store's state, including the active generation; it may
 * be NULL. */
err_code live_load(store *s, live *l, store_info *info, err *e) ERR_CHECKED;

/* live_load_judged loads only the interactions of d's training pairs, so that held-out interactions
 * have no influence on degrees, popularity and users' rows in an evaluation. */
err_code live_load_judged(store *s, live *l, const dataset *d, store_info *info,
                          err *e) ERR_CHECKED;

/* base_load makes a generation's base: it streams the item vectors into the index and uses the
 * stored clustering. `threads` are for building the index; 0 means one. Release with base_release
 * or hand to live_activate. */
err_code base_load(store *s, uint32_t generation, unsigned threads, base **out, err *e) ERR_CHECKED;

/* base_load_judged makes a generation's base over the graph of d's training pairs alone, like the
 * view of live_load_judged: it computes H, G and the links anew. */
err_code base_load_judged(store *s, uint32_t generation, const dataset *d, unsigned threads,
                          base **out, err *e) ERR_CHECKED;

/* live_stored_features is a live_features_fn whose ctx is a live_feature_source. It lends one
 * item's stored vectors until the next call. */
typedef struct live_feature_source {
    store *s;
    arena memory;
} live_feature_source;

void live_feature_source_init(live_feature_source *x, store *s);
void live_feature_source_fini(live_feature_source *x);
err_code live_stored_features(void *ctx, uint32_t item, item_content *out, err *e) ERR_CHECKED;

#endif
