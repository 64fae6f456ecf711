/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faiss_table: the two things that FAISS does here, behind our own interface.
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

/* faiss_table_new makes a flat index of `rows` zero vectors and gives its own memory to fill;
 * *data is NULL for no rows. The memory stays where it is until faiss_table_free. */
err_code faiss_table_new(faiss_table **out, float **data /* (rows, dim) */, size_t rows, size_t dim,
                         err *e) ERR_CHECKED;
void faiss_table_free(faiss_table *t);

typedef struct faiss_clustering {
    size_t rows, dim, clusters; /* rows >= clusters >= 1 */
    unsigned threads;           /* >= 1, of OpenMP; BLAS has its own setting */
} faiss_clustering;

/* faiss_cluster finds directions by spherical k-means over a sample of x that FAISS draws, and
 * writes their unit vectors. The same input and threads give the same output. */
err_code faiss_cluster(const faiss_clustering *how, const float *x /* (rows, dim) */,
                       float *centroids /* (clusters, dim) */, err *e) ERR_CHECKED;

/* faiss_assign writes the cluster of each row: the centroid of largest inner product. */
err_code faiss_assign(const faiss_clustering *how, const float *x /* (rows, dim) */,
                      const float *centroids /* (clusters, dim) */, uint32_t *cluster /* (rows) */,
                      err *e) ERR_CHECKED;

#endif
