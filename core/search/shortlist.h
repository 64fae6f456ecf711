/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shortlist: finds the k best of a long sequence of scores, without a heap.
 *
 * Scores arrive in runs of consecutive rows. Rows with a score above the threshold are collected.
 * When the buffer is full, the k-th best score is found by bisection over its bits, the rows below
 * it are dropped, and the threshold rises to it. A run without a score above the threshold costs
 * one comparison for every few rows. The result needs no sorting by row, because rows arrive in
 * ascending order.
 *
 * The order is that of core/search/topk.h: by the higher score, then by the lower row. Only scores
 * above 0 count. One thread at a time; nothing is allocated.
 */
#ifndef CORE_SHORTLIST_H
#define CORE_SHORTLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Elements that one store writes; some of them lie behind the last collected row. */
enum { SHORTLIST_SPARE = 16 };

typedef struct shortlist {
    float *scores;  /* (room) the caller's */
    uint32_t *rows; /* (room) the caller's, ascending */
    size_t k, room, count;
    float threshold; /* a later row must have a higher score */
    bool guessed;    /* k rows have not reached the threshold yet */
} shortlist;

/* shortlist_room returns how many elements both arrays need for a k. More room makes it faster. */
static inline size_t shortlist_room(size_t k)
{
    return (4 * k + SHORTLIST_SPARE - 1) / SHORTLIST_SPARE * SHORTLIST_SPARE + SHORTLIST_SPARE;
}

/* shortlist_init makes the list empty, with arrays of at least shortlist_room(k) elements; k >=
 * 1. */
void shortlist_init(shortlist *s, size_t k, float *scores, uint32_t *rows);

/* shortlist_guess sets the threshold of an empty list from the scores of a sample of rows, spread
 * evenly over all `rows`, so that only few more than k rows enter. After the last offer,
 * shortlist_failed tells whether the guess was too high; then start again without a guess. */
void shortlist_guess(shortlist *s, const float *sample /* (count) */, size_t count, size_t rows);
bool shortlist_failed(const shortlist *s);

/* shortlist_offer offers rows first .. first + count - 1, which come after all rows offered
 * before. */
void shortlist_offer(shortlist *s, uint32_t first, const float *scores /* (count) */, size_t count);

/* shortlist_offer_portable does the same on any processor; shortlist_offer uses AVX-512 if the
 * processor has it. */
void shortlist_offer_portable(shortlist *s, uint32_t first, const float *scores /* (count) */,
                              size_t count);

/* shortlist_finish leaves the k best in `rows` and `scores` and returns their number. */
size_t shortlist_finish(shortlist *s);

#endif
