/* SPDX-License-Identifier: Apache-2.0 */
/*
 * knn: finds every item's nearest neighbours by cosine of one modality's features.
 *
 * Up to KNN_EXACT_ROWS_MAX rows the search is exact. Similarities are products of blocks of
 * normalised rows; each pair of blocks is multiplied once for both sides. Memory is bounded by
 * memory_bytes: a table that does not fit is streamed in large runs. Blocks are padded to one size,
 * so equal features give bitwise equal similarities, and ties go to the lower row.
 *
 * Larger tables are clustered by FAISS, and a row is compared only with the nearest clusters
 * (core/search/index.h). The whole table is then in memory, plus one byte per number. The time
 * grows with the square of the rows below the limit, and almost linearly beyond it. Features that
 * do not cluster well, so that much of the table would be read for every row, are always searched
 * exactly.
 *
 * Rows that are missing or zero have no neighbours and are neighbours of no row.
 */
#ifndef CORE_KNN_H
#define CORE_KNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/features.h"

enum { KNN_EXACT_ROWS_MAX = 200000 };
#define KNN_RECALL_MIN 0.95

typedef struct knn_options {
    size_t k;
    int threads;
    size_t memory_bytes;          /* knn_exact: memory for feature rows; 0 takes 512 MiB */
    double recall_min;            /* knn_search: see below; 0 takes KNN_RECALL_MIN */
    size_t exact_rows_max;        /* knn_search: 0 takes KNN_EXACT_ROWS_MAX */
    uint64_t seed;                /* knn_search: seed of the clustering */
    bool (*cancelled)(void *ctx); /* called now and then, from any thread; may be NULL */
    void *ctx;
} knn_options;

/* knn_exact writes the neighbours of row r, best first, into rows[r k ..], with ROW_NONE if there
 * are fewer than k. `similarity` (source rows, k) is filled likewise, or NULL. ERR_CANCELLED:
 * `cancelled` returned true. */
err_code knn_exact(const feature_source *source, const knn_options *o, uint32_t *rows,
                   float *similarity, err *e) ERR_CHECKED;

/* knn_search equals knn_exact up to exact_rows_max rows. Beyond, it reads enough clusters to find
 * the share recall_min of the exact neighbours, measured on a sample. Features wider than
 * INDEX_DIM_MAX are always searched exactly. */
err_code knn_search(const feature_source *source, const knn_options *o, uint32_t *rows,
                    float *similarity, err *e) ERR_CHECKED;

#endif
