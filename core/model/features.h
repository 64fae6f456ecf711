/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: the source from which the trainer reads the items' raw vectors of one modality.
 *
 * A source is a function rather than a table because features can be far wider than embeddings:
 * 63,000 x 4,096 numbers are a gigabyte. Readers stream the rows in blocks, so the block bounds the
 * memory. A row of NaN is an item without this modality; a row of zeros is an item that has it.
 *
 * A source is immutable once it is filled in. One thread reads at a time.
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
    /* k_m of the paper: neighbours in the item graph, and the modality's weight in MI */
    uint32_t neighbours;
    /* read fills out (count, width) with rows first .. first + count - 1. */
    err_code (*read)(void *ctx, size_t first, size_t count, float *out, err *e);
    void *ctx;
} feature_source;

/* A table in memory that serves as a source. It must outlive the source. */
typedef struct feature_table {
    const float *x; /* (rows, width) row-major; a row of NaN is missing */
    size_t rows, width;
} feature_table;

/* feature_source_table makes a source that borrows `table`. The name is cut to 64 bytes. */
feature_source feature_source_table(const char *name, feature_table *table, uint32_t neighbours);

/* feature_row_missing tells whether the (width) numbers at `row` are all NaN. */
int feature_row_missing(const float *row, size_t width);

#endif
