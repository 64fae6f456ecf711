/*
 * knn: every item's nearest others by cosine of one modality's features.
 *
 * Up to KNN_EXACT_ROWS_MAX rows the search is exact: similarities come as products of blocks of
 * normalised rows, each pair of blocks once for both sides, and memory is bounded by
 * memory_bytes whatever the table: where it does not fit, it is streamed in large runs. Blocks are
 * padded to one size, so equal features give bitwise equal similarities and ties go to the lower
 * row. Beyond that size the search goes through FAISS and is approximate.
 *
 * Rows that are missing or zero have no neighbours and are nobody's.
 */
#ifndef CORE_KNN_H
#define CORE_KNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/features.h"

enum { KNN_EXACT_ROWS_MAX = 200000 };

typedef struct knn_options {
    size_t k;
    int threads;
    size_t memory_bytes;          /* for feature rows; 0 takes 512 MiB */
    bool (*cancelled)(void *ctx); /* asked now and then, by one thread; may be NULL */
    void *ctx;
} knn_options;

/* knn_exact writes the neighbours of row r, best first, into rows[r k ..], ROW_NONE where there are
 * fewer than k; `similarity` (source rows, k) likewise, or NULL. ERR_CANCELLED if asked to stop. */
err_code knn_exact(const feature_source *source, const knn_options *o, uint32_t *rows,
                   float *similarity, err *e) ERR_CHECKED;

/* knn_search is knn_exact up to KNN_EXACT_ROWS_MAX rows and approximate beyond. */
err_code knn_search(const feature_source *source, const knn_options *o, uint32_t *rows,
                    float *similarity, err *e) ERR_CHECKED;

#endif
