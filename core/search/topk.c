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

size_t topk_finish(topk *t)
{
    for (size_t left = t->count; left > 1; left--) {
        topk_hit worst = t->hits[0];
        t->hits[0] = t->hits[left - 1];
        sift_down(t->hits, left - 1, 0);
        t->hits[left - 1] = worst;
    }
    return t->count;
}
