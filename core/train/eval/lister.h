/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lister: lists for core/model/eval.h from any table of scores, a few users and a run of items at a
 * time.
 *
 * A scorer fills a block of scores; masks, deleted items, ties and threads are handled here once,
 * for the trained model and for the baselines.
 */
#ifndef CORE_LISTER_H
#define CORE_LISTER_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

enum { LISTER_USERS = 32, LISTER_ITEMS = 4096 };

/* A block of the table: users asks[0 .. count - 1], count <= LISTER_USERS, and items first ..
 * first + items - 1; out (count, items). */
typedef struct lister_block {
    const eval_ask *asks;
    size_t count, first, items;
    float *out;
} lister_block;

typedef struct lister {
    const dataset *d;
    int threads;
    /* score fills a block; -INFINITY is no candidate. Called from several threads at once. */
    void (*score)(const void *ctx, const lister_block *block);
    const void *ctx;
} lister;

/* lister_list is eval_lister.list for a `lister` as its context. */
err_code lister_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e) ERR_CHECKED;

#endif
