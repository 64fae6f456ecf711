/* SPDX-License-Identifier: Apache-2.0 */
/* toy: makes small random datasets for tests of the trainer. The same seed gives the same
 * dataset. */
#ifndef TESTS_SUPPORT_TOY_H
#define TESTS_SUPPORT_TOY_H

#include <stdint.h>

#include "core/model/dataset.h"

typedef struct toy_options {
    size_t users, items, pairs;      /* pairs: about this many in all splits */
    size_t widths[2];                /* for up to two modalities; 0 for none */
    int valid_percent, test_percent; /* percent of the pairs */
    uint64_t seed;
} toy_options;

/* toy_new makes a dataset. Users like items of their own group, and the features show the group, so
 * there is something to learn. It fails the running test if memory runs out. Free with
 * dataset_free. */
dataset *toy_new(const toy_options *o);

#endif
