/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lister: makes lists for core/model/eval.h from any scorer. It asks for the scores of a few users
 * and a run of items at a time.
 *
 * A scorer fills a block of scores. The lister handles candidates, masks, ties, filling and threads
 * for the trained model and for every baseline, by the rules of the service:
 *
 *   - scored items come first, best first; equal scores go to the lower row;
 *   - popular items (core/model/candidates.h) follow. They are also the whole list of a user
 *     without training pairs, whatever the scorer says.
 *
 * A score of -INFINITY means that the item is unscored, not that it is last. After the items that a
 * scorer knows, the list so continues with popular items and not with the lowest rows.
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

/* A block of the table: users asks[0 .. count - 1], count <= LISTER_USERS, and items first .. first
 * + items - 1; out (count, items). */
typedef struct lister_block {
    const eval_ask *asks;
    size_t count, first, items;
    float *out;
    void *worker; /* the thread's worker, from lister.worker_new; or NULL */
} lister_block;

/* The rows to score. */
typedef struct lister_rows {
    const uint32_t *rows; /* (count) */
    size_t count;
    float *scores; /* (count) out: the score of each row */
} lister_rows;

typedef struct lister {
    const dataset *d; /* borrowed */
    int threads;
    candidates *among;
    /* score fills a block; several threads call it at once. NULL: every item is unscored. */
    void (*score)(const void *ctx, const lister_block *block);
    /* A worker holds what a thread keeps about the users of a block between calls. Each thread has
     * one. begin tells it about the users before their first block of items. NULL: nothing is
     * kept. */
    void *(*worker_new)(const void *ctx); /* returns NULL if memory runs out */
    void (*worker_free)(void *worker);
    bool (*begin)(const void *ctx, void *worker, const eval_ask *asks, size_t count);
    /* For scorers whose blocks are approximate. refine writes the final scores of the listed rows;
     * no score of a block differs from them by more than slack. `u` is the user's place in the
     * block. NULL: the scores of blocks are final. */
    void (*refine)(const void *ctx, const lister_block *block, size_t u, const lister_rows *rows);
    float (*slack)(const void *ctx, const lister_block *block, size_t u);
    const void *ctx;
} lister;

/* lister_init makes the candidates of `d`. The caller sets score and the other functions. */
err_code lister_init(lister *l, const dataset *d, int threads, err *e) ERR_CHECKED;
void lister_fini(lister *l);

/* lister_list is eval_lister.list with a `lister` as its context. */
err_code lister_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e) ERR_CHECKED;

#endif
