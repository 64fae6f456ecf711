/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/topk.h"

void topk_init(topk *t, topk_hit *hits, size_t k)
{
    *t = (topk){.hits = hits, .k = k};
}

/* sift_down moves the hit at `at` down until no child is worse. The heap has `count` hits, the
 * worst on top. */
static void sift_down(topk_hit *hits, size_t count, size_t at)
{
    topk_hit moving = hits[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && topk_better(hits[child], hits[child + 1])) {
            child++;
        }
        if (!topk_better(moving, hits[child])) {
            break;
        }
        hits[at] = hits[child];
        at = child;
    }
    hits[at] = moving;
}

void topk_insert(topk *t, uint32_t row, float score)
{
    topk_hit hit = {row, score};
    if (t->k == 0 || isnan(score)) {
        return;
    }
    if (t->count == t->k) {
        if (topk_better(hit, t->hits[0])) {
            t->hits[0] = hit;
            sift_down(t->hits, t->count, 0);
        }
        return;
    }
    size_t at = t->count++;
    while (at > 0 && topk_better(t->hits[(at - 1) / 2], hit)) {
        t->hits[at] = t->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->hits[at] = hit;
}

void topk_merge(topk *t, const topk_hit *list, size_t count)
{
    size_t i = 0;
    if (t->count == 0) {
        /* Worst first is a heap. */
        t->count = count < t->k ? count : t->k;
        for (; i < t->count; i++) {
            t->hits[t->count - 1 - i] = list[i];
        }
    }
    for (; i < count; i++) {
        topk_push(t, list[i].row, list[i].score);
    }
}

static bool is_sorted(const topk *t)
{
    for (size_t i = 1; i < t->count; i++) {
        if (topk_better(t->hits[i - 1], t->hits[i])) {
            return false;
        }
    }
    return true;
}

static void reverse(topk_hit *hits, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        topk_hit kept = hits[i];
        hits[i] = hits[count - 1 - i];
        hits[count - 1 - i] = kept;
    }
}

size_t topk_finish(topk *t)
{
    /* The heap of one merged list still is that list. */
    if (is_sorted(t)) {
        reverse(t->hits, t->count);
        return t->count;
    }
    for (size_t left = t->count; left > 1; left--) {
        topk_hit worst = t->hits[0];
        t->hits[0] = t->hits[left - 1];
        sift_down(t->hits, left - 1, 0);
        t->hits[left - 1] = worst;
    }
    return t->count;
}
