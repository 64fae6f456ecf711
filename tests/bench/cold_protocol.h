/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cold_protocol: measures how well items are recommended that training has not seen.
 *
 * The protocol hides a tenth of the items of Amazon Sports, trains with the default options on the
 * rest, posts the hidden items with nothing but their features, and then requests lists for users.
 * The benches differ in the modalities that the data has and in the tuning of the cold start.
 *
 * A failure ends the program: this is for benches. */
#ifndef TESTS_BENCH_COLD_PROTOCOL_H
#define TESTS_BENCH_COLD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/serve/state/coldstart_maps.h"
#include "core/serve/update/live.h"
#include "tests/bench/sports_data.h"

enum { COLD_K = 20 };

typedef struct cold_bench {
    sports_data data;
    size_t warm;      /* item rows below this are trained, the others are hidden */
    unsigned tenth;   /* the seed that chooses the hidden items */
    uint64_t seed;    /* the seed of the training; 0: the default */
    const char *kept; /* the file in which the trained tables are kept, or NULL */
    model *once;      /* the trained model; NULL before cold_trained; the caller frees it */
    size_t *starts;   /* (users + 1) into data.edges */
    uint32_t *asked;  /* (asked_count) users with hidden and with training interactions */
    size_t asked_count;
} cold_bench;

typedef struct cold_quality {
    double recall, ndcg;
    size_t users;
} cold_quality;

typedef enum cold_scope { AMONG_HIDDEN, AMONG_ALL, WARM_WITH, WARM_WITHOUT } cold_scope;

/* cold_hide hides a tenth of the items of b->data and chooses the users whose lists are judged. */
void cold_hide(cold_bench *b);

/* cold_trained returns a copy of the model of the items that are not hidden. The first call trains
 * it. */
model *cold_trained(cold_bench *b);

/* cold_shop makes live tables with the trained items and the training interactions, and then posts
 * the hidden items. The hidden items lack the modalities whose bits are set in `without`. With
 * `raw`, neighbours are found among the features as given. */
live *cold_shop(cold_bench *b, const coldstart_tuning *tuning, unsigned without, bool raw);

cold_quality cold_ask(const cold_bench *b, live *l, cold_scope what);

/* cold_content_knn ranks hidden (or all) items by weighted cosines to the mean of the user's
 * features. */
cold_quality cold_content_knn(const cold_bench *b, bool all, unsigned without);

#endif
