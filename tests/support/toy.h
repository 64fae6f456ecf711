/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy: small random datasets for tests of the trainer, equal for the same seed.
 */
#ifndef TESTS_SUPPORT_TOY_H
#define TESTS_SUPPORT_TOY_H

#include <stdint.h>

#include "core/model/dataset.h"

typedef struct toy_options {
    size_t users, items, pairs;      /* pairs: about this many in all splits */
    size_t widths[2];                /* for up to two modalities; 0 for none */
    int valid_percent, test_percent; /* of the pairs */
    uint64_t seed;
} toy_options;

/* toy_new fails the running test if memory runs out. Users like items of their own group, which the
 * features show, so there is something to learn. Free with dataset_free. */
dataset *toy_new(const toy_options *o);

#endif
