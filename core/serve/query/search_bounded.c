/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search_bounded: finds the best items by inner product plus links, with an index that knows inner
 * products alone.
 *
 * Links only add to a score. The items with the strongest links are scored first. Any other item
 * has weaker links, so to enter the list it needs an inner product of at least a threshold. The
 * index is asked for the best k items of at least this threshold. A linked item that the index did
 * not return has an inner product of at most a known bound; it is scored only if that bound plus
 * its links reaches the list as it stands.
 *
 * This is complete as far as the index is: an item without links that belongs to the best k has at
 * most k - 1 items ahead of it by inner product, so the index returns it or it was scored first.
 */
#include "core/serve/query/search.h"

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/search/scan.h"
#include "core/serve/query/reach.h"

enum {
    BLOCK = 64, /* rows that are scored at once */
    BUCKETS = 64,
    SAMPLED = 8,     /* one in so many candidates tells how strong the leading ones are */
    LEAD_PLACES = 2, /* leading items for each place of the list, and LEAD_MORE */
    LEAD_MORE = 20,
    STRETCH = 512, /* linked items that are held against one and the same threshold */
};

void search_score(const view *v, const uint32_t *rows, size_t count, recommend_scratch *s,
                  topk *best)
{
    for (size_t first = 0; first < count; first += BLOCK) {
        size_t n = count - first < BLOCK ? count - first : BLOCK;
        scan_list(v->base->h, rows + first, n, s->q, v->base->dim, s->scores);
        for (size_t i = 0; i < n; i++) {
            uint32_t row = rows[first + i];
            bits_set(s->skip, row);
            topk_push(best, row, linked_score(v, s, row, s->scores[i]));
        }
    }
}

/* strength_of_leading says what links add at least to about the `wanted` strongest items that may
 * be listed. */
static float strength_of_leading(float most, size_t wanted, const recommend_scratch *s)
{
    size_t in[BUCKETS] = {0}, sum = 0, bucket = BUCKETS;
    float scale = (BUCKETS - 1) / most;
    if (wanted >= s->sums.count || !(scale < 1e30F)) {
        return 0;
    }
    for (size_t i = 0; i < s->sums.count; i += SAMPLED) {
        in[(size_t)(s->adds[i] * scale)] += !bits_test(s->skip, s->sums.touched[i]);
    }
    while (bucket > 0 && sum * SAMPLED < wanted) {
        sum += in[--bucket];
    }
    return (float)bucket / scale;
}

/* listable leaves of the places in s->leading, counted from `first`, the rows of the base that may
 * be listed, are not scored yet, and get something of their links. */
static size_t listable(const view *v, recommend_scratch *s, size_t first, size_t count)
{
    uint32_t *rows = s->leading;
    size_t kept = 0, items = v->base->items;
    for (size_t i = 0; i < count; i++) {
        size_t place = first + rows[i];
        uint32_t row = s->sums.touched[place];
        rows[kept] = row;
        if ((row < items) & (s->adds[place] > 0) && !bits_test(s->skip, row)) {
            kernel_prefetch(v->base->h + row * v->base->dim, v->base->dim / KERNEL_LANES);
            kept++;
        }
    }
    return kept;
}

/* lead scores the items with the strongest links and returns what links add at most to the others.
 */
static float lead(const view *v, float most, recommend_scratch *s, topk *best)
{
    float strength = strength_of_leading(most, LEAD_PLACES * best->k + LEAD_MORE, s);
    size_t count = reach_find(s->adds, s->sums.count, 0, strength, s->leading);
    search_score(v, s->leading, listable(v, s, 0, count), s, best);
    return strength;
}

/* offer_found offers what the index gave and marks it as done. */
static void offer_found(const view *v, const index_result *found, recommend_scratch *s, topk *best)
{
    for (size_t i = 0; i < found->count; i++) {
        uint32_t row = found->hits[i].row;
        bits_set(s->skip, row);
        topk_push(best, row, linked_score(v, s, row, found->hits[i].score));
    }
}

/* offer_left scores the linked items that reach the list, with inner products of at most `bound`.
 * What must be reached rises on the way. */
static void offer_left(const view *v, float bound, recommend_scratch *s, topk *best)
{
    const size_t linked = s->sums.count;
    for (size_t first = 0; first < linked; first += STRETCH) {
        size_t count = linked - first < STRETCH ? linked - first : STRETCH;
        count = reach_find(s->adds + first, count, bound, topk_threshold(best), s->leading);
        search_score(v, s->leading, listable(v, s, first, count), s, best);
    }
}

err_code search_bounded(const view *v, bool exactly, float most, recommend_scratch *s, topk *best,
                        index_result *found, err *e)
{
    float others = lead(v, most, s, best);
    float threshold = topk_threshold(best) - others;
    index_query query = {
        .q = s->q, .k = best->k, .skip = s->skip, .exact = exactly, .threshold = &threshold};
    err_code code = index_search(v->base->index, &query, s->index, found, e);
    if (code == ERR_OK) {
        offer_found(v, found, s, best);
        /* What was not given is below the threshold, or behind the last of a full list. */
        float last = found->count == best->k ? found->hits[best->k - 1].score : -INFINITY;
        offer_left(v, last > threshold ? last : threshold, s, best);
    }
    return code;
}
