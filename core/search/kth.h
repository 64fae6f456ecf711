/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kth: finds the k-th largest of a stream of numbers, in the caller's memory.
 *
 * After every block, a scan asks which value its list is sure to reach. Up to KTH_SORTED_MAX, the
 * numbers are kept sorted. A new number is inserted by one pass over all of them without a branch
 * that depends on the data; this took a third of the time of a heap, whose branches cannot be
 * predicted. For larger k it is a heap.
 *
 * One thread at a time per kth. Nothing is allocated. The caller must not push NaN.
 */
#ifndef CORE_KTH_H
#define CORE_KTH_H

#include <math.h>
#include <stddef.h>

enum { KTH_LANES = 8, KTH_SORTED_MAX = 256 };

typedef struct kth {
    float *memory;
    float *at; /* sorted: descending, at[-1] = inf, -inf after the last; heap: smallest on top */
    size_t k, count;
} kth;

/* kth_size returns how many floats kth_init needs for this k. */
static inline size_t kth_size(size_t k)
{
    return (k + KTH_LANES - 1) / KTH_LANES * KTH_LANES + 2 * KTH_LANES;
}

/* kth_init makes it empty. k >= 1. `memory` (kth_size(k)) must outlive it. */
void kth_init(kth *s, float *memory, size_t k);

/* kth_threshold returns the k-th largest number so far, -inf if there are fewer. */
static inline float kth_threshold(const kth *s)
{
    if (s->count < s->k) {
        return -INFINITY;
    }
    return s->k <= KTH_SORTED_MAX ? s->at[s->k - 1] : s->at[0];
}

/* kth_count returns how many numbers were pushed, at most k. */
static inline size_t kth_count(const kth *s)
{
    return s->count;
}

void kth_push(kth *s, float number);

#endif
