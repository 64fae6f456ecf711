/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blas: the dense matrix products that the model needs, and their number of threads.
 *
 * OpenBLAS has one number of threads for the whole process. Products inside OpenMP loops need one
 * thread, and single large products need all. blas_threads sets the number; all functions here
 * leave it at one.
 *
 * OpenBLAS chooses its kernels by the processor's model. A version older than the processor does
 * not know it and takes its kernels of 2004 ("Prescott"), which use a quarter of the vector width
 * or less; their triangular solve also crashes (0.3.21 of Debian 12). Before main, every program
 * that links this file makes OpenBLAS take those for the processor's vectors instead, unless
 * OPENBLAS_CORETYPE is set.
 */
#ifndef CORE_BLAS_H
#define CORE_BLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"

/* blas_threads sets OpenBLAS's threads for the whole process. */
void blas_threads(int threads);

/* blas_can_load tells whether OpenBLAS's constructor can get the buffer that newer versions
 * allocate when they are loaded; they try for ever if they cannot. It makes only system calls, so
 * it works before any constructor has run. */
bool blas_can_load(void);

/* blas_reserve makes OpenBLAS allocate the buffers that products of `threads` threads need, if the
 * process's address space is limited (ulimit -v): OpenBLAS itself tries for ever to get a buffer
 * that it cannot have. ERR_NOMEM: there is no room for them. Call it once, before the first
 * product, while there is no other thread. */
err_code blas_reserve(int threads, err *e) ERR_CHECKED;

/* blas_missed_kernels returns the kernels that OpenBLAS should use in place of its own choice, as a
 * value of OPENBLAS_CORETYPE, or NULL if that choice is right. */
const char *blas_missed_kernels(void);

/* blas_kernels_for is its rule: `chosen` is the name of OpenBLAS's kernels, the flags tell which
 * vector instructions the processor has. */
const char *blas_kernels_for(const char *chosen, bool avx2, bool avx512);

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
