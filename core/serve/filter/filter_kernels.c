/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_kernels: compares 64 values with a range, once for each instruction set.
 *
 * AVX2 compares only signed words. Adding 2^63 to both sides of value - low <= width makes the
 * unsigned comparison a signed one; on the left side, the addition is part of the constant.
 */
#include "core/serve/filter/filter_kernels.h"

#ifdef __x86_64__
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))
#define AVX2   __attribute__((target("avx2")))
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* has_few tells whether a word has at most three bits. Then reading single rows is cheaper: three
 * values touch three cache lines instead of eight. */
ALWAYS_INLINE bool has_few(uint64_t word)
{
    word &= word - 1;
    word &= word - 1;
    return (word & (word - 1)) == 0;
}

ALWAYS_INLINE uint64_t keep_few(const filter_range *range, const uint64_t *values, uint64_t word)
{
    uint64_t kept = 0;
    for (; word != 0; word &= word - 1) {
        uint64_t value = values[__builtin_ctzll(word)];
        kept |= value - range->low <= range->width ? word & -word : 0;
    }
    return kept;
}

static void keep_portable(const filter_range *range, const uint64_t *values, uint64_t *words,
                          size_t count)
{
    const uint64_t low = range->low, width = range->width;
    for (size_t w = 0; w < count; w++, values += 64) {
        if (has_few(words[w])) {
            words[w] = keep_few(range, values, words[w]);
            continue;
        }
        uint64_t in = 0;
        for (size_t i = 0; i < 64; i++) {
            in |= (uint64_t)(values[i] - low <= width) << i;
        }
        words[w] &= in;
    }
}

#ifdef __x86_64__

AVX512 static void keep_avx512(const filter_range *range, const uint64_t *values, uint64_t *words,
                               size_t count)
{
    const __m512i low = _mm512_set1_epi64((long long)range->low);
    const __m512i width = _mm512_set1_epi64((long long)range->width);
    for (size_t w = 0; w < count; w++, values += 64) {
        if (has_few(words[w])) {
            words[w] = keep_few(range, values, words[w]);
            continue;
        }
        uint64_t in = 0;
        for (size_t i = 0; i < 64; i += 8) {
            __m512i beyond = _mm512_sub_epi64(_mm512_loadu_si512(values + i), low);
            in |= (uint64_t)_mm512_cmple_epu64_mask(beyond, width) << i;
        }
        words[w] &= in;
    }
}

AVX2 static void keep_avx2(const filter_range *range, const uint64_t *values, uint64_t *words,
                           size_t count)
{
    const uint64_t half = UINT64_C(1) << 63;
    const __m256i bias = _mm256_set1_epi64x((long long)(half - range->low));
    const __m256i most = _mm256_set1_epi64x((long long)(range->width ^ half));
    for (size_t w = 0; w < count; w++, values += 64) {
        if (has_few(words[w])) {
            words[w] = keep_few(range, values, words[w]);
            continue;
        }
        uint64_t out = 0;
        for (size_t i = 0; i < 64; i += 4) {
            __m256i value = _mm256_loadu_si256((const __m256i *)(values + i));
            __m256i beyond = _mm256_cmpgt_epi64(_mm256_add_epi64(value, bias), most);
            out |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(beyond)) << i;
        }
        words[w] &= ~out;
    }
}

filter_keep filter_kernel_get(filter_kernel kernel)
{
    __builtin_cpu_init();
    switch (kernel) {
    case FILTER_AVX512: return __builtin_cpu_supports("avx512f") ? keep_avx512 : NULL;
    case FILTER_AVX2: return __builtin_cpu_supports("avx2") ? keep_avx2 : NULL;
    default: return kernel == FILTER_PORTABLE ? keep_portable : NULL;
    }
}

#else

filter_keep filter_kernel_get(filter_kernel kernel)
{
    return kernel == FILTER_PORTABLE ? keep_portable : NULL;
}

#endif

filter_keep filter_kernel_best(void)
{
    filter_keep best = NULL;
    for (filter_kernel kernel = 0; best == NULL; kernel++) {
        best = filter_kernel_get(kernel);
    }
    return best;
}
