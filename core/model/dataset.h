/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataset: what a training or an evaluation works on, free of ids, files and databases.
 *
 * Users and items are rows 0 .. count - 1. The three splits hold pairs sorted by (user, item)
 * without repeats, and no pair is in two of them; dataset_check says so for input of others. E and
 * U are learned, and judged, over the graph of `train` alone: `valid` and `test` are what is to be
 * found, and masks (docs/model/evaluation.md). A service's graph has all three (pairs_all).
 *
 * A dataset is owned by whoever made it and immutable while others use it.
 */
#ifndef CORE_DATASET_H
#define CORE_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/features.h"

typedef struct pair {
    uint32_t user, item; /* rows */
    float weight;        /* in the graph; > 0 and finite, 1 for imported data */
    uint32_t time;       /* epoch seconds of the latest record that counts; 0: not known */
} pair;

typedef struct dataset {
    size_t users, items;
    pair *train; /* (train_count) sorted by (user, item), unique */
    pair *valid; /* (valid_count) */
    pair *test;  /* (test_count) */
    size_t train_count, valid_count, test_count;
    feature_source *modalities; /* (modality_count) each with `items` rows */
    size_t modality_count;
    /* Bit i: item row i was deleted; it is no candidate and never a negative. NULL: none was.
     * (items + 63) / 64 words. */
    uint64_t *gone;
    /* Bit i: item row i is hidden; it is learned from, but no list may hold it. NULL: none is. */
    uint64_t *hidden;
    int64_t *created; /* (items) epoch seconds; NULL: all the same */
    /* What the modality of texts is made by; NULL: there is none. Owned. */
    struct word_space *words;
    /* dataset_free calls this last, to let go of what the sources read from; may be NULL. */
    void (*release)(void *ctx);
    void *release_ctx;
} dataset;

/* dataset_new gives an empty dataset; its arrays are to come from core/common/mem.h. */
err_code dataset_new(dataset **out, size_t users, size_t items, err *e) ERR_CHECKED;
void dataset_free(dataset *d); /* accepts NULL */

/* dataset_derive gives a dataset of the same users, items and features without any pair. It borrows
 * d's sources, so `d` must outlive it. */
err_code dataset_derive(dataset **out, const dataset *d, err *e) ERR_CHECKED;

/* pairs_sort sorts by (user, item) and keeps of equal pairs the one of largest weight, with the
 * latest of their times. Returns the new count. */
size_t pairs_sort(pair *pairs, size_t count);

/* pairs_all gives the pairs of all three splits together, sorted, for the graph that serves;
 * mem_free them. */
err_code pairs_all(pair **out, size_t *count, const dataset *d, err *e) ERR_CHECKED;

/* pairs_find gives the index of (user, item) in sorted pairs, or SIZE_MAX. */
size_t pairs_find(const pair *pairs, size_t count, uint32_t user, uint32_t item);

/* pairs_starts fills starts (users + 1): the pairs of user u are [starts[u], starts[u + 1]). */
void pairs_starts(const pair *pairs, size_t count, size_t users, size_t *starts);

/* dataset_check verifies ranges, order, weights and that the splits are disjoint. ERR_INVALID names
 * the split and the place. */
err_code dataset_check(const dataset *d, err *e) ERR_CHECKED;

/* dataset_gone tells whether item row `item` was deleted, dataset_hidden whether it is hidden. */
int dataset_gone(const dataset *d, size_t item);
int dataset_hidden(const dataset *d, size_t item);

/* dataset_fingerprint is a number of all that a training learns from but the features' values:
 * sizes, pairs, weights, modality names, widths and neighbours. What is hidden, when items were
 * created and when interactions happened may change between a checkpoint and its resumption. Equal
 * data give equal numbers on every machine. */
uint64_t dataset_fingerprint(const dataset *d);

#endif
