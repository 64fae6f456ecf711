/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: the kernel is dot4, which scores four rows at once, because the dependent additions of one
 * row leave the arithmetic units idle, and because four sums fold with the same shuffles on every
 * instruction set. All functions inline this kernel, so the order of a row's additions is always
 * the same.
 *
 * The compiler must not reorder these additions or fuse them with the products, because it would do
 * so differently in each copy. in_order.h forbids it; the build allows both elsewhere.
 */
#include "core/common/in_order.h"

#include "core/search/scan.h"

#include <string.h>

#include "core/common/kernel.h"

enum { LANES = 16, HALF = LANES / 2, GROUP = 4, WORD = 64 };

typedef float v8 __attribute__((vector_size(32)));
typedef float v8u __attribute__((vector_size(32), aligned(4)));
typedef float v4 __attribute__((vector_size(16)));
typedef float v4u __attribute__((vector_size(16), aligned(4)));
typedef int v4i __attribute__((vector_size(16)));
typedef int64_t v2l __attribute__((vector_size(16)));

/* sum4 folds 16 lanes, eight in each vector, to four by halves, and then four rows of four lanes to
 * one score each. Vectors are passed by address, because the ABI for passing them by value depends
 * on the instruction set. */
KERNEL_INLINE void sum4(v8 acc[GROUP][2], v4 *scores)
{
    v4 s[GROUP];
    for (int r = 0; r < GROUP; r++) {
        v8 h = acc[r][0] + acc[r][1];
        s[r] =
            __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
    }
    v4 a = __builtin_shufflevector(s[0], s[1], 0, 1, 4, 5) +
           __builtin_shufflevector(s[0], s[1], 2, 3, 6, 7);
    v4 b = __builtin_shufflevector(s[2], s[3], 0, 1, 4, 5) +
           __builtin_shufflevector(s[2], s[3], 2, 3, 6, 7);
    *scores = __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

KERNEL_INLINE void dot4(const float *const x[GROUP], const float *q, size_t dim, v4 *scores)
{
    v8 acc[GROUP][2] = {{{0}}};
    size_t whole = dim / LANES * LANES;
    for (size_t j = 0; j < whole; j += LANES) {
        v8 low = *(const v8u *)(q + j), high = *(const v8u *)(q + j + HALF);
        for (int r = 0; r < GROUP; r++) {
            acc[r][0] += low * *(const v8u *)(x[r] + j);
            acc[r][1] += high * *(const v8u *)(x[r] + j + HALF);
        }
    }
    if (whole < dim) {
        v8 rest[2] = {{0}};
        memcpy(rest, q + whole, (dim - whole) * sizeof *q);
        for (int r = 0; r < GROUP; r++) {
            v8 row[2] = {{0}};
            memcpy(row, x[r] + whole, (dim - whole) * sizeof *q);
            acc[r][0] += rest[0] * row[0];
            acc[r][1] += rest[1] * row[1];
        }
    }
    sum4(acc, scores);
}

/* pick4 sets pointers to rows first .. first + 3, and to the last row for those beyond it. */
KERNEL_INLINE void pick4(const float *x, size_t first, size_t rows, size_t dim,
                         const float *out[GROUP])
{
    for (size_t r = 0; r < GROUP; r++) {
        size_t row = first + r < rows ? first + r : rows - 1;
        out[r] = x + row * dim;
    }
}

KERNEL_INLINE void store4(const v4 *scores, size_t count, float *out)
{
    if (count >= GROUP) {
        *(v4u *)out = *scores;
    } else {
        memcpy(out, scores, count * sizeof *out);
    }
}

KERNEL_INLINE void rows_body(const float *x, size_t rows, size_t dim, const float *q, float *scores)
{
    for (size_t i = 0; i < rows; i += GROUP) {
        const float *at[GROUP];
        v4 four;
        pick4(x, i, rows, dim, at);
        dot4(at, q, dim, &four);
        store4(&four, rows - i, scores + i);
    }
}

KERNEL_CLONES void scan_rows(const float *x, size_t rows, size_t dim, const float *q, float *scores)
{
    if (dim == 64) {
        rows_body(x, rows, 64, q, scores);
    } else {
        rows_body(x, rows, dim, q, scores);
    }
}

float scan_dot(const float *a, const float *b, size_t dim)
{
    float score = 0;
    scan_rows(a, 1, dim, b, &score);
    return score;
}

/* fetch_row prefetches a row. The rows of a list are not consecutive, so the processor cannot
 * predict the next one. */
KERNEL_INLINE void fetch_row(const float *row, size_t dim)
{
    for (size_t j = 0; j < dim; j += 64 / sizeof *row) {
        __builtin_prefetch(row + j);
    }
}

KERNEL_CLONES void scan_list(const float *x, const uint32_t *list, size_t count, const float *q,
                             size_t dim, float *scores)
{
    for (size_t i = 0; i < count; i += GROUP) {
        const float *at[GROUP];
        v4 four;
        for (size_t r = 0; r < GROUP; r++) {
            at[r] = x + list[i + r < count ? i + r : count - 1] * dim;
        }
        for (size_t next = i + GROUP; next < i + 2 * GROUP && next < count; next++) {
            fetch_row(x + list[next] * dim, dim);
        }
        dot4(at, q, dim, &four);
        store4(&four, count - i, scores + i);
    }
}

/* push4 offers those of four rows that can enter and are not skipped. */
KERNEL_INLINE void push4(const v4 *products, size_t row, uint64_t skip, const scan_table *t,
                         topk *best)
{
    float threshold = topk_threshold(best);
    v4 scores = *products;
    if (t->extra != NULL) {
        const scan_extra *extra = t->extra;
        scores += extra->factor[0] * *(const v4u *)(extra->part[0] + row) +
                  extra->factor[1] * *(const v4u *)(extra->part[1] + row);
    }
    v4i enters = scores >= (v4){threshold, threshold, threshold, threshold};
    v2l any = (v2l)enters;
    if ((any[0] | any[1]) == 0) {
        return;
    }
    for (size_t r = 0; r < GROUP && row + r < t->rows; r++) {
        if (enters[r] != 0 && (skip >> r & 1) == 0) {
            topk_push(best, t->first_row + (uint32_t)(row + r), scores[r]);
        }
    }
}

KERNEL_INLINE void topk_body(const scan_table *t, size_t dim, const float *q, topk *best)
{
    for (size_t word = 0; word < t->rows; word += WORD) {
        uint64_t skip = t->skip != NULL ? t->skip[word / WORD] : 0;
        if (skip == UINT64_MAX) {
            continue;
        }
        size_t end = word + WORD < t->rows ? word + WORD : t->rows;
        for (size_t i = word; i < end; i += GROUP, skip >>= GROUP) {
            if ((skip & 0xF) == 0xF) {
                continue;
            }
            const float *at[GROUP];
            v4 four;
            pick4(t->x, i, t->rows, dim, at);
            dot4(at, q, dim, &four);
            push4(&four, i, skip, t, best);
        }
    }
}

KERNEL_CLONES void scan_topk(const scan_table *table, const float *q, topk *best)
{
    if (best->k == 0) {
        return;
    }
    if (table->dim == 64) {
        topk_body(table, 64, q, best);
    } else {
        topk_body(table, table->dim, q, best);
    }
}

KERNEL_CLONES size_t scan_allowed(const uint64_t *skip, size_t rows)
{
    if (skip == NULL) {
        return rows;
    }
    size_t skipped = 0;
    for (size_t word = 0; word < rows / WORD; word++) {
        skipped += (size_t)__builtin_popcountll(skip[word]);
    }
    if (rows % WORD != 0) {
        uint64_t inside = (UINT64_C(1) << rows % WORD) - 1;
        skipped += (size_t)__builtin_popcountll(skip[rows / WORD] & inside);
    }
    return rows - skipped;
}
