/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantise: 8-bit codes of a table, which exclude most rows without reading their floats.
 *
 * A row x is approximated by x^ = scale * c, where c are whole numbers in [-127, 127], and a query
 * q likewise by q^. By Cauchy and Schwarz
 *
 *     |<x,q> - <x^,q^>|  <=  |x - x^| |q|  +  |x^| |q - q^|
 *
 * The two norms of the rows are stored (the largest in each block of 16 rows), so the integer
 * product bounds the true product from both sides. The margin also covers the rounding of float
 * arithmetic, in the product of the codes and in core/search/scan.h. So it holds for *computed*
 * scores: a row whose upper bound is below the lower bounds of k others cannot be in a list of k,
 * ties included.
 *
 * Estimates, margins and thresholds are in units of the query's scale: a score times
 * codes_query.inverse.
 *
 * The layout of the codes avoids sums across a register: in a block of 16 rows, the same four
 * dimensions of all rows are one cache line, and with VNNI one instruction computes four products
 * for each of the 16 rows.
 *
 * Immutable after codes_new, so thread-safe. Rows with a norm above QUANTISE_NORM_MAX are refused.
 */
#ifndef CORE_QUANTISE_H
#define CORE_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/types.h"
#include "core/search/scan.h"

enum { QUANTISE_BLOCK = 16, QUANTISE_GROUP = 4 };

/* Keeps every product within the range of floats. */
#define QUANTISE_NORM_MAX 1e18

typedef struct codes codes;

/* How a block is scored. The last kernel is portable, and slower than scanning floats. */
typedef enum codes_kernel {
    CODES_VNNI = 0,
    CODES_AVX2,
    CODES_PORTABLE,
    CODES_KERNELS,
} codes_kernel;

/* codes_kernel_works tells whether this machine can run the kernel. codes_kernel_best returns the
 * first one that it can run. */
bool codes_kernel_works(codes_kernel kernel);
codes_kernel codes_kernel_best(void);

/* Which rows to encode. order[i] is the row at place i, or ROW_NONE for an empty place. NULL: row i
 * is at place i. With an order, places is a multiple of QUANTISE_BLOCK. */
typedef struct codes_layout {
    size_t rows, dim;
    const uint32_t *order; /* (places) must outlive the codes; or NULL */
    size_t places;         /* the number of rows if there is no order */
    codes_kernel kernel;
} codes_layout;

err_code codes_new(codes **out, const float *x /* (rows, dim) */, const codes_layout *layout,
                   err *e) ERR_CHECKED;
void codes_free(codes *c);

size_t codes_blocks(const codes *c);
size_t codes_bytes(const codes *c);

/* A query in codes. `code` has room for the dim rounded up to a multiple of QUANTISE_GROUP. */
typedef struct codes_query {
    int8_t *code;
    int32_t bias;          /* what VNNI's offset of the codes adds to every product */
    float inverse;         /* 1 / scale */
    float residual_weight; /* weight of |x - x^|, in units of the scale */
    float norm_weight;     /* weight of |x^| */
} codes_query;

/* codes_query_make encodes q, whose norm is at most QUANTISE_NORM_MAX, into `into->code`. */
void codes_query_make(codes_query *into, const float *q /* (dim) */, size_t dim);

/* A block in which some rows may reach the threshold. Bit i of `mask` is place 16 block + i, whose
 * score is within estimate[i] +- margin. */
typedef struct codes_found {
    size_t block;
    unsigned mask;
    float margin;
    float estimate[QUANTISE_BLOCK] __attribute__((aligned(64)));
} codes_found;

/* Receives such a block, and returns the new threshold, which may be higher. */
typedef float (*codes_sink)(void *ctx, const codes_found *found);

typedef struct codes_range {
    size_t first, count; /* the first block, and the number of blocks */
    /* by place, as in core/search/scan.h; blocks that are skipped whole are not read; or NULL */
    const uint64_t *skip;
    float threshold;         /* rows whose score is certainly lower are not reported */
    const scan_extra *extra; /* added to the product of each place, in units of scores; or NULL */
} codes_range;

/* codes_scan passes every block that may contain a row of at least the threshold to the sink, in
 * order. With `extra`, margins also cover the rounding of its addition, here and in the score.
 * extra->most * inverse must be far below the largest float. */
void codes_scan(const codes *c, const codes_query *q, const codes_range *range, codes_sink sink,
                void *ctx);

/* The blocks first, first + step, first + 2 step and so on. */
typedef struct codes_part {
    size_t first, blocks, step;
} codes_part;

/* codes_estimate writes, for each of `count` queries, the estimated scores of all places of some
 * blocks, in the query's own units. Each is within its block's margin of the exact score. Empty
 * places are NaN. Each block is read once for several queries. The results are the same in every
 * kernel, and do not depend on which queries are computed together. */
void codes_estimate(const codes *c, const codes_query *const *queries, size_t count,
                    codes_part part, float *out /* (count, blocks * QUANTISE_BLOCK) */);

#endif
