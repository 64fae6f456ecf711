/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantise_kernels: every kernel processes the blocks of a range in order. It leaves out a block
 * whose rows cannot reach the threshold because their norms are too small. Otherwise it computes 16
 * integer products, scales them to estimates, and stops at a block where one reaches the threshold
 * within its margin. Integer sums are exact, so the kernels differ only in the rounding of the
 * margin.
 */
#include "core/common/in_order.h"

#include "core/search/quantise_kernels.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

/* How many groups of the query stay in registers. For longer vectors the rest is read from
 * memory. */
enum { HELD = 16 };

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define AVX2 __attribute__((target("avx2,fma")))

VNNI static inline __m512i group_code(const int8_t *code, size_t group)
{
    int32_t four;
    memcpy(&four, code + group * QUANTISE_GROUP, sizeof four);
    return _mm512_set1_epi32(four);
}

/* products_held keeps two sums, because each instruction waits for the previous one of its sum. */
VNNI static inline __m512i products_held(const uint8_t *at, const __m512i query[HELD], __m512i bias)
{
    __m512i even = bias, odd = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int g = 0; g < HELD; g += 2) {
        even = _mm512_dpbusd_epi32(even, _mm512_load_si512(at + g * 64), query[g]);
        odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(at + g * 64 + 64), query[g + 1]);
    }
    return _mm512_add_epi32(even, odd);
}

VNNI static inline __m512i products_any(const uint8_t *at, const int8_t *code, size_t groups,
                                        __m512i bias)
{
    __m512i even = bias, odd = _mm512_setzero_si512();
    size_t g = 0;
    for (; g + 1 < groups; g += 2) {
        even = _mm512_dpbusd_epi32(even, _mm512_load_si512(at + g * 64), group_code(code, g));
        odd =
            _mm512_dpbusd_epi32(odd, _mm512_load_si512(at + g * 64 + 64), group_code(code, g + 1));
    }
    if (g < groups) {
        even = _mm512_dpbusd_epi32(even, _mm512_load_si512(at + g * 64), group_code(code, g));
    }
    return _mm512_add_epi32(even, odd);
}

/* What is constant for all blocks of a range. */
typedef struct block_query {
    const codes *c;
    const codes_query *q;
    const scan_extra *extra;  /* extra of the range, or NULL */
    float factor[SCAN_PARTS]; /* of extra, in the query's units */
    float threshold, slack;
} block_query;

static inline block_query block_query_of(const codes *c, const codes_query *q,
                                         const codes_range *range)
{
    block_query of = {.c = c,
                      .q = q,
                      .extra = range->extra,
                      .threshold = range->threshold,
                      .slack = codes_slack(q, range)};
    for (size_t p = 0; range->extra != NULL && p < SCAN_PARTS; p++) {
        of.factor[p] = range->extra->factor[p] * q->inverse;
    }
    return of;
}

/* added_512 returns what the range adds to a block's places. */
VNNI static inline __m512 added_512(const block_query *of, size_t block)
{
    __m512 added = _mm512_setzero_ps();
    for (size_t p = 0; of->extra != NULL && p < SCAN_PARTS; p++) {
        __m512 extra = _mm512_loadu_ps(of->extra->part[p] + block * QUANTISE_BLOCK);
        added = _mm512_fmadd_ps(extra, _mm512_set1_ps(of->factor[p]), added);
    }
    return added;
}

/* reaches_512 tells whether a row of the block can reach the threshold, by its norm. */
VNNI static inline bool reaches_512(const block_query *of, size_t block, __m512 added)
{
    float least = of->threshold - (codes_reach(of->c, of->q, block) + of->slack);
    return _mm512_cmp_ps_mask(added, _mm512_set1_ps(least), _CMP_GE_OQ) != 0;
}

/* stop_at tells whether a block must be reported, and fills *found if so. */
VNNI static inline bool stop_at(const block_query *of, size_t block, __m512i products, __m512 added,
                                codes_found *found)
{
    __m512 scale = _mm512_load_ps(of->c->scale + block * QUANTISE_BLOCK);
    __m512 estimate = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scale, added);
    float margin = codes_margin(of->c, of->q, block, of->slack);
    __m512 least = _mm512_set1_ps(of->threshold - margin);
    unsigned mask = _mm512_cmp_ps_mask(estimate, least, _CMP_GE_OQ);
    if (mask == 0) {
        return false;
    }
    found->block = block;
    found->mask = mask;
    found->margin = margin;
    _mm512_store_ps(found->estimate, estimate);
    return true;
}

VNNI static bool seek_held(const codes *c, const codes_query *q, codes_range *range,
                           codes_found *found)
{
    const __m512i bias = _mm512_set1_epi32(-q->bias);
    const block_query of = block_query_of(c, q, range);
    const size_t end = range->first + range->count;
    const uint8_t *code = c->code;
    __m512i query[HELD];
#pragma GCC unroll 16
    for (size_t g = 0; g < HELD; g++) {
        query[g] = group_code(q->code, g);
    }
    for (size_t b = range->first; b < end; b++) {
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        __m512 added = added_512(&of, b);
        if (reaches_512(&of, b, added) &&
            stop_at(&of, b, products_held(code + b * HELD * 64, query, bias), added, found)) {
            range->first = b + 1;
            range->count = end - b - 1;
            return true;
        }
    }
    return false;
}

VNNI bool codes_seek_vnni(const codes *c, const codes_query *q, codes_range *range,
                          codes_found *found)
{
    if (c->groups == HELD) {
        return seek_held(c, q, range, found);
    }
    const __m512i bias = _mm512_set1_epi32(-q->bias);
    const block_query of = block_query_of(c, q, range);
    for (; range->count > 0; range->first++, range->count--) {
        size_t b = range->first;
        const uint8_t *at = c->code + b * c->groups * 64;
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        __m512 added = added_512(&of, b);
        if (reaches_512(&of, b, added) &&
            stop_at(&of, b, products_any(at, q->code, c->groups, bias), added, found)) {
            range->first++;
            range->count--;
            return true;
        }
    }
    return false;
}

/* The blocks and queries of a tile, whose sums are computed together. Four blocks by four queries
 * need half a load for each product. */
enum { TILE_BLOCKS = 4, TILE_QUERIES = 4 };

typedef struct tile {
    const uint8_t *at; /* codes of the first block */
    size_t apart;      /* bytes from one block to the next */
    size_t groups;
    const int8_t *code[TILE_QUERIES];
} tile;

/* add_tile computes the sums of a tile. Every caller passes constants for both numbers, so all
 * loops over them are unrolled and the sums stay in registers. */
VNNI static inline __attribute__((always_inline)) void add_tile(const tile *t, size_t queries,
                                                                size_t blocks, __m512i *sums)
{
    const uint8_t *at = t->at;
    const int8_t *code[TILE_QUERIES];
    __m512i sum[TILE_QUERIES][TILE_BLOCKS];
#pragma GCC unroll 4
    for (size_t q = 0; q < queries; q++) {
        code[q] = t->code[q];
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++) {
            sum[q][b] = _mm512_setzero_si512();
        }
    }
    for (size_t g = 0; g < t->groups; g++, at += 64) {
        __m512i rows[TILE_BLOCKS];
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++) {
            rows[b] = _mm512_load_si512(at + b * t->apart);
        }
#pragma GCC unroll 4
        for (size_t q = 0; q < queries; q++) {
            __m512i four = group_code(code[q], g);
#pragma GCC unroll 4
            for (size_t b = 0; b < blocks; b++) {
                sum[q][b] = _mm512_dpbusd_epi32(sum[q][b], rows[b], four);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < queries; q++) {
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++) {
            sums[q * blocks + b] = sum[q][b];
        }
    }
}

/* Each size has a function of its own, because gcc 12 would keep a sum in memory if all were
 * inlined into one caller. */
#define TILE(queries, blocks)                                                                      \
    VNNI __attribute__((noinline)) static void tile_##queries##_##blocks(const tile *t,            \
                                                                         __m512i *sums)            \
    {                                                                                              \
        add_tile(t, queries, blocks, sums);                                                        \
    }
TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(1, 4)
TILE(2, 4)
TILE(3, 4)
TILE(4, 4)

/* estimate_tile writes the estimates of up to TILE_QUERIES queries for one block or for TILE_BLOCKS
 * of them. */
VNNI static void estimate_tile(const codes *c, const codes_query *const *queries, size_t count,
                               codes_part part, float *const *out)
{
    static void (*const tiles[2][TILE_QUERIES])(const tile *, __m512i *) = {
        {tile_1_1, tile_2_1, tile_3_1, tile_4_1}, {tile_1_4, tile_2_4, tile_3_4, tile_4_4}};
    tile t = {c->code + part.first * c->groups * 64, part.step * c->groups * 64, c->groups, {0}};
    __m512i sums[TILE_QUERIES * TILE_BLOCKS];
    for (size_t q = 0; q < count; q++) {
        t.code[q] = queries[q]->code;
    }
    tiles[part.blocks == TILE_BLOCKS][count - 1](&t, sums);
    for (size_t q = 0; q < count; q++) {
        const __m512 unit = _mm512_set1_ps(1 / queries[q]->inverse);
        const __m512i bias = _mm512_set1_epi32(queries[q]->bias);
        for (size_t b = 0; b < part.blocks; b++) {
            __m512i products = _mm512_sub_epi32(sums[q * part.blocks + b], bias);
            __m512 scale = _mm512_load_ps(c->scale + (part.first + b * part.step) * QUANTISE_BLOCK);
            __m512 estimate = _mm512_mul_ps(_mm512_cvtepi32_ps(products), scale);
            _mm512_storeu_ps(out[q] + b * QUANTISE_BLOCK, _mm512_mul_ps(estimate, unit));
        }
    }
}

VNNI void codes_all_vnni(const codes *c, const codes_query *const *queries, size_t count,
                         codes_part part, float *out)
{
    for (size_t done = 0, some = 0; done < part.blocks; done += some) {
        some = part.blocks - done < TILE_BLOCKS ? 1 : TILE_BLOCKS;
        for (size_t first = 0; first < count; first += TILE_QUERIES) {
            size_t together = count - first < TILE_QUERIES ? count - first : TILE_QUERIES;
            float *to[TILE_QUERIES];
            for (size_t q = 0; q < together; q++) {
                to[q] = out + ((first + q) * part.blocks + done) * QUANTISE_BLOCK;
            }
            codes_part here = {part.first + done * part.step, some, part.step};
            estimate_tile(c, queries + first, together, here, to);
        }
    }
}

/* AVX2 multiplies unsigned by signed bytes, and adds pairs of products into 16 bits with
 * saturation. With |c| <= 127 on both sides, a pair's sum never saturates. So the query's sign is
 * applied to the row, and its magnitude is the unsigned side. A group's cache line is read once for
 * all 16 rows, eight in each sum. */
AVX2 static inline __m256i add_products(__m256i sum, const uint8_t *at, __m256i query, __m256i size)
{
    __m256i row = _mm256_sign_epi8(_mm256_load_si256((const __m256i *)at), query);
    __m256i pairs = _mm256_maddubs_epi16(size, row);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

typedef struct avx2_products {
    __m256i low, high; /* rows 0 to 7, 8 to 15 */
} avx2_products;

AVX2 static inline avx2_products products_256(const uint8_t *at, const int8_t *code, size_t groups)
{
    avx2_products sum = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) {
        int32_t four;
        memcpy(&four, code + g * QUANTISE_GROUP, sizeof four);
        __m256i query = _mm256_set1_epi32(four), size = _mm256_abs_epi8(query);
        sum.low = add_products(sum.low, at + g * 64, query, size);
        sum.high = add_products(sum.high, at + g * 64 + 32, query, size);
    }
    return sum;
}

AVX2 static inline __m256 estimate_256(__m256i products, const float *scale)
{
    return _mm256_mul_ps(_mm256_cvtepi32_ps(products), _mm256_load_ps(scale));
}

/* added_256 returns what the range adds to eight places. */
AVX2 static inline __m256 added_256(const block_query *of, size_t place)
{
    __m256 added = _mm256_setzero_ps();
    for (size_t p = 0; of->extra != NULL && p < SCAN_PARTS; p++) {
        __m256 extra = _mm256_loadu_ps(of->extra->part[p] + place);
        added = _mm256_fmadd_ps(extra, _mm256_set1_ps(of->factor[p]), added);
    }
    return added;
}

AVX2 static inline unsigned reach_256(__m256 estimate, __m256 threshold)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(estimate, threshold, _CMP_GE_OQ));
}

/* seek_256 is inlined with a constant for `groups` in the common case, so that its loop is
 * unrolled. */
AVX2 static inline __attribute__((always_inline)) bool seek_256(const codes *c,
                                                                const codes_query *q, size_t groups,
                                                                codes_range *range,
                                                                codes_found *found)
{
    const size_t end = range->first + range->count;
    const block_query of = block_query_of(c, q, range);
    for (size_t b = range->first; b < end; b++) {
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        __m256 low = added_256(&of, b * QUANTISE_BLOCK);
        __m256 high = added_256(&of, b * QUANTISE_BLOCK + 8);
        __m256 least = _mm256_set1_ps(of.threshold - (codes_reach(c, q, b) + of.slack));
        if ((reach_256(low, least) | reach_256(high, least)) == 0) {
            continue;
        }
        avx2_products sum = products_256(c->code + b * groups * 64, q->code, groups);
        const float *scale = c->scale + b * QUANTISE_BLOCK;
        low = _mm256_add_ps(estimate_256(sum.low, scale), low);
        high = _mm256_add_ps(estimate_256(sum.high, scale + 8), high);
        float margin = codes_margin(c, q, b, of.slack);
        __m256 threshold = _mm256_set1_ps(range->threshold - margin);
        unsigned mask = reach_256(low, threshold) | reach_256(high, threshold) << 8;
        if (mask != 0) {
            found->block = b;
            found->mask = mask;
            found->margin = margin;
            _mm256_store_ps(found->estimate, low);
            _mm256_store_ps(found->estimate + 8, high);
            range->first = b + 1;
            range->count = end - b - 1;
            return true;
        }
    }
    return false;
}

AVX2 bool codes_seek_avx2(const codes *c, const codes_query *q, codes_range *range,
                          codes_found *found)
{
    return c->groups == HELD ? seek_256(c, q, HELD, range, found)
                             : seek_256(c, q, c->groups, range, found);
}

AVX2 static void estimate_block(const codes *c, const codes_query *q, size_t block, float *out)
{
    const __m256 unit = _mm256_set1_ps(1 / q->inverse);
    avx2_products sum = products_256(c->code + block * c->groups * 64, q->code, c->groups);
    const float *scale = c->scale + block * QUANTISE_BLOCK;
    _mm256_storeu_ps(out, _mm256_mul_ps(estimate_256(sum.low, scale), unit));
    _mm256_storeu_ps(out + 8, _mm256_mul_ps(estimate_256(sum.high, scale + 8), unit));
}

AVX2 void codes_all_avx2(const codes *c, const codes_query *const *queries, size_t count,
                         codes_part part, float *out)
{
    for (size_t b = 0; b < part.blocks; b++) {
        for (size_t q = 0; q < count; q++) {
            estimate_block(c, queries[q], part.first + b * part.step,
                           out + (q * part.blocks + b) * QUANTISE_BLOCK);
        }
    }
}

bool codes_kernel_works(codes_kernel kernel)
{
    __builtin_cpu_init();
    switch (kernel) {
    case CODES_VNNI:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    case CODES_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    default: return kernel == CODES_PORTABLE;
    }
}

#else

bool codes_seek_vnni(const codes *c, const codes_query *q, codes_range *range, codes_found *found)
{
    return codes_seek_portable(c, q, range, found);
}

bool codes_seek_avx2(const codes *c, const codes_query *q, codes_range *range, codes_found *found)
{
    return codes_seek_portable(c, q, range, found);
}

void codes_all_vnni(const codes *c, const codes_query *const *queries, size_t count,
                    codes_part part, float *out)
{
    codes_all_portable(c, queries, count, part, out);
}

void codes_all_avx2(const codes *c, const codes_query *const *queries, size_t count,
                    codes_part part, float *out)
{
    codes_all_portable(c, queries, count, part, out);
}

bool codes_kernel_works(codes_kernel kernel)
{
    return kernel == CODES_PORTABLE;
}

#endif

/* row_product computes the integer product of one row of a block, without VNNI's offset. */
static int32_t row_product(const codes *c, const codes_query *q, size_t block, size_t lane)
{
    const uint8_t *at = c->code + block * c->groups * 64;
    int32_t sum = 0;
    for (size_t j = 0; j < c->groups * QUANTISE_GROUP; j++) {
        sum += (int8_t)at[j / 4 * 64 + lane * 4 + j % 4] * q->code[j];
    }
    return sum;
}

void codes_all_portable(const codes *c, const codes_query *const *queries, size_t count,
                        codes_part part, float *out)
{
    for (size_t q = 0; q < count; q++, out += part.blocks * QUANTISE_BLOCK) {
        const float unit = 1 / queries[q]->inverse;
        for (size_t i = 0; i < part.blocks * QUANTISE_BLOCK; i++) {
            size_t block = part.first + i / QUANTISE_BLOCK * part.step, lane = i % QUANTISE_BLOCK;
            float product = (float)row_product(c, queries[q], block, lane);
            out[i] = product * c->scale[block * QUANTISE_BLOCK + lane] * unit;
        }
    }
}

bool codes_seek_portable(const codes *c, const codes_query *q, codes_range *range,
                         codes_found *found)
{
    while (range->count > 0) {
        size_t b = range->first++;
        range->count--;
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        float slack = codes_slack(q, range), reach = codes_reach(c, q, b) + slack;
        *found = (codes_found){.block = b, .margin = codes_margin(c, q, b, slack)};
        for (unsigned r = 0; r < QUANTISE_BLOCK; r++) {
            size_t place = b * QUANTISE_BLOCK + r;
            float extra =
                range->extra != NULL ? scan_extra_at(range->extra, place) * q->inverse : 0;
            if (!(extra + reach >= range->threshold)) {
                found->estimate[r] = -INFINITY;
                continue;
            }
            found->estimate[r] = (float)row_product(c, q, b, r) * c->scale[place] + extra;
            found->mask |= (unsigned)(found->estimate[r] >= range->threshold - found->margin) << r;
        }
        if (found->mask != 0) {
            return true;
        }
    }
    return false;
}
