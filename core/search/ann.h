/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ann: clusters the rows of a large table by direction, so that a search reads only some of them.
 *
 * FAISS trains the clusters (spherical k-means over directions, the coarse quantiser of its
 * inverted file) and assigns the rows. The rows are then ordered by cluster, and every cluster
 * starts at a block of codes (core/search/quantise.h), so the exact first pass and the approximate
 * one read the same table. A query reads the clusters with the largest product of the query and the
 * cluster's mean row, plus an allowance for the cluster's spread.
 *
 * Plain data, immutable once an index has it.
 */
#ifndef CORE_ANN_H
#define CORE_ANN_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct ann {
    size_t rows, dim, clusters;
    float *means;          /* (clusters, dim) mean row of each */
    float *spread;         /* (clusters) root mean square distance of its rows to the mean */
    uint32_t *first_block; /* (clusters + 1) where each starts, in blocks of QUANTISE_BLOCK */
    uint32_t *order;       /* (places) the row at each place, or ROW_NONE */
    size_t places;         /* first_block[clusters] * QUANTISE_BLOCK */
    size_t nprobe;         /* clusters that an approximate search reads */
    float recall;          /* measured with nprobe clusters; 0 if not measured yet */
} ann;

typedef struct ann_options {
    size_t clusters; /* 0 means twice the root of the number of rows */
    unsigned threads;
} ann_options;

/* ann_new clusters the rows; rows >= 1. It leaves nprobe and recall at 0. */
err_code ann_new(ann **out, const float *x /* (rows, dim) */, size_t rows, size_t dim,
                 const ann_options *options, err *e) ERR_CHECKED;
void ann_free(ann *a);

/* ann_encode returns bytes that ann_decode accepts; free them with mem_free. ann_decode checks
 * everything that a search relies on. ERR_CORRUPT: the bytes are damaged or belong to other
 * rows. */
err_code ann_encode(const ann *a, void **bytes, size_t *count, err *e) ERR_CHECKED;
err_code ann_decode(ann **out, const void *bytes, size_t count, err *e) ERR_CHECKED;

#endif
