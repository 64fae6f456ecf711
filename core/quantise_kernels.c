/*
 * Every kernel walks the blocks of a range in order, makes 16 integer products, compares them with
 * the block's floor and tells the sink where one reaches it. They agree bit for bit, since integer
 * sums are exact; only the last multiplication is in float, and it is the same one.
 */
#include "core/quantise_kernels.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

/* The query's groups that stay in registers; longer vectors read the rest from memory. */
enum { HELD = 16 };

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static inline __m512i
group_code(const int8_t *code, size_t group)
{
    int32_t four;
    memcpy(&four, code + group * QUANTISE_GROUP, sizeof four);
    return _mm512_set1_epi32(four);
}

/* 64 dimensions: the whole query stays in registers. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static inline __m512i
products_64(const uint8_t *at, const __m512i query[HELD], __m512i bias)
{
    __m512i even = bias, odd = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int g = 0; g < HELD; g += 2) {
        even = _mm512_dpbusd_epi32(even, _mm512_load_si512(at + g * 64), query[g]);
        odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(at + g * 64 + 64), query[g + 1]);
    }
    return _mm512_add_epi32(even, odd);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static inline __m512i
products_any(const uint8_t *at, const int8_t *code, size_t groups, __m512i bias)
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

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static inline unsigned
reaching_512(const codes *c, size_t block, __m512i products, float floor)
{
    __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(products),
                                 _mm512_load_ps(c->scale + block * QUANTISE_BLOCK));
    return _mm512_cmp_ps_mask(score, _mm512_set1_ps(floor), _CMP_GE_OQ);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) float
codes_scan_vnni(const codes *c, const codes_query *q, const codes_range *range, codes_sink sink,
                void *ctx)
{
    float floor = range->floor;
    __m512i bias = _mm512_set1_epi32(-q->bias);
    __m512i query[HELD];
    size_t stride = c->groups * 64;
    bool held = c->groups == HELD;
    for (size_t g = 0; held && g < HELD; g++) {
        query[g] = group_code(q->code, g);
    }
    for (size_t b = range->first; b < range->first + range->count; b++) {
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        const uint8_t *at = c->code + b * stride;
        __m512i products =
            held ? products_64(at, query, bias) : products_any(at, q->code, c->groups, bias);
        unsigned mask = reaching_512(c, b, products, codes_block_floor(c, q, b, floor));
        if (mask != 0) {
            floor = sink(ctx, b, mask);
        }
    }
    return floor;
}

/* AVX2 multiplies unsigned by signed bytes into 16 bits that saturate: |c| <= 127 on both sides
 * keeps a pair's sum below, so the row's sign moves over to the query. */
__attribute__((target("avx2,fma"))) static inline __m256i
half_products(const uint8_t *at, const int8_t *code, size_t groups)
{
    __m256i sum = _mm256_setzero_si256();
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i offset = _mm256_set1_epi8((char)0x80);
    for (size_t g = 0; g < groups; g++) {
        int32_t four;
        memcpy(&four, code + g * QUANTISE_GROUP, sizeof four);
        __m256i row = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(at + g * 64)), offset);
        __m256i query = _mm256_sign_epi8(_mm256_set1_epi32(four), row);
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(row), query);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    return sum;
}

__attribute__((target("avx2,fma"))) static inline unsigned
reaching_256(__m256i products, const float *scale, float floor)
{
    __m256 score = _mm256_mul_ps(_mm256_cvtepi32_ps(products), _mm256_load_ps(scale));
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(score, _mm256_set1_ps(floor), _CMP_GE_OQ));
}

__attribute__((target("avx2,fma"))) float codes_scan_avx2(const codes *c, const codes_query *q,
                                                          const codes_range *range, codes_sink sink,
                                                          void *ctx)
{
    float floor = range->floor;
    for (size_t b = range->first; b < range->first + range->count; b++) {
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        const uint8_t *at = c->code + b * c->groups * 64;
        const float *scale = c->scale + b * QUANTISE_BLOCK;
        float least = codes_block_floor(c, q, b, floor);
        unsigned low = reaching_256(half_products(at, q->code, c->groups), scale, least);
        unsigned high = reaching_256(half_products(at + 32, q->code, c->groups), scale + 8, least);
        if ((low | high) != 0) {
            floor = sink(ctx, b, low | high << 8);
        }
    }
    return floor;
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

float codes_scan_vnni(const codes *c, const codes_query *q, const codes_range *range,
                      codes_sink sink, void *ctx)
{
    return codes_scan_portable(c, q, range, sink, ctx);
}

float codes_scan_avx2(const codes *c, const codes_query *q, const codes_range *range,
                      codes_sink sink, void *ctx)
{
    return codes_scan_portable(c, q, range, sink, ctx);
}

bool codes_kernel_works(codes_kernel kernel)
{
    return kernel == CODES_PORTABLE;
}

#endif

float codes_scan_portable(const codes *c, const codes_query *q, const codes_range *range,
                          codes_sink sink, void *ctx)
{
    float floor = range->floor;
    for (size_t b = range->first; b < range->first + range->count; b++) {
        if (codes_block_skipped(range->skip, b)) {
            continue;
        }
        const uint8_t *at = c->code + b * c->groups * 64;
        float least = codes_block_floor(c, q, b, floor);
        unsigned mask = 0;
        for (unsigned r = 0; r < QUANTISE_BLOCK; r++) {
            int32_t sum = -q->bias;
            for (size_t j = 0; j < c->groups * QUANTISE_GROUP; j++) {
                sum += at[j / 4 * 64 + r * 4 + j % 4] * q->code[j];
            }
            mask |= (unsigned)((float)sum * c->scale[b * QUANTISE_BLOCK + r] >= least) << r;
        }
        if (mask != 0) {
            floor = sink(ctx, b, mask);
        }
    }
    return floor;
}
