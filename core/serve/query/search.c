/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: the best items by the whole score, inner product and links together.
 *
 * Links only add. An item without links that belongs to the best k has at most k - 1 items before
 * it by inner product, so the best k by the whole score are among the best k by inner product and
 * the linked items. An item that the index did not give has an inner product of at most the last
 * one that it gave; so a linked item is scored only if that bound and its links reach the list as
 * it stands. The items with the strongest links are scored first, so that the others meet a high
 * floor.
 */
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"

enum { BLOCK = 64, BUCKETS = 256 };

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
            if ((s->allowed[row / 64] >> (row % 64) & 1) != 0 && view_slot(v, row) == first + i) {
                topk_push(best, row, linked_score(s, row, s->scores[i]));
            }
        }
    }
}

/* gather collects the linked items of the base that the index did not give and that may still be
 * among the best; *most is what the strongest links of one add. Whether an item stays is a number
 * to add and no branch, because nobody could predict it. */
static size_t gather(const view *v, float bound, const topk *best, recommend_scratch *s,
                     float *most)
{
    const float factor[LINKS_SOURCES] = {s->factor[0], s->factor[1]};
    const float *part = s->sums.part;
    const uint64_t *skip = s->skip;
    linked_candidate *out = s->candidates;
    size_t count = 0, items = v->base->items, touched = s->sums.count;
    float floor = topk_floor(best), furthest = -INFINITY;
    for (size_t i = 0; i < touched; i++) {
        uint32_t row = s->sums.touched[i];
        float reach = links_score(bound, part + (size_t)row * LINKS_SOURCES, factor);
        bool skipped = (skip[row / 64] >> (row % 64) & 1) != 0;
        bool stays = (reach >= floor) & (row < items) & !skipped;
        out[count] = (linked_candidate){row, reach};
        count += stays;
        furthest = stays && reach > furthest ? reach : furthest;
    }
    *most = furthest;
    return count;
}

/* order sorts the candidates roughly, the furthest reach first: by buckets of equal width between
 * the floor and the furthest. */
static void order(recommend_scratch *s, size_t count, float floor, float most)
{
    size_t start[BUCKETS + 1] = {0};
    float scale = most > floor ? (BUCKETS - 1) / (most - floor) : 0;
    scale = scale < 1e30F ? scale : 0;
    for (size_t i = 0; i < count; i++) {
        start[(size_t)((most - s->candidates[i].reach) * scale) + 1]++;
    }
    for (size_t b = 0; b < BUCKETS; b++) {
        start[b + 1] += start[b];
    }
    for (size_t i = 0; i < count; i++) {
        size_t bucket = (size_t)((most - s->candidates[i].reach) * scale);
        s->ordered[start[bucket]++] = s->candidates[i];
    }
}

/* offer_linked scores the candidates that still reach the list. */
static void offer_linked(const view *v, size_t count, recommend_scratch *s, topk *best)
{
    const base *b = v->base;
    uint32_t rows[BLOCK];
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        for (float floor = topk_floor(best); i < count && n < BLOCK; i++) {
            if (s->ordered[i].reach >= floor) {
                rows[n++] = s->ordered[i].row;
            }
        }
        scan_list(b->h, rows, n, s->q, b->dim, s->scores);
        for (size_t k = 0; k < n; k++) {
            topk_push(best, rows[k], linked_score(s, rows[k], s->scores[k]));
        }
    }
}

static void add_linked(const view *v, const index_result *found, size_t pool, recommend_scratch *s,
                       topk *best)
{
    /* A list that is not full holds all that there are. */
    if (found->count < pool) {
        return;
    }
    for (size_t i = 0; i < found->count; i++) {
        uint32_t row = found->hits[i].row;
        s->skip[row / 64] |= 1ULL << (row % 64);
    }
    float most = 0, floor = topk_floor(best);
    size_t count = gather(v, found->hits[found->count - 1].score, best, s, &most);
    order(s, count, floor, most);
    offer_linked(v, count, s, best);
}

err_code search_best(const view *v, bool exactly, size_t pool, recommend_scratch *s,
                     recommend_result *out, err *e)
{
    const base *b = v->base;
    candidates_only(v, s);
    index_query query = {.q = s->q, .k = pool, .skip = s->skip, .exact = exactly};
    index_result found = {NULL, 0, true};
    if (b->items > 0) {
        err_code rc = index_search(b->index, &query, s->index, &found, e);
        if (rc != ERR_OK) {
            return rc;
        }
    }
    topk best;
    topk_init(&best, s->best, pool);
    for (size_t i = 0; i < found.count; i++) {
        topk_push(&best, found.hits[i].row,
                  linked_score(s, found.hits[i].row, found.hits[i].score));
    }
    offer_delta(v, s, &best);
    if (s->sums.count > 0 && b->items > 0) {
        add_linked(v, &found, pool, s, &best);
    }
    out->exact = found.exact;
    out->count = topk_finish(&best);
    for (size_t i = 0; i < out->count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    return ERR_OK;
}
