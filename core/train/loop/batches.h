/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batches: an epoch's training pairs in random order, in batches, with a negative item for each
 * pair.
 *
 * Every epoch has its own stream of the seed, so an epoch that is repeated after a kill is the
 * same. One thread at a time.
 */
#ifndef CORE_BATCHES_H
#define CORE_BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/rng.h"
#include "core/common/sparse.h"
#include "core/model/dataset.h"
#include "core/train/method/bpr.h"

typedef struct batches {
    const dataset *d; /* its train pairs */
    const csr *a;     /* who has what: stacked interaction graph */
    size_t size;      /* pairs of a batch, but for the last */
    rng random;
    uint32_t *order;                         /* (train_count) */
    uint32_t *users, *positives, *negatives; /* (size) */
    size_t done;                             /* pairs of the epoch that were in a batch */
} batches;

/* batches_init borrows the data and the graph; nothing to draw from until batches_begin. What it
 * took is given back by batches_fini, also after ERR_NOMEM. */
err_code batches_init(batches *b, const dataset *d, const csr *a, size_t size, err *e) ERR_CHECKED;
void batches_fini(batches *b);

/* batches_begin shuffles for one epoch. batches_next gives the next batch, borrowed until the next
 * call, and false at the end of the epoch. Pairs of users who have everything are left out, so a
 * batch can be empty. */
void batches_begin(batches *b, uint64_t seed, uint64_t epoch);
bool batches_next(batches *b, bpr_batch *out);

#endif
