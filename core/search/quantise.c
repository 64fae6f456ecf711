/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/quantise.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/search/quantise_kernels.h"

enum { LEVELS = 127 };

/* With a smaller largest value, the scale would be denormal or 0: such a row is encoded as zeros,
 * and all of it is residual. */
#define VALUE_MIN 1e-30F

codes_kernel codes_kernel_best(void)
{
    codes_kernel kernel = CODES_VNNI;
    while (!codes_kernel_works(kernel)) {
        kernel++;
    }
    return kernel;
}

/* scale_of returns the step at which the largest value becomes LEVELS, or 0 for a vector of
 * zeros. */
static float scale_of(const float *x, size_t dim)
{
    float largest = 0;
    for (size_t j = 0; j < dim; j++) {
        float size = fabsf(x[j]);
        largest = size > largest ? size : largest;
    }
    return largest > VALUE_MIN ? largest / (float)LEVELS : 0;
}

static int level_of(float value, float inverse)
{
    float level = rintf(value * inverse);
    return (int)fminf(fmaxf(level, -LEVELS), LEVELS);
}

/* round_up returns a float that is certainly not below `value`, although `value` has a few rounding
 * errors. */
static float round_up(double value)
{
    return value > 0 ? (float)(value * (1 + 1e-6)) : 0;
}

/* encode_row writes the code of one place and raises the block's norms to include it. */
static err_code encode_row(codes *c, const float *x, size_t row, size_t place, err *e)
{
    size_t block = place / QUANTISE_BLOCK, lane = place % QUANTISE_BLOCK;
    float scale = scale_of(x, c->dim);
    float inverse = scale > 0 ? 1 / scale : 0;
    uint8_t *at = c->code + block * c->groups * 64 + lane * QUANTISE_GROUP;
    int offset = c->kernel == CODES_VNNI ? QUANTISE_OFFSET : 0;
    double residual = 0, norm = 0, whole = 0;
    for (size_t j = 0; j < c->dim; j++) {
        int level = level_of(x[j], inverse);
        double kept = (double)level * (double)scale, lost = (double)x[j] - kept;
        at[j / 4 * 64 + j % 4] = (uint8_t)(level + offset);
        residual += lost * lost;
        norm += kept * kept;
        whole += (double)x[j] * (double)x[j];
    }
    if (!(whole <= QUANTISE_NORM_MAX * QUANTISE_NORM_MAX)) { /* also refuses NaN */
        return err_set(e, ERR_INVALID, "row %zu: expected finite numbers of norm up to %g", row,
                       QUANTISE_NORM_MAX);
    }
    c->scale[place] = scale;
    c->residual[block] = fmaxf(c->residual[block], round_up(sqrt(residual)));
    c->norm[block] = fmaxf(c->norm[block], round_up(sqrt(norm)));
    return ERR_OK;
}

static err_code encode(codes *c, const float *x, const codes_layout *layout, err *e)
{
    for (size_t place = 0; place < c->blocks * QUANTISE_BLOCK; place++) {
        uint32_t row = ROW_NONE;
        if (place < layout->places) {
            row = layout->order != NULL ? layout->order[place] : (uint32_t)place;
        }
        if (row == ROW_NONE) {
            c->scale[place] = NAN;
            continue;
        }
        err_code code = encode_row(c, x + row * c->dim, row, place, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}

err_code codes_new(codes **out, const float *x, const codes_layout *layout, err *e)
{
    *out = NULL;
    codes *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "the index's codes");
    }
    c->rows = layout->rows;
    c->dim = layout->dim;
    c->groups = (layout->dim + QUANTISE_GROUP - 1) / QUANTISE_GROUP;
    c->blocks = (layout->places + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK;
    c->kernel = layout->kernel;
    c->code = mem_table(c->blocks, c->groups * 64);
    c->scale = mem_table(c->blocks * QUANTISE_BLOCK, sizeof *c->scale);
    c->residual = mem_array(c->blocks, sizeof *c->residual);
    c->norm = mem_array(c->blocks, sizeof *c->norm);
    err_code code = ERR_OK;
    if (c->code == NULL || c->scale == NULL || c->residual == NULL || c->norm == NULL) {
        code = err_nomem(e, "the index's codes");
    } else {
        code = encode(c, x, layout, e);
    }
    if (code != ERR_OK) {
        codes_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void codes_free(codes *c)
{
    if (c != NULL) {
        mem_free(c->code);
        mem_free(c->scale);
        mem_free(c->residual);
        mem_free(c->norm);
        mem_free(c);
    }
}

size_t codes_blocks(const codes *c)
{
    return c->blocks;
}

size_t codes_bytes(const codes *c)
{
    return sizeof *c + c->blocks * (c->groups * 64 + QUANTISE_BLOCK * sizeof *c->scale +
                                    sizeof *c->residual + sizeof *c->norm);
}

KERNEL_CLONES void codes_query_make(codes_query *into, const float *q, size_t dim)
{
    size_t width = (dim + QUANTISE_GROUP - 1) / QUANTISE_GROUP * QUANTISE_GROUP;
    float scale = scale_of(q, dim);
    float inverse = scale > 0 ? 1 / scale : 0;
    double residual = 0, norm = 0;
    int32_t sum = 0;
    memset(into->code, 0, width);
    for (size_t j = 0; j < dim; j++) {
        int level = level_of(q[j], inverse);
        double lost = (double)q[j] - (double)level * (double)scale;
        into->code[j] = (int8_t)level;
        sum += level;
        residual += lost * lost;
        norm += (double)q[j] * (double)q[j];
    }
    /* For a query of tiny values, the unit is 1. */
    double unit = scale > 0 ? (double)scale : 1;
    /* What float arithmetic can lose, as a share of |x| |q|: in the sum of dim products in
     * core/search/scan.h, and in the few roundings here. FLT_EPSILON is twice the largest error of
     * one rounding. */
    double slack = (double)(dim + 64) * (double)FLT_EPSILON;
    into->bias = sum * QUANTISE_OFFSET;
    into->inverse = (float)(1 / unit);
    into->residual_weight = round_up(sqrt(norm) * (1 + slack) / unit);
    into->norm_weight = round_up((sqrt(residual) + slack * sqrt(norm)) / unit);
}

void codes_scan(const codes *c, const codes_query *q, const codes_range *range, codes_sink sink,
                void *ctx)
{
    codes_seek *const seeks[CODES_KERNELS] = {codes_seek_vnni, codes_seek_avx2,
                                              codes_seek_portable};
    codes_range left = *range;
    codes_found found;
    while (seeks[c->kernel](c, q, &left, &found)) {
        left.threshold = sink(ctx, &found);
    }
}

void codes_estimate(const codes *c, const codes_query *const *queries, size_t count,
                    codes_part part, float *out)
{
    codes_all *const all[CODES_KERNELS] = {codes_all_vnni, codes_all_avx2, codes_all_portable};
    all[c->kernel](c, queries, count, part, out);
}
