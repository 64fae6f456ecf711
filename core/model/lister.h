/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lister: lists for core/model/eval.h from any table of scores, a few users and a run of items at a
 * time.
 *
 * A scorer fills a block of scores; candidates, masks, ties, filling and threads are handled here
 * once, for the trained model and for every baseline, by the rules of the service:
 *
 *   - scored items come first, best first, equal scores to the lower row;
 *   - then the popular ones (core/model/candidates.h), which also are the whole list of a user
 *     without a training pair, whatever a scorer would say of them.
 *
 * A score of -INFINITY means that there is nothing to say of the item: it is unscored, not last, so
 * a scorer that knows little lists popular items behind the few and not the first rows.
 */
#ifndef CORE_LISTER_H
#define CORE_LISTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/candidates.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

enum { LISTER_USERS = 32, LISTER_ITEMS = 4096 };

/* A block of the table: users asks[0 .. count - 1], count <= LISTER_USERS, and items first ..
 * first + items - 1; out (count, items). */
typedef struct lister_block {
    const eval_ask *asks;
    size_t count, first, items;
    float *out;
    void *worker; /* of lister.worker_new, or NULL */
} lister_block;

/* Rows to score. */
typedef struct lister_rows {
    const uint32_t *rows; /* (count) */
    size_t count;
    float *scores; /* (count) out */
} lister_rows;

typedef struct lister {
    const dataset *d; /* borrowed */
    int threads;
    candidates *among;
    /* score fills a block; NULL: every item is unscored. Called from several threads at once. */
    void (*score)(const void *ctx, const lister_block *block);
    /* What a thread keeps about the users of a block between calls: one worker a thread, told by
     * begin of the users before their first block of items. NULL: nothing. */
    void *(*worker_new)(const void *ctx); /* NULL if memory is out */
    void (*worker_free)(void *worker);
    bool (*begin)(const void *ctx, void *worker, const eval_ask *asks, size_t count);
    /* Where blocks are scored quickly but not to the bit: refine writes the final scores of the
     * listed rows, and no score of a block is further from them than slack. `u` is the place in
     * the block. NULL: blocks are final. */
    void (*refine)(const void *ctx, const lister_block *block, size_t u, const lister_rows *rows);
    float (*slack)(const void *ctx, const lister_block *block, size_t u);
    const void *ctx;
} lister;

/* lister_init makes the candidates of `d`; score and the rest are the caller's to set. */
err_code lister_init(lister *l, const dataset *d, int threads, err *e) ERR_CHECKED;
void lister_fini(lister *l);

/* lister_list is eval_lister.list for a `lister` as its context. */
err_code lister_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e) ERR_CHECKED;

#endif
