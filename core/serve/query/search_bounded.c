/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search_bounded: finds the best items by inner product plus links, with an index that searches by
 * inner product only.
 *
 * Links only increase a score. The items with the strongest links are scored first. Every other
 * item has weaker links, so it enters the list only if its inner product reaches a threshold. The
 * index is asked for the best k items that reach this threshold. The inner product of a linked item
 * that the index did not return has a known upper bound; the item is scored only if this bound plus
 * its links reaches the current list.
 *
 * The result is as complete as the index: if an item without links belongs to the best k, at most k
 * - 1 items have a larger inner product, so the index returns it, unless it was scored first.
 */
#include "core/serve/query/search.h"

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/search/scan.h"
#include "core/serve/query/reach.h"

enum {
    BLOCK = 64, /* rows that are scored at once */
    BUCKETS = 64,
    /* every SAMPLED-th candidate is examined to estimate the strength of the leading ones */
    SAMPLED = 8,
    LEAD_PLACES = 2, /* leading items for each place of the list, and LEAD_MORE */
    LEAD_MORE = 20,
    STRETCH = 512, /* linked items that are compared with one threshold */
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

/* strength_of_leading estimates the smallest addition among the `wanted` linked items with the
 * strongest links that may be listed. */
static float strength_of_leading(float most, size_t wanted, const recommend_scratch *s)
{
    size_t in[BUCKETS] = {0}, sum = 0, bucket = BUCKETS;
    float scale = (BUCKETS - 1) / most;
    if (wanted >= s->linked_count || !(scale < 1e30F)) {
        return 0;
    }
    for (size_t i = 0; i < s->linked_count; i += SAMPLED) {
        in[(size_t)(s->adds[i] * scale)] += !bits_test(s->skip, s->linked[i]);
    }
    while (bucket > 0 && sum * SAMPLED < wanted) {
        sum += in[--bucket];
    }
    return (float)bucket / scale;
}

/* listable collects in s->leading, from the linked items starting at `first`, the rows of the base
 * that may be listed, are not scored yet and have a link's addition above 0. */
static size_t listable(const view *v, recommend_scratch *s, size_t first, size_t count)
{
    uint32_t *rows = s->leading;
    size_t kept = 0, items = v->base->items;
    for (size_t i = 0; i < count; i++) {
        size_t place = first + rows[i];
        uint32_t row = s->linked[place];
        rows[kept] = row;
        if ((row < items) & (s->adds[place] > 0) && !bits_test(s->skip, row)) {
            kernel_prefetch(v->base->h + row * v->base->dim, v->base->dim / KERNEL_LANES);
            kept++;
        }
    }
    return kept;
}

/* lead scores the items with the strongest links and returns an upper bound for the links of all
 * others. */
static float lead(const view *v, float most, recommend_scratch *s, topk *best)
{
    float strength = strength_of_leading(most, LEAD_PLACES * best->k + LEAD_MORE, s);
    size_t count = reach_find(s->adds, s->linked_count, 0, strength, s->leading);
    search_score(v, s->leading, listable(v, s, 0, count), s, best);
    return strength;
}

/* offer_found offers the index's hits to `best` and marks them as scored. */
static void offer_found(const view *v, const index_result *found, recommend_scratch *s, topk *best)
{
    for (size_t i = 0; i < found->count; i++) {
        uint32_t row = found->hits[i].row;
        bits_set(s->skip, row);
        topk_push(best, row, linked_score(v, s, row, found->hits[i].score));
    }
}

/* offer_left scores those linked items that can reach the list if their inner product is at most
 * `bound`. The limit rises as the list improves. */
static void offer_left(const view *v, float bound, recommend_scratch *s, topk *best)
{
    const size_t linked = s->linked_count;
    for (size_t first = 0; first < linked; first += STRETCH) {
        size_t count = linked - first < STRETCH ? linked - first : STRETCH;
        count = reach_find(s->adds + first, count, bound, topk_threshold(best), s->leading);
        search_score(v, s->leading, listable(v, s, first, count), s, best);
    }
}

err_code search_bounded(const view *v, bool exactly, recommend_scratch *s, topk *best,
                        index_result *found, err *e)
{
    s->linked_count = links_sum_rows(&s->sums, s->linked);
    float most = reach_gather(&s->sums, s->factor, s->linked, s->linked_count, s->adds);
    float others = lead(v, most, s, best);
    float threshold = topk_threshold(best) - others;
    index_query query = {
        .q = s->q, .k = best->k, .skip = s->skip, .exact = exactly, .threshold = &threshold};
    err_code code = index_search(v->base->index, &query, s->index, found, e);
    if (code == ERR_OK) {
        offer_found(v, found, s, best);
        /* The index omits an item if its inner product is below the threshold, or below that of the
         * last hit of a full list. */
        float last = found->count == best->k ? found->hits[best->k - 1].score : -INFINITY;
        offer_left(v, last > threshold ? last : threshold, s, best);
    }
    return code;
}
