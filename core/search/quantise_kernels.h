/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantise_kernels: the loops over codes, one for each instruction set, and their common layout.
 * Private to core/search/quantise.c.
 */
#ifndef CORE_QUANTISE_KERNELS_H
#define CORE_QUANTISE_KERNELS_H

#include <float.h>

#include "core/search/quantise.h"

enum { QUANTISE_OFFSET = 128 }; /* VNNI multiplies unsigned codes of rows */

/* Lane r of a block holds row r. Norms are kept for each block. Empty places have scale NaN, which
 * fails every comparison. */
struct codes {
    size_t rows, dim, groups, blocks;
    uint8_t *code;   /* (blocks, groups, 16, 4) with an offset for VNNI, otherwise signed */
    float *scale;    /* (blocks, 16) */
    float *residual; /* (blocks) largest |x - x^|, rounded up */
    float *norm;     /* (blocks) largest |x^|, rounded up */
    codes_kernel kernel;
};

/* codes_margin returns how far the scores of a block's rows can be from their estimates. `slack` is
 * codes_slack of the range. */
static inline float codes_margin(const codes *c, const codes_query *q, size_t block, float slack)
{
    return c->residual[block] * q->residual_weight + (c->norm[block] * q->norm_weight + slack);
}

/* codes_slack returns what the addition of `extra` can lose by rounding: half a FLT_EPSILON for
 * each of two factors, three products and five sums, the threshold and the bounds made of them,
 * doubled. */
static inline float codes_slack(const codes_query *q, const codes_range *range)
{
    return range->extra != NULL ? 16 * FLT_EPSILON * range->extra->most * q->inverse : 0;
}

/* codes_reach returns an upper bound of the scores of a block's rows, without what is added to
 * them:
 * |<x,q>| <= |x| |q|. */
static inline float codes_reach(const codes *c, const codes_query *q, size_t block)
{
    return (c->norm[block] + c->residual[block]) * q->residual_weight;
}

/* codes_block_skipped tells whether all 16 places of a block are skipped. */
static inline bool codes_block_skipped(const uint64_t *skip, size_t block)
{
    return skip != NULL && (skip[block / 4] >> (block % 4 * 16) & 0xFFFF) == 0xFFFF;
}

/* A kernel finds the next block of the range in which some rows may reach its threshold. It returns
 * true, fills *found, and makes the range begin after it; at the range's end it returns false. It
 * calls no functions, so that the query stays in registers. */
typedef bool codes_seek(const codes *c, const codes_query *q, codes_range *range,
                        codes_found *found);

codes_seek codes_seek_vnni, codes_seek_avx2, codes_seek_portable;

/* The kernels of codes_estimate. */
typedef void codes_all(const codes *c, const codes_query *const *queries, size_t count,
                       codes_part part, float *out);

codes_all codes_all_vnni, codes_all_avx2, codes_all_portable;

#endif
