/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantise: 8-bit codes of a table, which rule most rows out without reading their floats.
 *
 * A row x is kept as x^ = scale * c, c whole numbers in [-127, 127]; a query q likewise as q^. By
 * Cauchy and Schwarz
 *
 *     |<x,q> - <x^,q^>|  <=  |x - x^| |q|  +  |x^| |q - q^|
 *
 * The two norms of the row are stored (the largest in each block of 16 rows), so the integer
 * product bounds the true product from both sides. The margin also covers the rounding of float
 * arithmetic, in the product of the codes and in core/search/scan.h. So it holds for *computed*
 * scores: a row whose upper bound is below the lower bounds of k others cannot be in a list of k,
 * ties included.
 *
 * Estimates, margins and thresholds are in units of the query's scale: a score times
 * codes_query.inverse.
 *
 * The codes are laid out so that no sum across a register is needed: in a block of 16 rows, the
 * same four dimensions of all rows are one cache line, and with VNNI one instruction computes four
 * products for each of the 16 rows.
 *
 * Immutable after codes_new: thread-safe. Rows of norm above QUANTISE_NORM_MAX are refused.
 */
#ifndef CORE_QUANTISE_H
#define CORE_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/types.h"

enum { QUANTISE_BLOCK = 16, QUANTISE_GROUP = 4 };

/* Keeps every product within what a float can hold. */
#define QUANTISE_NORM_MAX 1e18

typedef struct codes codes;

/* How a block is scored. The last one is portable and slower than scanning floats. */
typedef enum codes_kernel {
    CODES_VNNI = 0,
    CODES_AVX2,
    CODES_PORTABLE,
    CODES_KERNELS,
} codes_kernel;

/* codes_kernel_works says whether this machine can run the kernel; codes_kernel_best is the first
 * one that it can. */
bool codes_kernel_works(codes_kernel kernel);
codes_kernel codes_kernel_best(void);

/* Which rows to encode: order[i] is the row at place i, or ROW_NONE for a place left empty; NULL:
 * row i at place i. places is a multiple of QUANTISE_BLOCK if there is an order. */
typedef struct codes_layout {
    size_t rows, dim;
    const uint32_t *order; /* (places), borrowed by the codes for ever, or NULL */
    size_t places;         /* without an order: rows */
    codes_kernel kernel;
} codes_layout;

err_code codes_new(codes **out, const float *x /* (rows, dim) */, const codes_layout *layout,
                   err *e) ERR_CHECKED;
void codes_free(codes *c);

size_t codes_blocks(const codes *c);
size_t codes_bytes(const codes *c);

/* A query in codes; code has room for the dim rounded up to QUANTISE_GROUP. */
typedef struct codes_query {
    int8_t *code;
    int32_t bias;          /* what VNNI's offset of the codes adds to every product */
    float inverse;         /* 1 / scale */
    float residual_weight; /* of |x - x^|, in units of the scale */
    float norm_weight;     /* of |x^| */
} codes_query;

/* codes_query_make encodes q, whose norm is at most QUANTISE_NORM_MAX, into `into->code`. */
void codes_query_make(codes_query *into, const float *q /* (dim) */, size_t dim);

/* A block some of whose rows may reach the threshold: bit i of `mask` is place 16 block + i, whose
 * score is within estimate[i] +- margin. */
typedef struct codes_found {
    size_t block;
    unsigned mask;
    float margin;
    float estimate[QUANTISE_BLOCK] __attribute__((aligned(64)));
} codes_found;

/* Receives such a block; returns the threshold from now on, which may have risen. */
typedef float (*codes_sink)(void *ctx, const codes_found *found);

typedef struct codes_range {
    size_t first, count; /* blocks */
    const uint64_t
        *skip;       /* by place, as in core/search/scan.h; whole blocks are passed over; or NULL */
    float threshold; /* rows whose score is surely below are not reported */
    const float *extra; /* (16 of each block) by place, what is added to a product for the score, in
                           units of scores, at most extra_most in size; or NULL */
    float extra_most;
} codes_range;

/* codes_scan passes every block that may hold a row of at least the threshold to the sink, in
 * order. With `extra`, margins also cover the rounding of its addition, here and in the score;
 * extra_most * inverse must be far from the largest float. */
void codes_scan(const codes *c, const codes_query *q, const codes_range *range, codes_sink sink,
                void *ctx);

/* Blocks first, first + step, first + 2 step and so on. */
typedef struct codes_part {
    size_t first, blocks, step;
} codes_part;

/* codes_estimate writes, for each of `count` queries, the estimates of all places of some blocks,
 * in the query's own units: scores, each within its block's margin. Empty places are NaN. A block
 * is read once for several queries. The numbers are the same in every kernel, and whatever queries
 * are asked together. */
void codes_estimate(const codes *c, const codes_query *const *queries, size_t count,
                    codes_part part, float *out /* (count, blocks * QUANTISE_BLOCK) */);

#endif
