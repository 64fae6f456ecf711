/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/subspace.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/rng.h"

enum {
    SLAB = 32,   /* columns of a product that one thread computes */
    PIECES = 16, /* parts of a sum over rows */
    CHUNK_ROWS = 256,
};
/* An eigenvalue of a Gram matrix in single precision that is below this share of the largest is
 * noise. */
#define GRAM_NOISE 1e-6

typedef struct iteration {
    const csr *a;
    const subspace_options *o;
    float *x;        /* (cols, columns) */
    double *gram;    /* (columns, columns) */
    double *pieces;  /* (PIECES, columns, columns) */
    float *rotation; /* (columns, columns) */
    double *values;  /* (columns) */
    double *vectors; /* (columns, columns) */
} iteration;

static void start(iteration *it)
{
    size_t columns = it->o->columns;
#pragma omp parallel for num_threads(it->o->threads) schedule(static)
    for (size_t r = 0; r < it->a->cols; r++) {
        rng random;
        rng_init(&random, it->o->seed, r);
        for (size_t c = 0; c < columns; c++) {
            it->x[r * columns + c] = (float)rng_normal(&random);
        }
    }
}

/* multiply_slab adds A^T A x to z for SLAB columns of x; z (cols, SLAB). */
KERNEL_CLONES static void multiply_slab(const csr *a, const float *x, size_t stride, float *z)
{
    enum { VECTORS = SLAB / KERNEL_LANES };
    for (size_t r = 0; r < a->rows; r++) {
        kernel_vec y[VECTORS] = {0};
        for (size_t k = a->start[r]; k < a->start[r + 1]; k++) {
            const float *from = x + a->col[k] * stride;
            for (size_t i = 0; i < VECTORS; i++) {
                y[i] += a->value[k] * *(const kernel_vec_any *)(from + i * KERNEL_LANES);
            }
            __builtin_prefetch(x + a->col[k + CSR_AHEAD] * stride);
        }
        for (size_t k = a->start[r]; k < a->start[r + 1]; k++) {
            float *to = z + (size_t)a->col[k] * SLAB;
            for (size_t i = 0; i < VECTORS; i++) {
                *(kernel_vec_any *)(to + i * KERNEL_LANES) += a->value[k] * y[i];
            }
        }
    }
}

/* multiply replaces x by A^T A x, slab by slab. */
static err_code multiply(iteration *it, err *e)
{
    size_t columns = it->o->columns, cols = it->a->cols;
    int failed = 0;
#pragma omp parallel for num_threads(it->o->threads) schedule(dynamic, 1)
    for (size_t slab = 0; slab < columns / SLAB; slab++) {
        float *z = mem_table(cols * SLAB, sizeof *z);
        if (z == NULL) {
#pragma omp atomic write
            failed = 1;
            continue;
        }
        multiply_slab(it->a, it->x + slab * SLAB, columns, z);
        for (size_t r = 0; r < cols; r++) {
            memcpy(it->x + r * columns + slab * SLAB, z + r * SLAB, SLAB * sizeof *z);
        }
        mem_free(z);
    }
    return failed ? err_nomem(e, "a product with the words") : ERR_OK;
}

/* add_gram adds y^T y to the upper triangle of g. */
static void add_gram(const float *y, size_t rows, size_t columns, float *own, double *g)
{
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)columns, (int)rows, 1, y, (int)columns,
                0, own, (int)columns);
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = i; j < columns; j++) {
            g[i * columns + j] += (double)own[i * columns + j];
        }
    }
}

/* project_rows writes y = A x for some rows of A; y (count, columns). */
KERNEL_CLONES static void project_rows(const iteration *it, size_t first, size_t count, float *y)
{
    size_t columns = it->o->columns;
    for (size_t r = 0; r < count; r++) {
        float *to = y + r * columns;
        memset(to, 0, columns * sizeof *to);
        for (size_t k = it->a->start[first + r]; k < it->a->start[first + r + 1]; k++) {
            const float *from = it->x + it->a->col[k] * columns;
            for (size_t j = 0; j < columns; j += KERNEL_LANES) {
                *(kernel_vec_any *)(to + j) +=
                    it->a->value[k] * *(const kernel_vec_any *)(from + j);
            }
        }
    }
}

/* sum_gram computes the Gram matrix of x, or of A x. */
static err_code sum_gram(iteration *it, bool projected, err *e)
{
    size_t columns = it->o->columns, square = columns * columns;
    size_t rows = projected ? it->a->rows : it->a->cols;
    int failed = 0;
    memset(it->pieces, 0, PIECES * square * sizeof *it->pieces);
#pragma omp parallel for num_threads(it->o->threads) schedule(dynamic, 1)
    for (size_t piece = 0; piece < PIECES; piece++) {
        float *own = mem_table(square, sizeof *own);
        float *y = mem_table(CHUNK_ROWS * columns, sizeof *y);
        size_t last = rows * (piece + 1) / PIECES;
        for (size_t r = rows * piece / PIECES; own != NULL && y != NULL && r < last;) {
            size_t count = last - r < CHUNK_ROWS ? last - r : CHUNK_ROWS;
            if (projected) {
                project_rows(it, r, count, y);
            }
            add_gram(projected ? y : it->x + r * columns, count, columns, own,
                     it->pieces + piece * square);
            r += count;
        }
        if (own == NULL || y == NULL) {
#pragma omp atomic write
            failed = 1;
        }
        mem_free(own);
        mem_free(y);
    }
    memset(it->gram, 0, square * sizeof *it->gram);
    for (size_t i = 0; i < PIECES * square; i++) {
        it->gram[i % square] += it->pieces[i];
    }
    return failed ? err_nomem(e, "a sum over the words") : ERR_OK;
}

/* rotate replaces x by x R. The rows of R^T are the eigenvectors; if `orthonormal`, they are scaled
 * so that each column has length 1. Directions of noise become 0. */
static err_code rotate(iteration *it, bool orthonormal, err *e)
{
    size_t columns = it->o->columns;
    err_code code = blas_eigen(it->gram, columns, columns, it->values, it->vectors, e);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t c = 0; c < columns; c++) {
        bool noise = !(it->values[c] > GRAM_NOISE * it->values[0]);
        double scale = noise ? 0 : orthonormal ? 1 / sqrt(it->values[c]) : 1;
        for (size_t j = 0; j < columns; j++) {
            it->rotation[j * columns + c] = (float)(it->vectors[c * columns + j] * scale);
        }
    }
    size_t chunks = (it->a->cols + CHUNK_ROWS - 1) / CHUNK_ROWS;
    int failed = 0;
#pragma omp parallel for num_threads(it->o->threads) schedule(static)
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        size_t first = chunk * CHUNK_ROWS, left = it->a->cols - first;
        float *own = mem_table(CHUNK_ROWS * columns, sizeof *own);
        if (own == NULL) {
#pragma omp atomic write
            failed = 1;
            continue;
        }
        blas_product p = {.a = it->x + first * columns, .b = it->rotation, .c = own};
        p.rows = left < CHUNK_ROWS ? left : CHUNK_ROWS;
        p.cols = p.dim = p.stride = columns;
        blas_multiply(&p);
        memcpy(it->x + first * columns, own, p.rows * columns * sizeof *own);
        mem_free(own);
    }
    return failed ? err_nomem(e, "a rotation of the words") : ERR_OK;
}

static err_code orthonormalise(iteration *it, err *e)
{
    err_code code = sum_gram(it, false, e);
    return code == ERR_OK ? rotate(it, true, e) : code;
}

static err_code iterate(iteration *it, err *e)
{
    err_code code = ERR_OK;
    start(it);
    for (unsigned round = 0; round < it->o->rounds && code == ERR_OK; round++) {
        code = multiply(it, e);
        if (code == ERR_OK) {
            code = orthonormalise(it, e);
        }
    }
    /* A second pass, because the precision of the first depends on the condition of the Gram
     * matrix. */
    if (code == ERR_OK) {
        code = orthonormalise(it, e);
    }
    if (code == ERR_OK) {
        code = sum_gram(it, true, e);
    }
    return code == ERR_OK ? rotate(it, false, e) : code;
}

err_code subspace_run(const csr *a, const subspace_options *o, float *x, err *e)
{
    size_t square = o->columns * o->columns;
    iteration it = {.a = a, .o = o, .x = x};
    it.gram = mem_table(square, sizeof *it.gram);
    it.pieces = mem_table(PIECES * square, sizeof *it.pieces);
    it.rotation = mem_table(square, sizeof *it.rotation);
    it.values = mem_array(o->columns, sizeof *it.values);
    it.vectors = mem_table(square, sizeof *it.vectors);
    err_code code = ERR_OK;
    blas_threads(1);
    if (it.gram == NULL || it.pieces == NULL || it.rotation == NULL || it.values == NULL ||
        it.vectors == NULL) {
        code = err_nomem(e, "the singular vectors of the words");
    }
    if (code == ERR_OK) {
        code = iterate(&it, e);
    }
    mem_free(it.gram);
    mem_free(it.pieces);
    mem_free(it.rotation);
    mem_free(it.values);
    mem_free(it.vectors);
    return code;
}
