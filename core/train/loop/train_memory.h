/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_memory: estimates from counts how much memory a training takes.
 *
 * The estimate adds up the tables that exist at the same time, in the loop over epochs and at the
 * end, where links are chosen and the map between features is fitted; the larger sum counts. It
 * leaves out the pages of the store, the threads' stacks and buffers of the preparation, so it is a
 * lower bound. docs/operations.md compares it with measurements.
 */
#ifndef CORE_TRAIN_MEMORY_H
#define CORE_TRAIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/item_fields.h"
#include "core/model/dataset.h"
#include "core/model/train_options.h"

typedef struct train_size {
    size_t users, items;
    size_t pairs; /* pairs of all splits together */
    size_t modality_count;
    size_t widths[MODALITIES_MAX]; /* (modality_count) widths of the features */
    bool timed;                    /* interactions of one user have different times (links_timed) */
} train_size;

/* train_size_of returns the sizes of a dataset. */
train_size train_size_of(const dataset *d);

/* train_memory returns the estimate in bytes. */
uint64_t train_memory(const train_size *s, const train_options *o);

#endif
