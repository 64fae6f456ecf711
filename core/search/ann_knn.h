/*
 * ann_knn: the nearest others of every row of a large table, approximately.
 *
 * A whole catalogue against itself is rows^2 products; through the clusters of an index
 * (core/search/index.h) each row reads the few that lie around it. Scores are core/search/scan.h's,
 * ties go to the lower row, and the same input gives the same output with any number of threads.
 */
#ifndef CORE_ANN_KNN_H
#define CORE_ANN_KNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct ann_knn_options {
    size_t k;                     /* >= 1 */
    unsigned threads;             /* 0: one */
    float recall_min;             /* share of the true neighbours to find; 0: 0.97 */
    bool (*cancelled)(void *ctx); /* asked now and then, by any thread; may be NULL */
    void *ctx;
} ann_knn_options;

typedef struct ann_knn_table {
    const float *x; /* (rows, dim) */
    size_t rows, dim;
} ann_knn_table;

/* Room for the answer. */
typedef struct ann_knn_lists {
    uint32_t *neighbours; /* (rows, k) */
    float *similarity;    /* (rows, k) or NULL */
    float recall;         /* what a sample of rows measured */
} ann_knn_lists;

/* ann_knn writes the k rows of largest inner product with row r, itself excluded, into
 * neighbours[r k ..], best first, ROW_NONE where there are fewer. For cosines pass unit rows. Holds
 * a copy of the table, and a quarter of it in codes. ERR_CANCELLED if asked to stop. */
err_code ann_knn(const ann_knn_table *table, const ann_knn_options *options, ann_knn_lists *out,
                 err *e) ERR_CHECKED;

#endif
