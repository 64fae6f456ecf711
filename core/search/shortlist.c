/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/shortlist.h"

#include <math.h>
#include <string.h>

#include "core/common/kernel.h"

typedef int32_t lanes __attribute__((vector_size(4 * SHORTLIST_LANES)));
typedef int64_t halves __attribute__((vector_size(4 * SHORTLIST_LANES)));

void shortlist_init(shortlist *s, size_t k, float *scores, uint32_t *rows)
{
    *s = (shortlist){.scores = scores, .rows = rows, .k = k, .room = shortlist_room(k)};
}

/* count_from counts the numbers of at least `least`; positive floats order like their bits. */
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

/* kth_bits is the k-th largest of count >= k scores: the largest number that k of them reach. */
static int32_t kth_bits(const float *scores, size_t count, size_t k)
{
    int32_t low = 0, high = INT32_MAX;
    while (low < high) {
        int32_t middle = high - (high - low) / 2;
        if (count_from(scores, count, middle) >= k) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* cut leaves the k best in their order. Of equal scores the lower rows stay. No branch depends on a
 * score, since none could be predicted. */
static void cut(shortlist *s)
{
    int32_t bits = kth_bits(s->scores, s->count, s->k);
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

/* A rank in the sample four standard deviations behind that of the k-th best: a sample of rows that
 * lie in no order misses it once in 30,000 times. */
void shortlist_guess(shortlist *s, const float *sample, size_t count, size_t rows)
{
    double expected = (double)s->k * (double)count / (double)rows;
    double rank = ceil(expected + 4 * sqrt(expected) + 1);
    if (rank < (double)count / 2) {
        int32_t bits = kth_bits(sample, count, (size_t)rank);
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
    if (s->count + SHORTLIST_LANES > s->room) {
        cut(s);
    }
}

KERNEL_CLONES void shortlist_offer(shortlist *s, uint32_t first, const float *scores, size_t count)
{
    size_t i = 0;
    for (; i + SHORTLIST_LANES <= count; i += SHORTLIST_LANES) {
        kernel_vec here = *(const kernel_vec_any *)(scores + i);
        lanes more = here > (kernel_vec){0} + s->threshold;
        halves any = (halves)more;
        if ((any[0] | any[1] | any[2] | any[3]) != 0) {
            offer_some(s, first + (uint32_t)i, scores + i, SHORTLIST_LANES);
        }
    }
    offer_some(s, first + (uint32_t)i, scores + i, count - i);
}

size_t shortlist_finish(shortlist *s)
{
    if (s->count > s->k) {
        cut(s);
    }
    return s->count;
}
