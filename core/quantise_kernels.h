/*
 * quantise_kernels: the loops over codes, one per instruction set, and the layout they agree on.
 * Private to core/quantise.c.
 */
#ifndef CORE_QUANTISE_KERNELS_H
#define CORE_QUANTISE_KERNELS_H

#include "core/quantise.h"

/* Lane r of a block holds row r; pairs of norms are per block, empty places have scale NaN, which
 * no comparison passes. */
struct codes {
    size_t rows, dim, groups, blocks;
    uint8_t *code;   /* (blocks, groups, 16, 4), offset 128 */
    float *scale;    /* (blocks, 16) */
    float *residual; /* (blocks) largest |x - x^|, rounded up */
    float *norm;     /* (blocks) largest |x^|, rounded up */
    codes_kernel kernel;
};

/* codes_block_floor is what the integer product times the row's scale must reach in a block. */
static inline float codes_block_floor(const codes *c, const codes_query *q, size_t block,
                                      float floor)
{
    return floor * q->inverse - c->residual[block] * q->residual_weight -
           c->norm[block] * q->norm_weight;
}

/* codes_block_skipped says whether all 16 places of a block are skipped. */
static inline bool codes_block_skipped(const uint64_t *skip, size_t block)
{
    return skip != NULL && (skip[block / 4] >> (block % 4 * 16) & 0xFFFF) == 0xFFFF;
}

typedef float codes_scan_function(const codes *c, const codes_query *q, const codes_range *range,
                                  codes_sink sink, void *ctx);

codes_scan_function codes_scan_vnni, codes_scan_avx2, codes_scan_portable;

#endif
