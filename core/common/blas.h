/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blas: the few dense products that the mathematics needs, and how many threads they use.
 *
 * OpenBLAS keeps one number of threads for the process. Products inside OpenMP loops want one, the
 * single large ones want all; blas_threads sets it, and everything here leaves it at one.
 */
#ifndef CORE_BLAS_H
#define CORE_BLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"

/* blas_threads sets OpenBLAS's threads for the whole process. */
void blas_threads(int threads);

/* blas_can_load tells whether OpenBLAS's constructor gets the buffer that newer versions take when
 * they are loaded, and try for ever to get. Calls the kernel alone, so that it can be asked before
 * any constructor runs. */
bool blas_can_load(void);

/* blas_reserve has OpenBLAS take the buffers that products of `threads` threads need, where the
 * process may use only so much address space (ulimit -v): OpenBLAS itself tries for ever to get one
 * that it cannot have. ERR_NOMEM if there is no room for them. Call it once, before the first
 * product, while there is no other thread. */
err_code blas_reserve(int threads, err *e) ERR_CHECKED;

/* blas_scores writes c (rows, cols) = a (rows, dim) b (cols, dim)^T. c's rows are `stride` apart.
 */
typedef struct blas_product {
    const float *a, *b;
    size_t rows, cols, dim, stride;
    float *c;
} blas_product;
void blas_scores(const blas_product *p);

/* blas_multiply writes c (rows, cols) = a (rows, dim) b (dim, cols). */
void blas_multiply(const blas_product *p);

/* blas_gram adds x^T x to the upper triangle of g (width, width); x (rows, width). */
void blas_gram(const double *x, size_t rows, size_t width, double *g);

/* blas_eigen finds the `count` largest eigenvalues of the symmetric g (width, width; its upper
 * triangle; destroyed), largest first, with vectors in the rows of `vectors` (count, width).
 * LAPACK's dsyevr: exact to double precision. */
err_code blas_eigen(double *g, size_t width, size_t count, double *values, double *vectors,
                    err *e) ERR_CHECKED;

#endif
