/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataset: the input of training and evaluation, without ids, files and databases.
 *
 * Users and items are rows 0 .. count - 1. Each of the three splits holds pairs sorted by (user,
 * item) without repeats, and no pair is in two splits; dataset_check verifies this for untrusted
 * input. E and U are learned and evaluated on the graph of `train` alone; `valid` and `test` are
 * the interactions to be found, and masks (docs/model/evaluation.md). The graph of a service has
 * all three splits (pairs_all).
 *
 * A dataset belongs to its maker and is immutable while others use it.
 */
#ifndef CORE_DATASET_H
#define CORE_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/features.h"

typedef struct pair {
    uint32_t user, item; /* the rows of the user and of the item */
    float weight;        /* in the graph; > 0 and finite; 1 for imported data */
    uint32_t time;       /* epoch seconds of the latest record that counts; 0 if unknown */
} pair;

typedef struct dataset {
    size_t users, items;
    pair *train; /* (train_count) sorted by (user, item), unique */
    pair *valid; /* (valid_count) */
    pair *test;  /* (test_count) */
    size_t train_count, valid_count, test_count;
    feature_source *modalities; /* (modality_count) each with `items` rows */
    size_t modality_count;
    /* Bit i: item row i was deleted. A deleted item is neither a candidate nor a negative. (items +
     * 63) / 64 words; NULL: none was deleted. */
    uint64_t *gone;
    /* Bit i: item row i is hidden. A hidden item is learned from, but is in no list. NULL: none is
     * hidden. */
    uint64_t *hidden;
    int64_t *created; /* (items) epoch seconds; NULL: all equal */
    /* How texts become the vectors of the text modality. NULL if there is no such modality.
     * Owned. */
    struct word_space *words;
    /* dataset_free calls release last, to free what the sources read from. May be NULL. */
    void (*release)(void *ctx);
    void *release_ctx;
} dataset;

/* dataset_new makes an empty dataset. Allocate its arrays with core/common/mem.h. */
err_code dataset_new(dataset **out, size_t users, size_t items, err *e) ERR_CHECKED;
void dataset_free(dataset *d); /* accepts NULL */

/* dataset_derive makes a dataset of the same users, items and features without pairs. It borrows
 * d's sources, so `d` must outlive it. */
err_code dataset_derive(dataset **out, const dataset *d, err *e) ERR_CHECKED;

/* pairs_sort sorts by (user, item). Of equal pairs it keeps the one of largest weight, with the
 * latest of their times. Returns the new count. */
size_t pairs_sort(pair *pairs, size_t count);

/* pairs_all returns the pairs of all three splits in one sorted array, for the graph that serves.
 * Free it with mem_free. */
err_code pairs_all(pair **out, size_t *count, const dataset *d, err *e) ERR_CHECKED;

/* pairs_find returns the index of (user, item) in sorted pairs, or SIZE_MAX. */
size_t pairs_find(const pair *pairs, size_t count, uint32_t user, uint32_t item);

/* pairs_starts fills starts (users + 1): the pairs of user u are [starts[u], starts[u + 1]). */
void pairs_starts(const pair *pairs, size_t count, size_t users, size_t *starts);

/* dataset_check verifies ranges, order and weights, and that the splits are disjoint. ERR_INVALID
 * names the split and the place. */
err_code dataset_check(const dataset *d, err *e) ERR_CHECKED;

/* dataset_gone tells whether item row `item` was deleted, dataset_hidden whether it is hidden. */
int dataset_gone(const dataset *d, size_t item);
int dataset_hidden(const dataset *d, size_t item);

/* dataset_fingerprint hashes everything that training depends on, except the values of features:
 * sizes, pairs, weights, and the modalities' names, widths and neighbours. Hidden items, creation
 * times and interaction times are not included: they may change between a checkpoint and its
 * resumption. Equal data give equal numbers on every machine. */
uint64_t dataset_fingerprint(const dataset *d);

#endif
