/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why an item is in the list.
 *
 * The score is split as core/serve/state/parts.h says; the content
 * affinity of an item that still leans on it is multimodal. At any balance the two parts carry
 * the factors that the score carries, so they sum to it. The reasons are the user's own items that
 * are nearest to the listed one, without those that the shop has hidden since.
 */
#include <math.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

/* Reasons are looked for among this many of a user's items. */
enum { REASONS_MAX = 2000 };

static void split_score(const view *v, float balance, const recommend_scratch *s,
                        recommend_hit *hit)
{
    const base *b = v->base;
    const float *h = view_vector(v, hit->row, VECTOR_H);
    double collaborative = 0, multimodal = 0;
    for (size_t j = 0; h != NULL && j < b->dim; j++) {
        collaborative += ((double)s->h[j] - (double)s->m[j]) * (double)h[j];
        multimodal += (double)s->m[j] * (double)h[j];
    }
    size_t slot = view_slot(v, hit->row);
    double affinity = slot != SIZE_MAX ? (double)content_affinity(v, s, hit->row, slot) : 0;
    hit->collaborative = (float)(2 * (1 - (double)balance) * collaborative);
    hit->multimodal = (float)(2 * (double)balance * multimodal + affinity);
}

static bool is_entered(const recommend_hit *hit, uint32_t item)
{
    for (size_t i = 0; i < hit->because_count; i++) {
        if (hit->because[i].item == item) {
            return true;
        }
    }
    return false;
}

/* enter keeps the reasons sorted, best first, and each item once: a session may repeat an item, or
 * one that the user has. A repeat is as near as the first, so it finds that one entered or no room.
 */
static void enter(recommend_hit *hit, recommend_because reason)
{
    if (is_entered(hit, reason.item)) {
        return;
    }
    size_t at = hit->because_count;
    while (at > 0 && hit->because[at - 1].similarity < reason.similarity) {
        at--;
    }
    if (at == RECOMMEND_BECAUSE_MAX) {
        return;
    }
    size_t last = hit->because_count < RECOMMEND_BECAUSE_MAX ? hit->because_count++
                                                             : RECOMMEND_BECAUSE_MAX - 1;
    for (; last > at; last--) {
        hit->because[last] = hit->because[last - 1];
    }
    hit->because[at] = reason;
}

static void find_reasons(const view *v, const recommend_scratch *s, recommend_hit *hit)
{
    size_t dim = v->base->dim;
    const float *h = view_vector(v, hit->row, VECTOR_H);
    float norm = h != NULL ? sqrtf(scan_dot(h, h, dim)) : 0;
    hit->because_count = 0;
    for (size_t i = 0; i < s->profile_count && i < REASONS_MAX && norm > 0; i++) {
        uint32_t item = s->profile[i].item;
        const float *own = view_bit(&v->listable, item) ? view_vector(v, item, VECTOR_H) : NULL;
        float length = own != NULL ? sqrtf(scan_dot(own, own, dim)) : 0;
        float similarity = length > 0 ? scan_dot(own, h, dim) / (length * norm) : 0;
        if (similarity > 0 && item != hit->row) {
            enter(hit, (recommend_because){item, fminf(similarity, 1)});
        }
    }
}

void explain_hits(const view *v, float balance, recommend_scratch *s, recommend_hit *hits,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        split_score(v, balance, s, &hits[i]);
        find_reasons(v, s, &hits[i]);
    }
}
