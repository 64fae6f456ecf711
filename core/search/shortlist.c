/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/shortlist.h"

#include <math.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/common/kernel.h"

typedef int32_t lanes __attribute__((vector_size(4 * KERNEL_LANES)));
typedef int64_t halves __attribute__((vector_size(4 * KERNEL_LANES)));

void shortlist_init(shortlist *s, size_t k, float *scores, uint32_t *rows)
{
    *s = (shortlist){.scores = scores, .rows = rows, .k = k, .room = shortlist_room(k)};
}

/* count_from counts the numbers of at least `least`. Positive floats have the order of their
 * bits. */
KERNEL_CLONES static size_t count_from(const float *scores, size_t count, int32_t least)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &scores[i], sizeof bits);
        found += bits >= least;
    }
    return found;
}

KERNEL_CLONES static int32_t largest_bits(const float *scores, size_t count)
{
    int32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &scores[i], sizeof bits);
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

/* kth_bits returns, as bits, a threshold for the k best scores: one that exactly k scores reach or,
 * if ties prevent that, the largest one that at least k reach. It bisects between `low`, which k
 * scores reach, and the largest score. */
static int32_t kth_bits(const float *scores, size_t count, size_t k, int32_t low)
{
    int32_t high = largest_bits(scores, count);
    while (low < high) {
        int32_t middle = high - (high - low) / 2;
        size_t reach = count_from(scores, count, middle);
        if (reach == k) {
            return middle;
        }
        if (reach > k) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* cut keeps the k best in their order. Of equal scores the lower rows stay. No branch depends on a
 * score, because none could be predicted. */
static void cut(shortlist *s)
{
    int32_t low;
    memcpy(&low, &s->threshold, sizeof low); /* all remaining scores exceed it */
    int32_t bits = kth_bits(s->scores, s->count, s->k, low);
    size_t equal = s->k - count_from(s->scores, s->count, bits + 1), kept = 0;
    float least;
    memcpy(&least, &bits, sizeof least);
    for (size_t i = 0; i < s->count; i++) {
        float score = s->scores[i];
        size_t more = score > least, same = (score == least) & (equal > 0);
        s->scores[kept] = score;
        s->rows[kept] = s->rows[i];
        kept += more | same;
        equal -= same;
    }
    s->count = kept;
    s->threshold = least;
    s->guessed = false;
}

/* shortlist_guess takes the score at a rank in the sample four standard deviations beyond that of
 * the k-th best. For rows in random order it is too high once in 30,000 times. */
void shortlist_guess(shortlist *s, const float *sample, size_t count, size_t rows)
{
    double expected = (double)s->k * (double)count / (double)rows;
    double rank = ceil(expected + 4 * sqrt(expected) + 1);
    if (rank < (double)count / 2) {
        int32_t bits = kth_bits(sample, count, (size_t)rank, 0);
        memcpy(&s->threshold, &bits, sizeof bits);
        s->guessed = s->threshold > 0;
    }
}

bool shortlist_failed(const shortlist *s)
{
    return s->guessed && s->count < s->k;
}

static void offer_some(shortlist *s, uint32_t first, const float *scores, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        s->scores[s->count] = scores[i];
        s->rows[s->count] = first + (uint32_t)i;
        s->count += scores[i] > s->threshold;
    }
    if (s->count + SHORTLIST_SPARE > s->room) {
        cut(s);
    }
}

KERNEL_CLONES void shortlist_offer_portable(shortlist *s, uint32_t first, const float *scores,
                                            size_t count)
{
    size_t i = 0;
    for (; i + KERNEL_LANES <= count; i += KERNEL_LANES) {
        kernel_vec here = *(const kernel_vec_any *)(scores + i);
        lanes more = here > (kernel_vec){0} + s->threshold;
        halves any = (halves)more;
        if ((any[0] | any[1] | any[2] | any[3]) != 0) {
            offer_some(s, first + (uint32_t)i, scores + i, KERNEL_LANES);
        }
    }
    offer_some(s, first + (uint32_t)i, scores + i, count - i);
}

#ifdef __x86_64__

/* offer_packed has no branch for each row: an AVX-512 instruction packs the rows that enter. */
__attribute__((target("avx512f"))) static void offer_packed(shortlist *s, uint32_t first,
                                                            const float *scores, size_t count)
{
    const __m512i step = _mm512_set1_epi32(SHORTLIST_SPARE);
    __m512i rows = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    rows = _mm512_add_epi32(rows, _mm512_set1_epi32((int)first));
    __m512 least = _mm512_set1_ps(s->threshold);
    size_t noted = s->count;
    for (size_t i = 0; i < count; i += SHORTLIST_SPARE) {
        size_t left = count - i;
        __mmask16 there = (__mmask16)(left < SHORTLIST_SPARE ? (1U << left) - 1 : 0xFFFFU);
        __m512 here = _mm512_maskz_loadu_ps(there, scores + i);
        __mmask16 more = _mm512_mask_cmp_ps_mask(there, here, least, _CMP_GT_OQ);
        _mm512_storeu_ps(s->scores + noted, _mm512_maskz_compress_ps(more, here));
        _mm512_storeu_si512(s->rows + noted, _mm512_maskz_compress_epi32(more, rows));
        noted += (size_t)__builtin_popcount(more);
        rows = _mm512_add_epi32(rows, step);
        if (noted + SHORTLIST_SPARE > s->room) {
            s->count = noted;
            cut(s);
            noted = s->count;
            least = _mm512_set1_ps(s->threshold);
        }
    }
    s->count = noted;
}

void shortlist_offer(shortlist *s, uint32_t first, const float *scores, size_t count)
{
    if (__builtin_cpu_supports("avx512f")) {
        offer_packed(s, first, scores, count);
    } else {
        shortlist_offer_portable(s, first, scores, count);
    }
}

#else

void shortlist_offer(shortlist *s, uint32_t first, const float *scores, size_t count)
{
    shortlist_offer_portable(s, first, scores, count);
}

#endif

size_t shortlist_finish(shortlist *s)
{
    if (s->count > s->k) {
        cut(s);
    }
    return s->count;
}
