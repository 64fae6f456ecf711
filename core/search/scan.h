/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: inner products of one query with many rows, at nearly the speed of memory.
 *
 * Every score is computed here: for the base, the delta, reranking and offline evaluation. A row's
 * score has the same bits whichever function computed it, wherever the row lies, and on every
 * machine. The sum has 16 lanes: lane j adds the dimensions j, j+16, ... in order; then the lanes
 * are added by halves. Products are not fused with additions. This costs nothing, because a scan
 * waits for memory.
 *
 * Pure functions of their arguments; thread-safe; nothing is allocated. Tables need no alignment.
 */
#ifndef CORE_SCAN_H
#define CORE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/search/topk.h"

/* scan_dot returns the inner product of two vectors. */
float scan_dot(const float *a /* (dim) */, const float *b /* (dim) */, size_t dim);

/* scan_rows writes the inner products of `q` with `rows` contiguous rows. */
void scan_rows(const float *x /* (rows, dim) */, size_t rows, size_t dim,
               const float *q /* (dim) */, float *scores /* (rows) */);

/* scan_list writes the inner products of `q` with the listed rows of x. */
void scan_list(const float *x /* (any, dim) */, const uint32_t *list /* (count) */, size_t count,
               const float *q /* (dim) */, size_t dim, float *scores /* (count) */);

/* Numbers that are added to the scores of rows, as two tables so that the caller need not multiply
 * and add them up itself. */
enum { SCAN_PARTS = 2 };
typedef struct scan_extra {
    /* (rows rounded up to whole blocks of 16) by row, not negative */
    const float *part[SCAN_PARTS];
    float factor[SCAN_PARTS]; /* not negative */
    float most;               /* an upper bound of what is added to any row */
} scan_extra;

/* scan_extra_at returns what is added to the score of a row. */
static inline float scan_extra_at(const scan_extra *x, size_t row)
{
    return x->factor[0] * x->part[0][row] + x->factor[1] * x->part[1][row];
}

/* A table to search. skip is a bitmap by row (bit row % 64 of word row / 64), where 1 means no
 * candidate, or NULL; bits from `rows` on are ignored. 64 skipped rows in one word cost one
 * comparison. */
typedef struct scan_table {
    const float *x; /* (rows, dim) row-major */
    size_t rows, dim;
    const uint64_t *skip;    /* (ceil(rows / 64)) or NULL */
    uint32_t first_row;      /* the number that topk_push receives for row 0 */
    const scan_extra *extra; /* added to the inner products, or NULL */
} scan_table;

/* scan_topk offers every candidate row to `best`, which may already contain hits. */
void scan_topk(const scan_table *table, const float *q /* (dim) */, topk *best);

/* scan_allowed counts the rows that a bitmap does not skip; NULL skips none. */
size_t scan_allowed(const uint64_t *skip, size_t rows);

#endif
