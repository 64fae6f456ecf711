/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataset_load: reads the store's interactions and features into a data set for training.
 *
 * Rows are the store's rows, so a model's tables need no mapping. Erased users and deleted items
 * are rows without pairs; deleted items are marked as gone. Only records with EDGE_IN_GRAPH count.
 * If several records (types) exist for a pair, the pair is in one split only, the lowest of theirs:
 * training before validation before test. Its weight is the largest of theirs and its time the
 * latest.
 *
 * The pairs are of one moment, recorded in `origin`. Features are read later, block by block in
 * short read transactions, so a training never holds up a live server's pages.
 */
#ifndef STORAGE_DATASET_LOAD_H
#define STORAGE_DATASET_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "core/model/dataset.h"
#include "storage/env/store.h"

/* How many neighbours a modality has in the item graph; 0 leaves the modality out. */
typedef struct dataset_neighbours {
    slice modality;
    uint32_t neighbours;
} dataset_neighbours;

enum { NEIGHBOURS_OF_TEXT = 5, NEIGHBOURS_OF_OTHERS = 1 };

/* Whether the items' own texts become a modality, "words". */
typedef enum dataset_words {
    DATASET_WORDS_NO = 0,
    DATASET_WORDS_YES,
    DATASET_WORDS_AUTO, /* unless another modality in use is named "text" */
} dataset_words;

typedef struct dataset_load_options {
    /* (neighbour_count) those that differ from the defaults: "text" and "words" 5, others 1.
     * ERR_INVALID: the store has no features of that name. */
    const dataset_neighbours *neighbours;
    size_t neighbour_count;
    dataset_words words;
    int threads;                  /* for fitting words; 0 means one */
    bool (*cancelled)(void *ctx); /* called while words are fitted; may be NULL */
    void *ctx;
} dataset_load_options;

/* dataset_load reads everything. `origin` receives the state of the store (lineage, seq, rows) and
 * may be NULL. `s` must stay open until dataset_free. `options` may be NULL. */
err_code dataset_load(store *s, const dataset_load_options *options, dataset **out,
                      store_info *origin, err *e) ERR_CHECKED;

#endif
