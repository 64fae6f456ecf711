/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faiss_table: our interface to the two functions of FAISS that are used here.
 *
 * A table is an IndexFlatIP, which owns the vectors. A clustering is the coarse quantiser of an
 * inverted file, trained by FAISS. faiss_table.c is the only C file that includes FAISS's headers,
 * because they define names without a prefix. It uses the official C API.
 *
 * Several threads may call these functions on different objects.
 */
#ifndef CORE_FAISS_TABLE_H
#define CORE_FAISS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct faiss_table faiss_table;

/* faiss_table_new makes a flat index of `rows` zero vectors, and returns its memory for the caller
 * to fill; *data is NULL if there are no rows. The memory does not move until faiss_table_free. */
err_code faiss_table_new(faiss_table **out, float **data /* (rows, dim) */, size_t rows, size_t dim,
                         err *e) ERR_CHECKED;
void faiss_table_free(faiss_table *t);

typedef struct faiss_clustering {
    size_t rows, dim, clusters; /* rows >= clusters >= 1 */
    unsigned threads;           /* >= 1, for OpenMP; BLAS has a setting of its own */
} faiss_clustering;

/* faiss_cluster finds cluster directions by spherical k-means over a sample of x that FAISS draws,
 * and writes them as unit vectors. The same input and threads give the same output. */
err_code faiss_cluster(const faiss_clustering *how, const float *x /* (rows, dim) */,
                       float *centroids /* (clusters, dim) */, err *e) ERR_CHECKED;

/* faiss_assign writes the cluster of each row: the centroid with the largest inner product. */
err_code faiss_assign(const faiss_clustering *how, const float *x /* (rows, dim) */,
                      const float *centroids /* (clusters, dim) */, uint32_t *cluster /* (rows) */,
                      err *e) ERR_CHECKED;

#endif
