/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: finds the best items by the whole score, which is the inner product plus links.
 *
 * Links only add to a score. The items with the strongest links are scored first. Any other item
 * has weaker links, so to enter the list it needs an inner product of at least a threshold. The
 * index is asked for the best k items of at least this threshold. A linked item that the index did
 * not return has an inner product of at most a known bound; it is scored only if that bound plus
 * its links reaches the list as it stands.
 *
 * This is complete: an item without links that belongs to the best k has at most k - 1 items ahead
 * of it by inner product, so the index returns it or it was scored first. Linked later items are
 * all scored before.
 */
#include <string.h>

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/reach.h"
#include "core/serve/query/recommend_scratch.h"

enum {
    BLOCK = 64,
    BUCKETS = 64,
    SAMPLED = 8,     /* one in so many candidates tells how strong the leading ones are */
    LEAD_PLACES = 2, /* leading items for each place of the list, and LEAD_MORE */
    LEAD_MORE = 20,
    STRETCH = 512, /* linked items that are held against one and the same floor */
};

/* The linked items: s->sums.touched, and at the same places s->adds. */
typedef struct linked_search {
    size_t count;
    float most; /* what links add at most to one */
} linked_search;

/* candidates_only makes s->skip, the rows that the base must not give. */
static void candidates_only(const view *v, recommend_scratch *s)
{
    size_t words = filter_words(v);
    for (size_t w = 0; w < words; w += BITMAP_LEAF_WORDS) {
        const uint64_t *placed = pvec_leaf(&v->placed, w / BITMAP_LEAF_WORDS);
        const uint64_t *stale = pvec_leaf(&v->stale, w / BITMAP_LEAF_WORDS);
        for (size_t i = 0; i < BITMAP_LEAF_WORDS; i++) {
            uint64_t candidates = s->allowed[w + i] & (placed != NULL ? placed[i] : 0);
            s->skip[w + i] = ~candidates | (stale != NULL ? stale[i] : 0);
        }
    }
}

/* offer_delta offers the current slots of the delta that are allowed. */
static void offer_delta(const view *v, const recommend_scratch *s, topk *best)
{
    size_t dim = v->base->dim;
    for (size_t first = 0; first < v->delta_count; first += DELTA_CHUNK_ROWS) {
        const delta_chunk *chunk = v->delta->chunks[first / DELTA_CHUNK_ROWS];
        size_t rows = v->delta_count - first;
        rows = rows < DELTA_CHUNK_ROWS ? rows : DELTA_CHUNK_ROWS;
        scan_rows(chunk->h, rows, dim, s->q, s->scores);
        for (size_t i = 0; i < rows; i++) {
            uint32_t row = chunk->rows[i];
            if (bits_test(s->allowed, row) && view_slot(v, row) == first + i) {
                topk_push(best, row, linked_score(v, s, row, s->scores[i]));
            }
        }
    }
}

/* strength_of_leading says what links add at least to about the `wanted` strongest items that may
 * be listed. */
static float strength_of_leading(const linked_search *l, size_t wanted, const recommend_scratch *s)
{
    size_t in[BUCKETS] = {0}, sum = 0, bucket = BUCKETS;
    float scale = (BUCKETS - 1) / l->most;
    if (wanted >= l->count || !(scale < 1e30F)) {
        return 0;
    }
    for (size_t i = 0; i < l->count; i += SAMPLED) {
        in[(size_t)(s->adds[i] * scale)] += !bits_test(s->skip, s->sums.touched[i]);
    }
    while (bucket > 0 && sum * SAMPLED < wanted) {
        sum += in[--bucket];
    }
    return (float)bucket / scale;
}

/* score offers rows of the base and marks them as done. */
static void score(const view *v, const uint32_t *rows, size_t count, recommend_scratch *s,
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

/* offer_new scores all linked items of the base that came after the training: their lift is not a
 * number to add. */
static void offer_new(const view *v, recommend_scratch *s, topk *best)
{
    size_t count = 0, linked = v->base->trained < v->base->items ? s->sums.count : 0;
    for (size_t i = 0; i < linked; i++) {
        uint32_t row = s->sums.touched[i];
        bool new = row >= v->base->trained &&row < v->base->items;
        if (new && !bits_test(s->skip, row)) {
            s->leading[count++] = row;
        }
    }
    score(v, s->leading, count, s, best);
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
static float lead(const view *v, const linked_search *l, recommend_scratch *s, topk *best)
{
    float strength = strength_of_leading(l, LEAD_PLACES * best->k + LEAD_MORE, s);
    size_t count = reach_find(s->adds, l->count, 0, strength, s->leading);
    score(v, s->leading, listable(v, s, 0, count), s, best);
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
static void offer_left(const view *v, const linked_search *l, float bound, recommend_scratch *s,
                       topk *best)
{
    for (size_t first = 0; first < l->count; first += STRETCH) {
        size_t count = l->count - first < STRETCH ? l->count - first : STRETCH;
        count = reach_find(s->adds + first, count, bound, topk_threshold(best), s->leading);
        score(v, s->leading, listable(v, s, first, count), s, best);
    }
}

err_code search_best(const view *v, bool exactly, size_t pool, recommend_scratch *s,
                     recommend_result *out, err *e)
{
    const base *b = v->base;
    topk best;
    topk_init(&best, s->best, pool);
    candidates_only(v, s);
    offer_delta(v, s, &best);
    index_result found = {NULL, 0, true};
    if (b->items > 0) {
        offer_new(v, s, &best);
        linked_search linked = {s->sums.count, reach_add(&s->sums, s->factor, s->adds)};
        float others = lead(v, &linked, s, &best);
        float threshold = topk_threshold(&best) - others;
        index_query query = {
            .q = s->q, .k = pool, .skip = s->skip, .exact = exactly, .threshold = &threshold};
        err_code code = index_search(b->index, &query, s->index, &found, e);
        if (code != ERR_OK) {
            return code;
        }
        offer_found(v, &found, s, &best);
        /* What was not given is below the threshold, or behind the last of a full list. */
        float last = found.count == pool ? found.hits[pool - 1].score : -INFINITY;
        offer_left(v, &linked, last > threshold ? last : threshold, s, &best);
    }
    out->exact = found.exact;
    out->count = topk_finish(&best);
    for (size_t i = 0; i < out->count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    return ERR_OK;
}
