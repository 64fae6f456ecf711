/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batches: draws the batches of an epoch: the training pairs in random order, with a negative item
 * for each.
 *
 * The seed gives every epoch a random stream of its own, so an epoch repeated after a kill is the
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
    const dataset *d; /* borrowed; its training pairs are drawn */
    const csr *a;     /* which items each user has: the stacked interaction graph */
    size_t size;      /* pairs in every batch but the last */
    rng random;
    uint32_t *order;                         /* (train_count) */
    uint32_t *users, *positives, *negatives; /* (size) */
    size_t done;                             /* pairs of the epoch that have been in a batch */
} batches;

/* batches_init borrows the data and the graph. Call batches_begin before the first batch. Call
 * batches_fini in the end, also after ERR_NOMEM. */
err_code batches_init(batches *b, const dataset *d, const csr *a, size_t size, err *e) ERR_CHECKED;
void batches_fini(batches *b);

/* batches_begin shuffles the pairs for one epoch. batches_next returns the next batch, borrowed
 * until the next call, or false at the end of the epoch. Pairs of users who have every item are
 * left out, so a batch can be empty. */
void batches_begin(batches *b, uint64_t seed, uint64_t epoch);
bool batches_next(batches *b, bpr_batch *out);

#endif
