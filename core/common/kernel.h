/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel: what all hot loops over rows of floats share.
 *
 * The loops use GCC's vector types, 8 floats at a time, because their accumulators then stay in
 * registers. Plain loops over float arrays, left to the vectoriser, spill them and take 5 to 8
 * times as long. Wider types do not help: if a type is wider than the registers, gcc keeps it in
 * memory (16 floats took about five times as long with AVX2), and with AVX-512 these loops wait for
 * memory in any case.
 *
 * KERNEL_CLONES compiles a function for AVX-512, AVX2 and the baseline, and selects one at load
 * time, so one binary runs everywhere. Two builds have no clones: under ThreadSanitizer, whose
 * run-time is not ready when the loader selects them; and with older releases of clang, which name
 * the clones so that other files do not find them (14 does, 19 does not).
 *
 * A row is processed in blocks of 64 columns (eight vectors), then of 8, then one shorter block.
 * The helpers take the numbers of vectors and floats as constants and are inlined.
 */
#ifndef CORE_KERNEL_H
#define CORE_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/sparse.h"

#if defined(__SANITIZE_THREAD__) || (defined(__clang__) && __clang_major__ < 19)
#define KERNEL_CLONES
#else
#define KERNEL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#define KERNEL_INLINE static inline __attribute__((always_inline))

enum { KERNEL_LANES = 8, KERNEL_VECTORS = 8, KERNEL_COLUMNS = 64 };

typedef float kernel_vec __attribute__((vector_size(32)));
/* For loads and stores at any address, which occur in tables whose width is not a multiple of 8. */
typedef float kernel_vec_any __attribute__((vector_size(32), aligned(4), may_alias));

/* kernel_load reads n <= 8 floats and sets the others to 0. kernel_store writes n. */
KERNEL_INLINE void kernel_load(kernel_vec *out, const float *at, size_t n)
{
    if (n == KERNEL_LANES) {
        *out = *(const kernel_vec_any *)at;
        return;
    }
    kernel_vec v = {0};
    for (size_t i = 0; i < n; i++) {
        v[i] = at[i];
    }
    *out = v;
}

KERNEL_INLINE void kernel_store(float *at, const kernel_vec *v, size_t n)
{
    if (n == KERNEL_LANES) {
        *(kernel_vec_any *)at = *v;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        at[i] = (*v)[i];
    }
}

/* kernel_clear uses a loop, which becomes eight instructions; for an initialiser gcc emits a slow
 * rep stos. */
KERNEL_INLINE void kernel_clear(kernel_vec *acc)
{
    for (size_t i = 0; i < KERNEL_VECTORS; i++) {
        acc[i] = (kernel_vec){0};
    }
}

/* kernel_prefetch prefetches all cache lines of a row. */
KERNEL_INLINE void kernel_prefetch(const float *row, size_t vectors)
{
    enum { LINE_VECTORS = 64 / (KERNEL_LANES * sizeof(float)) };
    for (size_t i = 0; i < vectors; i += LINE_VECTORS) {
        __builtin_prefetch(row + i * KERNEL_LANES);
    }
}

/* kernel_gather sums value * in[col] over row r of `a`, for the columns of `in` (cols, dim) from j
 * on. Rows are short, so most prefetches are for the next rows. */
KERNEL_INLINE void kernel_gather(kernel_vec *acc, const csr *a, size_t r, const float *in,
                                 size_t dim, size_t vectors, size_t n)
{
    kernel_vec sum[KERNEL_VECTORS];
    kernel_clear(sum);
    for (size_t k = a->start[r], end = a->start[r + 1]; k < end; k++) {
        const float *x = in + (size_t)a->col[k] * dim;
        const float value = a->value[k];
        kernel_prefetch(in + (size_t)a->col[k + CSR_AHEAD] * dim, vectors);
        for (size_t i = 0; i < vectors; i++) {
            kernel_vec v;
            kernel_load(&v, x + i * KERNEL_LANES, n);
            sum[i] += value * v;
        }
    }
    for (size_t i = 0; i < vectors; i++) {
        acc[i] = sum[i];
    }
}

/* KERNEL_BLOCKS runs block(j, vectors, n, dim) over all columns of a row. j is the first column.
 * vectors and n are constants except in the short block at a row's end, and so is dim if it is the
 * usual 64. */
#define KERNEL_BLOCKS(width, block)                                                                \
    do {                                                                                           \
        if ((width) == KERNEL_COLUMNS) {                                                           \
            block(0, KERNEL_VECTORS, KERNEL_LANES, KERNEL_COLUMNS);                                \
            break;                                                                                 \
        }                                                                                          \
        size_t kernel_j = 0;                                                                       \
        for (; kernel_j + KERNEL_COLUMNS <= (width); kernel_j += KERNEL_COLUMNS) {                 \
            block(kernel_j, KERNEL_VECTORS, KERNEL_LANES, width);                                  \
        }                                                                                          \
        for (; kernel_j + KERNEL_LANES <= (width); kernel_j += KERNEL_LANES) {                     \
            block(kernel_j, 1, KERNEL_LANES, width);                                               \
        }                                                                                          \
        if (kernel_j < (width)) {                                                                  \
            block(kernel_j, 1, (width)-kernel_j, width);                                           \
        }                                                                                          \
    } while (0)

#endif
