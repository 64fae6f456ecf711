/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_search: answers a query by one of several paths.
 *
 * If few rows are allowed, only their floats are read. Otherwise the codes are scanned: all of
 * them, or those of the best clusters. The k-th largest lower bound of the rows so far is the
 * threshold, and a row whose upper bound reaches it becomes a candidate. At the end, the candidates
 * that still reach the threshold are scored from the floats (reranked), many at a time, because
 * scoring them one by one would wait for memory each time. All paths end in the same heap with the
 * same scores.
 */
/* A fused product would differ from that of other files in the last bit. */
#include "core/common/in_order.h"

#include "core/search/index.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/types.h"
#include "core/search/index_parts.h"
#include "core/search/kth.h"
#include "core/search/scan.h"

enum {
    /* With fewer than one candidate in SPARSE_SHARE rows, reading the codes of skipped rows costs
     * more than reading the candidates' floats. */
    SPARSE_SHARE = 24,
    /* With fewer than one candidate in FILTERED_SHARE rows, check that the candidates fall in the
     * probed clusters. */
    FILTERED_SHARE = 2,
    /* How many blocks of codes a batch reads for each query at a time: 256 KiB of 64 dimensions,
     * which the next query finds in the cache. */
    BATCH_BLOCKS = 256,
    CANDIDATES = 1024, /* rows collected before they are scored */
    SCORED = 64,       /* rows that are scored at a time */
};

/* A cluster is ranked by the product of the query with its mean, plus this weight times |q| times
 * its spread, because its best rows are that far from the mean. Chosen by measurement. */
#define SPREAD_WEIGHT 0.3F

/* In units of a query's codes. Larger numbers could exceed the range of floats. */
#define EXTRA_MAX 1e30F

err_code index_scratch_new(index_scratch **out, err *e)
{
    *out = mem_array(1, sizeof **out);
    return *out != NULL ? ERR_OK : err_nomem(e, "a search");
}

void index_scratch_free(index_scratch *s)
{
    if (s != NULL) {
        mem_free(s->searches);
        mem_free(s->hits);
        mem_free(s->kth);
        mem_free(s->candidates);
        mem_free(s->code);
        mem_free(s->clusters);
        mem_free(s->cluster_scores);
        mem_free(s);
    }
}

/* grow makes room for `count` elements of `size` bytes and updates *max. */
static bool grow(void **memory, size_t *max, size_t count, size_t size)
{
    if (count <= *max) {
        return true;
    }
    void *grown = mem_grow(*memory, count, size);
    if (grown != NULL) {
        *memory = grown;
        *max = count;
    }
    return grown != NULL;
}

/* make_room enlarges the scratch for the queries and the index, and gives each search its part. */
static err_code make_room(index_scratch *s, const vector_index *ix, const index_query *queries,
                          size_t count, err *e)
{
    size_t hits = 0, kth_floats = 0,
           width = (ix->dim + QUANTISE_GROUP - 1) / QUANTISE_GROUP * QUANTISE_GROUP;
    size_t clusters = ix->ann != NULL ? ix->ann->clusters : 0;
    size_t scores_max = s->clusters_max;
    for (size_t i = 0; i < count; i++) {
        hits += queries[i].k;
        kth_floats += kth_size(queries[i].k);
    }
    if (!grow((void **)&s->searches, &s->searches_max, count, sizeof *s->searches) ||
        !grow((void **)&s->hits, &s->hits_max, hits, sizeof *s->hits) ||
        !grow((void **)&s->kth, &s->kth_max, kth_floats, sizeof *s->kth) ||
        !grow((void **)&s->candidates, &s->candidates_max, count * CANDIDATES,
              sizeof *s->candidates) ||
        !grow((void **)&s->code, &s->code_max, count * width, sizeof *s->code) ||
        !grow((void **)&s->cluster_scores, &scores_max, clusters, sizeof *s->cluster_scores) ||
        !grow((void **)&s->clusters, &s->clusters_max, clusters, sizeof *s->clusters)) {
        return err_nomem(e, "a search");
    }
    topk_hit *at = s->hits;
    float *bounds = s->kth;
    for (size_t i = 0; i < count; at += queries[i].k, bounds += kth_size(queries[i].k), i++) {
        s->searches[i] = (search){.ix = ix, .query = &queries[i], .threshold = -INFINITY};
        s->searches[i].code.code = s->code + i * width;
        s->searches[i].candidates = s->candidates + i * CANDIDATES;
        topk_init(&s->searches[i].best, at, queries[i].k);
        kth_init(&s->searches[i].bounds, bounds, queries[i].k);
    }
    return ERR_OK;
}

bool index_takes_extra(const vector_index *ix)
{
    return ix->ann == NULL;
}

static err_code check_query(const vector_index *ix, const index_query *query, err *e)
{
    assert(query->extra == NULL || index_takes_extra(ix));
    if (query->k < 1 || query->k > INDEX_K_MAX) {
        return err_set(e, ERR_INVALID, "k: expected 1 to %d, not %zu", INDEX_K_MAX, query->k);
    }
    double square = (double)scan_dot(query->q, query->q, ix->dim);
    if (!(square <= QUANTISE_NORM_MAX * QUANTISE_NORM_MAX)) {
        return err_set(e, ERR_INVALID, "query: expected finite numbers of norm up to %g",
                       QUANTISE_NORM_MAX);
    }
    return ERR_OK;
}

static bool is_skipped(const uint64_t *skip, uint32_t row)
{
    return skip != NULL && bits_test(skip, row);
}

/* push_scored offers rows with their scores; `scores` has room for them. */
static void push_scored(search *s, const uint32_t *rows, size_t count, float *scores)
{
    const scan_extra *extra = s->query->extra;
    scan_list(s->ix->x, rows, count, s->query->q, s->ix->dim, scores);
    for (size_t i = 0; i < count; i++) {
        float more = extra != NULL ? scan_extra_at(extra, rows[i]) : 0;
        topk_push(&s->best, rows[i], scores[i] + more);
    }
}

/* rerank computes the exact scores of the collected rows that may still be in the list. */
static void rerank(search *s)
{
    uint32_t rows[SCORED] = {0};
    float scores[SCORED];
    size_t count = 0;
    for (size_t i = 0; i < s->candidate_count || count > 0; i++) {
        if (i < s->candidate_count && s->candidates[i].upper >= s->threshold) {
            rows[count++] = s->candidates[i].row;
        }
        if (count == SCORED || i >= s->candidate_count) {
            push_scored(s, rows, count, scores);
            count = 0;
        }
    }
    s->candidate_count = 0;
}

/* scan_few scores only the candidates. Their cache lines have not been read before, so each is
 * prefetched when it is found and scored a little later. */
static void scan_few(search *s)
{
    const size_t dim = s->ix->dim, rows = s->ix->rows;
    uint32_t found[SCORED] = {0};
    float scores[SCORED];
    size_t count = 0;
    for (size_t first = 0; first < rows; first += 64) {
        uint64_t left = ~s->query->skip[first / 64];
        left &= rows - first < 64 ? (UINT64_C(1) << (rows - first)) - 1 : UINT64_MAX;
        for (; left != 0; left &= left - 1) {
            uint32_t row = (uint32_t)(first + (unsigned)__builtin_ctzll(left));
            const float *x = s->ix->x + row * dim;
            for (size_t j = 0; j < dim; j += 16) {
                __builtin_prefetch(x + j);
            }
            found[count++] = row;
            if (count == SCORED) {
                push_scored(s, found, count, scores);
                count = 0;
            }
        }
    }
    push_scored(s, found, count, scores);
}

/* note receives the blocks that codes_scan finds. */
static float note(void *ctx, const codes_found *found)
{
    search *s = ctx;
    const uint32_t *order = s->ix->ann != NULL ? s->ix->ann->order : NULL;
    if (s->candidate_count + QUANTISE_BLOCK > CANDIDATES) {
        rerank(s);
    }
    for (unsigned mask = found->mask; mask != 0; mask &= mask - 1) {
        unsigned lane = (unsigned)__builtin_ctz(mask);
        size_t place = found->block * QUANTISE_BLOCK + lane;
        uint32_t row = order != NULL ? order[place] : (uint32_t)place;
        float upper = found->estimate[lane] + found->margin;
        if (upper >= s->threshold && !is_skipped(s->query->skip, row)) {
            s->candidates[s->candidate_count++] = (candidate){row, upper};
            kth_push(&s->bounds, found->estimate[lane] - found->margin);
            float threshold = kth_threshold(&s->bounds);
            s->threshold = threshold > s->threshold ? threshold : s->threshold;
        }
    }
    return s->threshold;
}

const topk_hit *index_rank_clusters(const vector_index *ix, const float *q, size_t count,
                                    index_scratch *s)
{
    const ann *a = ix->ann;
    float reach = SPREAD_WEIGHT * sqrtf(scan_dot(q, q, ix->dim));
    topk best;
    topk_init(&best, s->clusters, count);
    scan_rows(a->means, a->clusters, a->dim, q, s->cluster_scores);
    for (size_t c = 0; c < a->clusters; c++) {
        topk_push(&best, (uint32_t)c, s->cluster_scores[c] + reach * a->spread[c]);
    }
    (void)topk_finish(&best);
    return s->clusters;
}

/* clusters_for returns how many clusters to read. The fewer rows a filter allows, the more: if the
 * filter is independent of the clusters, the root keeps the recall that was measured without a
 * filter. */
static size_t clusters_for(const ann *a, size_t allowed)
{
    double wanted = ceil((double)a->nprobe * sqrt((double)a->rows / (double)allowed));
    return wanted < (double)a->clusters ? (size_t)wanted : a->clusters;
}

/* allowed_in counts the allowed rows of a cluster. */
static size_t allowed_in(const search *s, size_t cluster)
{
    const ann *a = s->ix->ann;
    const uint32_t *order = a->order;
    size_t count = 0, end = (size_t)a->first_block[cluster + 1] * QUANTISE_BLOCK;
    for (size_t p = (size_t)a->first_block[cluster] * QUANTISE_BLOCK; p < end; p++) {
        count += order[p] != ROW_NONE && !is_skipped(s->query->skip, order[p]);
    }
    return count;
}

/* search_clusters reads only the best clusters. It returns false if the result is not good enough:
 * the list is short, or the filter's candidates are in other clusters, so that those read do not
 * represent the best. */
static bool search_clusters(search *s, index_scratch *scratch)
{
    const ann *a = s->ix->ann;
    size_t count = clusters_for(a, s->allowed), met = 0;
    const topk_hit *ranked = index_rank_clusters(s->ix, s->query->q, count, scratch);
    codes_range range = {0};
    bool filtered = s->allowed < a->rows / FILTERED_SHARE;
    for (size_t i = 0; i < count; i++) {
        range.first = a->first_block[ranked[i].row];
        range.count = a->first_block[ranked[i].row + 1] - range.first;
        range.threshold = s->threshold;
        codes_scan(s->ix->codes, &s->code, &range, note, s);
        met += filtered ? allowed_in(s, ranked[i].row) : 0;
    }
    if (count == a->clusters) {
        return true;
    }
    s->exact = false;
    size_t wanted = s->query->k < s->allowed ? s->query->k : s->allowed;
    double even = (double)s->allowed * (double)count / (double)a->clusters;
    return kth_count(&s->bounds) >= wanted && (!filtered || (double)met >= even / 2);
}

/* first_threshold converts the query's threshold to the units of its codes. Its rounding error is
 * far smaller than the margin by which it is lowered. In a clustered table the threshold starts at
 * -inf, because search_clusters judges clusters by how many rows they yield. */
static float first_threshold(const search *s)
{
    if (s->query->threshold == NULL || s->ix->ann != NULL) {
        return -INFINITY;
    }
    float threshold = *s->query->threshold * s->code.inverse;
    return isfinite(threshold) ? threshold - 1e-5F * fabsf(threshold) : -INFINITY;
}

/* begin answers a query, or leaves it to the scan of all codes. */
static void begin(search *s, index_scratch *scratch)
{
    const vector_index *ix = s->ix;
    const index_query *query = s->query;
    s->exact = true;
    s->allowed = scan_allowed(query->skip, ix->rows);
    if (s->allowed == 0) {
        return;
    }
    if (s->allowed < ix->rows / SPARSE_SHARE) {
        scan_few(s);
        return;
    }
    if (ix->codes != NULL) {
        codes_query_make(&s->code, query->q, ix->dim);
    }
    float most = query->extra != NULL ? query->extra->most : 0;
    if (ix->codes == NULL || !(most * s->code.inverse <= EXTRA_MAX)) {
        scan_table table = {.x = ix->x,
                            .rows = ix->rows,
                            .dim = ix->dim,
                            .skip = query->skip,
                            .extra = query->extra};
        scan_topk(&table, query->q, &s->best);
        return;
    }
    s->threshold = first_threshold(s);
    s->scans = true;
    if (ix->ann != NULL) {
        bool enough = search_clusters(s, scratch);
        s->scans = !s->exact && (query->exact || !enough);
    }
    if (s->scans) {
        /* keep the threshold, but start the lists again */
        s->exact = true;
        s->candidate_count = 0;
        topk_init(&s->best, s->best.hits, query->k);
        kth_init(&s->bounds, s->bounds.memory, query->k);
    }
}

/* scan_all reads all codes once, for every search that still needs them. */
static void scan_all(const vector_index *ix, search *searches, size_t count)
{
    size_t blocks = ix->codes != NULL ? codes_blocks(ix->codes) : 0;
    size_t step = count > 1 ? BATCH_BLOCKS : blocks;
    for (size_t at = 0; at < blocks; at += step) {
        for (size_t i = 0; i < count; i++) {
            search *s = &searches[i];
            codes_range range = {.first = at,
                                 .count = blocks - at < step ? blocks - at : step,
                                 .skip = ix->ann == NULL ? s->query->skip : NULL,
                                 .threshold = s->threshold,
                                 .extra = s->query->extra};
            if (s->scans) {
                codes_scan(ix->codes, &s->code, &range, note, s);
            }
        }
    }
}

err_code index_search_many(const vector_index *ix, const index_query *queries, size_t count,
                           index_scratch *s, index_result *results, err *e)
{
    for (size_t i = 0; i < count; i++) {
        err_code code = check_query(ix, &queries[i], e);
        if (code != ERR_OK) {
            return code;
        }
    }
    err_code code = make_room(s, ix, queries, count, e);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        begin(&s->searches[i], s);
    }
    scan_all(ix, s->searches, count);
    for (size_t i = 0; i < count; i++) {
        search *done = &s->searches[i];
        rerank(done);
        results[i] = (index_result){
            .hits = done->best.hits, .count = topk_finish(&done->best), .exact = done->exact};
    }
    return ERR_OK;
}

err_code index_search(const vector_index *ix, const index_query *query, index_scratch *s,
                      index_result *out, err *e)
{
    return index_search_many(ix, query, 1, s, out, e);
}
