/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topk: the k best of a stream of scored rows, in the caller's memory.
 *
 * The higher score is better. Of equal scores the lower row is better, in whatever order the rows
 * come, so the same input always gives the same list. It is a heap with the worst kept hit on top:
 * a row that cannot enter costs one comparison, with topk_threshold.
 *
 * NaN never enters. One thread at a time per topk; nothing is allocated.
 */
#ifndef CORE_TOPK_H
#define CORE_TOPK_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct topk_hit {
    uint32_t row;
    float score;
} topk_hit;

typedef struct topk {
    topk_hit *hits; /* (k) the caller's memory; a heap until topk_finish */
    size_t k, count;
} topk;

/* topk_better tells whether `a` comes before `b` in a list. */
static inline bool topk_better(topk_hit a, topk_hit b)
{
    return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/* topk_init makes `t` empty. `hits` has room for `k` and must outlive it. k can be 0. */
void topk_init(topk *t, topk_hit *hits, size_t k);

/* topk_threshold returns the score below which no row can enter any more, -inf until there are k
 * hits. A row with exactly this score can still enter, by the rule for ties. */
static inline float topk_threshold(const topk *t)
{
    return t->count < t->k ? -INFINITY : (t->k > 0 ? t->hits[0].score : INFINITY);
}

/* topk_insert is topk_push without its quick test. */
void topk_insert(topk *t, uint32_t row, float score);

/* topk_push offers a row. The caller must not offer a row twice. */
static inline void topk_push(topk *t, uint32_t row, float score)
{
    if (score >= topk_threshold(t)) {
        topk_insert(t, row, score);
    }
}

/* topk_merge offers the hits of a finished list, best first. */
void topk_merge(topk *t, const topk_hit *list, size_t count);

/* topk_finish sorts the hits in place, best first, and returns their number. Afterwards only
 * topk_init may be called. */
size_t topk_finish(topk *t);

#endif
