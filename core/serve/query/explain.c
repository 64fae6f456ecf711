/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why an item is in the list.
 *
 * The inner product is divided into two parts as core/serve/state/parts.h says. Links between items
 * that the same users took count as collaborative, links by content as multimodal. At any balance,
 * the two parts carry the same factors as the score, including a new item's lift, so they sum to
 * the score.
 *
 * The reasons are the user's own items whose links led to the listed item, each with its share of
 * what links add to the score. If there is no such link, they are the user's nearest items by
 * cosine of H. Items that are hidden now are never reasons.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

static void divide_score(const view *v, float balance, const recommend_scratch *s,
                         recommend_hit *hit)
{
    const base *b = v->base;
    const float *h = view_vector(v, hit->row, VECTOR_H);
    double collaborative = 0, multimodal = 0;
    for (size_t j = 0; h != NULL && j < b->dim; j++) {
        collaborative += ((double)s->h[j] - (double)s->m[j]) * (double)h[j];
        multimodal += (double)s->m[j] * (double)h[j];
    }
    double together = (double)linked_part(s, LINKS_COLLABORATIVE, hit->row);
    double alike = (double)linked_part(s, LINKS_CONTENT, hit->row);
    together += 2 * (1 - (double)balance) * collaborative;
    alike += 2 * (double)balance * multimodal;
    double lift = (double)linked_lift(v, s, hit->row, (float)(together + alike));
    hit->collaborative = (float)(lift * together);
    hit->multimodal = (float)(lift * alike);
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

/* enter keeps the reasons sorted, best first, each item once. A session may repeat an item, or
 * contain one that the user has. A repeat has the same similarity as the first, so either that one
 * is already entered or there is no room. */
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

/* gather_own copies the rows of the items that may be reasons side by side, once for all hits. */
static err_code gather_own(const view *v, recommend_scratch *s, size_t *count, err *e)
{
    size_t dim = v->base->dim;
    size_t items = s->profile_count < REASONS_MAX ? s->profile_count : REASONS_MAX;
    *count = 0;
    err_code code = scratch_unit(s, items * dim, e);
    for (size_t i = 0; i < items && code == ERR_OK; i++) {
        uint32_t item = s->profile[i].item;
        const float *own = view_bit(&v->listable, item) ? view_vector(v, item, VECTOR_H) : NULL;
        float length = own != NULL ? sqrtf(scan_dot(own, own, dim)) : 0;
        if (length > 0) {
            memcpy(s->unit + *count * dim, own, dim * sizeof *own);
            s->own[(*count)++] = (profile_own){item, length};
        }
    }
    return code;
}

/* find_links enters the items whose links led to this hit. */
static void find_links(const view *v, const recommend_scratch *s, recommend_hit *hit)
{
    float whole =
        linked_part(s, LINKS_COLLABORATIVE, hit->row) + linked_part(s, LINKS_CONTENT, hit->row);
    hit->because_count = 0;
    for (size_t i = 0; i < s->owned_count && whole > 0; i++) {
        uint32_t item = s->owned[i].item;
        float share = linked_from(v, s, &s->owned[i], hit->row) / whole;
        if (share > 0 && view_bit(&v->listable, item) && item != hit->row) {
            enter(hit, (recommend_because){item, fminf(share, 1)});
        }
    }
}

static void find_nearest(const view *v, const recommend_scratch *s, size_t own, recommend_hit *hit)
{
    size_t dim = v->base->dim;
    const float *h = view_vector(v, hit->row, VECTOR_H);
    float norm = h != NULL ? sqrtf(scan_dot(h, h, dim)) : 0;
    if (!(norm > 0)) {
        return;
    }
    scan_rows(s->unit, own, dim, h, s->scores);
    for (size_t i = 0; i < own; i++) {
        float similarity = s->scores[i] / (s->own[i].length * norm);
        if (similarity > 0 && s->own[i].item != hit->row) {
            enter(hit, (recommend_because){s->own[i].item, fminf(similarity, 1)});
        }
    }
}

err_code explain_hits(const view *v, float balance, recommend_scratch *s, recommend_hit *hits,
                      size_t count, err *e)
{
    size_t own = 0;
    err_code code = gather_own(v, s, &own, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        divide_score(v, balance, s, &hits[i]);
        find_links(v, s, &hits[i]);
        if (hits[i].because_count == 0) {
            find_nearest(v, s, own, &hits[i]);
        }
    }
    return code;
}
