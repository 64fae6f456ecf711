/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: where the trainer reads the items' raw vectors of one modality from, block by block.
 *
 * A source is a function and not a table because features can be far wider than the embeddings
 * (63,000 x 4,096 numbers are a gigabyte): whoever needs them streams them in blocks, so memory is
 * bounded by the block. A row of NaN is an item without this modality; a row of zeros has it.
 *
 * A source is immutable after it was filled in; reads go one thread at a time.
 */
#ifndef CORE_FEATURES_H
#define CORE_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

enum { FEATURE_NAME_BYTES = 65 };

typedef struct feature_source {
    char name[FEATURE_NAME_BYTES];
    size_t width, rows;
    uint32_t neighbours; /* k_m of the paper: neighbours in the item graph, and the weight in MI */
    /* read fills out (count, width) with rows first .. first + count - 1. */
    err_code (*read)(void *ctx, size_t first, size_t count, float *out, err *e);
    void *ctx;
} feature_source;

/* A table in memory as a source: fill it in, it must outlive the source. */
typedef struct feature_table {
    const float *x; /* (rows, width) row-major, NaN rows are missing */
    size_t rows, width;
} feature_table;

/* feature_source_table makes a source that borrows `table` and only reads it; the name is cut to 64
 * bytes. */
feature_source feature_source_table(const char *name, feature_table *table, uint32_t neighbours);

/* feature_row_missing tells whether the (width) numbers at `row` are all NaN. */
int feature_row_missing(const float *row, size_t width);

#endif
