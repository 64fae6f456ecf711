/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: finds the best items by the whole score, which is the inner product plus links.
 *
 * All later rows are scored. So are linked items of the base that were added after the training,
 * because their lift is a factor, and the index can only add. The index finds the best of all
 * others; it takes the links' addition to each row as part of the score. A table in clusters can be
 * searched by inner product only, and there the links are handled by bounds
 * (core/serve/query/search_bounded.c).
 */
#include "core/serve/query/search.h"

#include "core/common/bits.h"
#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/reach.h"

/* candidates_only makes s->skip, the rows that the base must not return. */
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

/* offer_delta offers the current, allowed slots of the delta. */
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

/* offer_new scores all linked items of the base that came after the training, because their lift is
 * a factor and cannot be added. */
static void offer_new(const view *v, recommend_scratch *s, topk *best)
{
    const size_t trained = v->base->trained, items = v->base->items;
    size_t count = 0;
    for (size_t i = trained; i < items && links_sum_any(&s->sums); i++) {
        if (i % LINKS_BLOCK == 0 && links_sum_blank(&s->sums, i / LINKS_BLOCK)) {
            i += LINKS_BLOCK - 1;
        } else if (links_sum_linked(&s->sums, (uint32_t)i) && !bits_test(s->skip, i)) {
            s->leading[count++] = (uint32_t)i;
        }
    }
    search_score(v, s->leading, count, s, best);
}

/* search_whole asks the index for the best rows by the whole score. */
static err_code search_whole(const view *v, bool exactly, recommend_scratch *s, topk *best,
                             index_result *found, err *e)
{
    scan_extra extra = {0};
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        extra.part[x] = s->sums.part[x];
        extra.factor[x] = s->factor[x];
        extra.most += s->factor[x] * s->sums.most[x];
    }
    float threshold = topk_threshold(best);
    index_query query = {.q = s->q,
                         .k = best->k,
                         .skip = s->skip,
                         .exact = exactly,
                         .threshold = &threshold,
                         .extra = extra.most > 0 ? &extra : NULL};
    err_code code = index_search(v->base->index, &query, s->index, found, e);
    if (code == ERR_OK) {
        topk_merge(best, found->hits, found->count);
    }
    return code;
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
        err_code code = index_takes_extra(b->index)
                            ? search_whole(v, exactly, s, &best, &found, e)
                            : search_bounded(v, exactly, s, &best, &found, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    out->exact = found.exact;
    out->count = topk_finish(&best);
    for (size_t i = 0; i < out->count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    return ERR_OK;
}
