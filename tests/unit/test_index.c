/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searches against brute force: the same rows in the same order with the same bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/common/types.h"
#include "core/search/index.h"
#include "core/search/scan.h"

/* A random case. Coarse numbers and copied rows give many equal scores. */
typedef struct trial {
    size_t rows, dim, k;
    float *x;                 /* (rows, dim) */
    float *q;                 /* (dim) */
    uint64_t *skip;           /* or NULL */
    float *added[SCAN_PARTS]; /* (rows rounded up to whole blocks) the tables of `extra` */
    scan_extra extra;         /* added to the scores if `adds` */
    bool adds;
} trial;

static void fill_table(rng *r, float *x, size_t rows, size_t dim, bool coarse)
{
    for (size_t i = 0; i < rows; i++) {
        float size = coarse ? 1 : (float)(0.2 + 3 * rng_uniform(r) * rng_uniform(r));
        for (size_t j = 0; j < dim; j++) {
            x[i * dim + j] = coarse ? (float)rng_below(r, 3) - 1 : size * (float)rng_normal(r);
        }
        if (i > 0 && rng_below(r, 10) == 0) {
            memcpy(x + i * dim, x + rng_below(r, (uint32_t)i) * dim, dim * sizeof *x);
        }
    }
}

static void trial_init(trial *t, rng *r, size_t rows, size_t dim)
{
    bool coarse = rng_below(r, 2) == 0;
    *t = (trial){.rows = rows, .dim = dim, .k = 1 + rng_below(r, 30)};
    t->x = mem_table(rows * dim, sizeof *t->x);
    t->q = mem_array(dim, sizeof *t->q);
    assert_true(t->x != NULL && t->q != NULL);
    fill_table(r, t->x, rows, dim, coarse);
    for (size_t j = 0; j < dim; j++) {
        t->q[j] = coarse ? (float)rng_below(r, 3) - 1 : (float)rng_normal(r);
    }
    /* skips none, half, most, all but a few, or nearly all rows */
    uint32_t share = rng_below(r, 5);
    size_t words = rows / 64 + 1;
    t->skip = share == 0 ? NULL : mem_array(words, sizeof *t->skip);
    for (size_t w = 0; w < words && share > 0; w++) {
        t->skip[w] = rng_next(r);
        t->skip[w] |= share == 2 || share == 3 ? rng_next(r) | rng_next(r) : 0;
        t->skip[w] = share == 3 && rng_below(r, 8) != 0 ? UINT64_MAX : t->skip[w];
        t->skip[w] &= share == 4 ? rng_next(r) & rng_next(r) & rng_next(r) : UINT64_MAX;
    }
}

/* add_extra adds numbers to a few rows or to most; they are much smaller or much larger than the
 * inner products. */
static void add_extra(trial *t, rng *r)
{
    uint32_t share = 1 + rng_below(r, 6);
    float size = powf(10, (float)rng_below(r, 7) - 3);
    t->adds = true;
    t->extra.most = 2 * size;
    for (size_t p = 0; p < SCAN_PARTS; p++) {
        float factor = p == 0 ? 1 : 0.01F + (float)rng_uniform(r);
        t->added[p] = mem_array(t->rows + QUANTISE_BLOCK, sizeof *t->added[p]);
        assert_non_null(t->added[p]);
        t->extra.part[p] = t->added[p];
        t->extra.factor[p] = factor;
        for (size_t i = 0; i < t->rows; i++) {
            float most = 0.999F * size / factor;
            t->added[p][i] = rng_below(r, share) == 0 ? most * (float)rng_uniform(r) : 0;
        }
    }
}

static void trial_fini(trial *t)
{
    mem_free(t->added[0]);
    mem_free(t->added[1]);
    mem_free(t->x);
    mem_free(t->q);
    mem_free(t->skip);
}

static int by_list_order(const void *a, const void *b)
{
    const topk_hit *first = a, *second = b;
    if (first->score > second->score || first->score < second->score) {
        return first->score > second->score ? -1 : 1;
    }
    return first->row < second->row ? -1 : 1;
}

/* brute_force makes the list by its definition: all candidates, sorted, cut. The caller frees
 * it. */
static topk_hit *brute_force(const trial *t, size_t *count)
{
    topk_hit *all = mem_array(t->rows, sizeof *all);
    assert_non_null(all);
    *count = 0;
    for (size_t i = 0; i < t->rows; i++) {
        if (t->skip == NULL || !bits_test(t->skip, i)) {
            float score = scan_dot(t->x + i * t->dim, t->q, t->dim);
            score = t->adds ? score + scan_extra_at(&t->extra, i) : score;
            all[(*count)++] = (topk_hit){(uint32_t)i, score};
        }
    }
    qsort(all, *count, sizeof *all, by_list_order);
    *count = *count < t->k ? *count : t->k;
    return all;
}

static void check_list(const trial *t, const topk_hit *hits, size_t count)
{
    size_t expected_count = 0;
    topk_hit *expected = brute_force(t, &expected_count);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hits[i].row, expected[i].row);
        assert_memory_equal(&hits[i].score, &expected[i].score, sizeof(float));
    }
    mem_free(expected);
}

static index_query query_of(const trial *t)
{
    return (index_query){
        .q = t->q, .k = t->k, .skip = t->skip, .exact = true, .extra = t->adds ? &t->extra : NULL};
}

/* A threshold leaves out no row that reaches it, even exactly. */
static void check_threshold(const trial *t, const vector_index *ix, index_scratch *s)
{
    size_t count = 0;
    topk_hit *expected = brute_force(t, &count);
    for (size_t at = 0; at < count; at += 1 + count / 3) {
        index_query query = query_of(t);
        index_result result;
        query.threshold = &expected[at].score;
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_OK);
        for (size_t i = 0; i < count && expected[i].score >= expected[at].score; i++) {
            assert_true(i < result.count);
            assert_int_equal(result.hits[i].row, expected[i].row);
            assert_memory_equal(&result.hits[i].score, &expected[i].score, sizeof(float));
        }
    }
    mem_free(expected);
}

static void check_search(const trial *t, index_kind kind, index_scratch *s)
{
    vector_index *ix = NULL;
    err e = ERR_INIT;
    index_options options = {.kind = kind, .recall_min = 0.8F};
    index_query query = query_of(t);
    index_result result;
    assert_int_equal(index_new(&ix, t->x, t->rows, t->dim, &options, &e), ERR_OK);
    assert_int_equal(index_takes_extra(ix), kind != INDEX_ANN);
    assert_int_equal(index_search(ix, &query, s, &result, &e), ERR_OK);
    assert_true(result.exact);
    check_list(t, result.hits, result.count);
    check_threshold(t, ix, s);
    index_free(ix);
}

static void a_score_has_the_same_bits_wherever_its_row_is_scored(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 11, 0);
    for (size_t dim = 1; dim <= 130; dim++) {
        enum { ROWS = 23 };
        float *x = mem_array(ROWS * dim + 1, sizeof *x);
        float *q = mem_array(dim, sizeof *q);
        float scores[ROWS], listed[ROWS], at_once;
        uint32_t list[ROWS];
        assert_true(x != NULL && q != NULL);
        float *shifted = x + 1; /* no alignment */
        fill_table(&r, shifted, ROWS, dim, false);
        fill_table(&r, q, 1, dim, false);
        for (uint32_t i = 0; i < ROWS; i++) {
            list[i] = (i * 7) % ROWS;
        }
        scan_rows(shifted, ROWS, dim, q, scores);
        scan_list(shifted, list, ROWS, q, dim, listed);
        for (size_t i = 0; i < ROWS; i++) {
            double reference = 0, size = 1e-30;
            for (size_t j = 0; j < dim; j++) {
                double product = (double)shifted[i * dim + j] * (double)q[j];
                reference += product;
                size += product < 0 ? -product : product;
            }
            assert_true((double)scores[i] - reference < 1e-6 * size);
            assert_true(reference - (double)scores[i] < 1e-6 * size);
            at_once = scan_dot(shifted + i * dim, q, dim);
            assert_memory_equal(&at_once, &scores[i], sizeof at_once);
            assert_memory_equal(&listed[i], &scores[list[i]], sizeof at_once);
            topk_hit hit;
            topk best;
            topk_init(&best, &hit, 1);
            scan_table table = {.x = shifted, .rows = i + 1, .dim = dim};
            scan_topk(&table, q, &best);
            assert_memory_equal(&hit.score, &scores[hit.row], sizeof at_once);
        }
        mem_free(x);
        mem_free(q);
    }
}

static void
a_topk_keeps_the_best_and_gives_ties_to_the_lower_row_in_any_order_of_arrival(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 12, 0);
    for (int n = 0; n < 2000; n++) {
        enum { MAX = 60 };
        topk_hit offered[MAX], kept[MAX];
        size_t count = rng_below(&r, MAX + 1), k = rng_below(&r, MAX + 1);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = rng_below(&r, i + 1);
            offered[i] = offered[at];
            offered[at] = (topk_hit){i, (float)rng_below(&r, 10)};
        }
        topk best;
        topk_init(&best, kept, k);
        topk_push(&best, 7777, NAN);
        for (size_t i = 0; i < count; i++) {
            topk_push(&best, offered[i].row, offered[i].score);
        }
        qsort(offered, count, sizeof *offered, by_list_order);
        size_t expected = count < k ? count : k;
        assert_int_equal(topk_finish(&best), expected);
        for (size_t i = 0; i < expected; i++) {
            assert_int_equal(kept[i].row, offered[i].row);
        }
    }
}

/* A list of its own, or none, and a finished list give what all their hits give one by one. */
static void merged_lists_are_the_list_of_all_hits(void **state)
{
    (void)state;
    enum { MOST = 40 };
    rng r;
    rng_init(&r, 21, 0);
    for (int n = 0; n < 20000; n++) {
        topk_hit own[MOST], given[MOST], expected[MOST];
        topk merged, one_by_one, list;
        size_t k = 1 + rng_below(&r, MOST), first = n % 2 == 0 ? 0 : rng_below(&r, MOST);
        topk_init(&merged, own, k);
        topk_init(&one_by_one, expected, k);
        topk_init(&list, given, rng_below(&r, MOST + 1));
        for (uint32_t row = 0; row < 2 * MOST; row++) {
            topk_hit hit = {row, (float)rng_below(&r, 20)};
            topk_push(row < first ? &merged : &list, hit.row, hit.score);
            if (row < first) {
                topk_push(&one_by_one, hit.row, hit.score);
            }
        }
        size_t count = topk_finish(&list);
        for (size_t i = 0; i < count; i++) {
            topk_push(&one_by_one, given[i].row, given[i].score);
        }
        topk_merge(&merged, given, count);
        assert_int_equal(topk_finish(&merged), topk_finish(&one_by_one));
        for (size_t i = 0; i < one_by_one.count; i++) {
            assert_int_equal(own[i].row, expected[i].row);
            assert_memory_equal(&own[i].score, &expected[i].score, sizeof(float));
        }
    }
}

static void a_float_scan_equals_brute_force(void **state)
{
    (void)state;
    index_scratch *s = NULL;
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    rng r;
    rng_init(&r, 13, 0);
    for (int n = 0; n < 3000; n++) {
        trial t;
        trial_init(&t, &r, 1 + rng_below(&r, 300), 1 + rng_below(&r, 130));
        if (n % 2 == 1) {
            add_extra(&t, &r);
        }
        check_search(&t, INDEX_FLOAT, s);
        trial_fini(&t);
    }
    index_scratch_free(s);
}

static void a_first_pass_over_codes_loses_nothing(void **state)
{
    (void)state;
    index_scratch *s = NULL;
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    rng r;
    rng_init(&r, 14, 0);
    for (int n = 0; n < 3000; n++) {
        trial t;
        trial_init(&t, &r, 1 + rng_below(&r, 600), n % 3 == 0 ? 64 : 1 + rng_below(&r, 130));
        if (n % 2 == 1) {
            add_extra(&t, &r);
        }
        check_search(&t, INDEX_INT8, s);
        trial_fini(&t);
    }
    index_scratch_free(s);
}

/* The numbers may even exceed the units of the codes. */
static void numbers_added_to_a_tiny_query_still_decide(void **state)
{
    (void)state;
    index_scratch *s = NULL;
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    rng r;
    rng_init(&r, 20, 0);
    for (int n = 0; n < 200; n++) {
        trial t;
        trial_init(&t, &r, 1 + rng_below(&r, 600), 64);
        add_extra(&t, &r);
        for (size_t j = 0; j < t.dim; j++) {
            t.q[j] *= 1e-27F;
        }
        for (size_t i = 0; i < t.rows; i++) {
            t.added[0][i] *= n % 2 == 0 ? 1e9F : 1;
        }
        t.extra.most *= n % 2 == 0 ? 1e9F : 1;
        check_search(&t, INDEX_INT8, s);
        trial_fini(&t);
    }
    index_scratch_free(s);
}

static void an_exact_search_of_a_clustered_index_loses_nothing(void **state)
{
    (void)state;
    index_scratch *s = NULL;
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    rng r;
    rng_init(&r, 15, 0);
    for (int n = 0; n < 150; n++) {
        trial t;
        trial_init(&t, &r, 1 + rng_below(&r, 900), n % 3 == 0 ? 64 : 1 + rng_below(&r, 40));
        check_search(&t, INDEX_ANN, s);
        trial_fini(&t);
    }
    index_scratch_free(s);
}

static void an_approximate_list_is_never_short_and_holds_no_skipped_row(void **state)
{
    (void)state;
    index_scratch *s = NULL;
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    rng r;
    rng_init(&r, 16, 0);
    for (int n = 0; n < 150; n++) {
        trial t;
        trial_init(&t, &r, 200 + rng_below(&r, 2000), 16);
        t.k = 1 + rng_below(&r, 300);
        vector_index *ix = NULL;
        index_options options = {.kind = INDEX_ANN, .recall_min = 0.5F};
        index_query query = {.q = t.q, .k = t.k, .skip = t.skip};
        index_result result;
        size_t expected_count = 0;
        topk_hit *expected = brute_force(&t, &expected_count);
        assert_int_equal(index_new(&ix, t.x, t.rows, t.dim, &options, NULL), ERR_OK);
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_OK);
        assert_int_equal(result.count, expected_count);
        for (size_t i = 0; i < result.count; i++) {
            topk_hit hit = result.hits[i];
            assert_true(t.skip == NULL || !bits_test(t.skip, hit.row));
            float score = scan_dot(t.x + hit.row * t.dim, t.q, t.dim);
            assert_memory_equal(&score, &hit.score, sizeof score);
            assert_true(i == 0 || topk_better(result.hits[i - 1], hit));
            assert_true(!result.exact || hit.row == expected[i].row);
        }
        mem_free(expected);
        index_free(ix);
        trial_fini(&t);
    }
    index_scratch_free(s);
}

/* Vectors in clusters, like trained ones. */
static void fill_bunches(rng *r, float *x, size_t rows, size_t dim, size_t bunches)
{
    float *centre = mem_array(bunches * dim, sizeof *centre);
    assert_non_null(centre);
    fill_table(r, centre, bunches, dim, false);
    for (size_t i = 0; i < rows; i++) {
        const float *near = centre + rng_below(r, (uint32_t)bunches) * dim;
        for (size_t j = 0; j < dim; j++) {
            x[i * dim + j] = near[j] + 0.5F * (float)rng_normal(r);
        }
    }
    mem_free(centre);
}

static void a_filter_that_leaves_only_far_clusters_still_finds_the_best(void **state)
{
    (void)state;
    /* The query points along the first axis. Three quarters of the rows are near it, but few of
     * them are candidates, and those are short. Most candidates are perpendicular, and some of them
     * are closer to the query. */
    enum { ROWS = 20000, DIM = 32, K = 4, NEAR = 15000, NEAR_CANDIDATES = 1500 };
    rng r;
    rng_init(&r, 23, 0);
    float *x = mem_table(ROWS * DIM, sizeof *x), q[DIM] = {1};
    uint64_t skip[ROWS / 64 + 1] = {0};
    assert_non_null(x);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < DIM; j++) {
            x[i * DIM + j] = 0.3F * (float)rng_normal(&r);
        }
        if (i < NEAR) {
            x[i * DIM] = 20;
            for (size_t j = 0; j < DIM && i < NEAR_CANDIDATES; j++) {
                x[i * DIM + j] *= 0.1F;
            }
        } else {
            x[i * DIM] = (float)rng_normal(&r);
            x[i * DIM + 1 + i % 8] = 10;
        }
        if (i >= NEAR_CANDIDATES && i < NEAR) {
            skip[i / 64] |= UINT64_C(1) << i % 64;
        }
    }
    float sample[4 * DIM]; /* recall is measured on queries that one cluster answers */
    for (size_t n = 0; n < 4; n++) {
        memcpy(sample + n * DIM, x + (NEAR + n) * DIM, sizeof q);
    }
    trial t = {.rows = ROWS, .dim = DIM, .k = K, .x = x, .q = q, .skip = skip};
    vector_index *ix = NULL;
    index_scratch *s = NULL;
    index_options options = {
        .kind = INDEX_ANN, .recall_min = 0.5F, .queries = sample, .query_count = 4};
    index_query query = {.q = q, .k = K, .skip = skip};
    index_result result;
    assert_int_equal(index_new(&ix, x, ROWS, DIM, &options, NULL), ERR_OK);
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_OK);
    check_list(&t, result.hits, result.count);
    index_scratch_free(s);
    index_free(ix);
    mem_free(x);
}

static void clusters_keep_their_measured_recall_through_bytes(void **state)
{
    (void)state;
    enum { ROWS = 20000, DIM = 32, QUERIES = 100, K = 20 };
    rng r;
    rng_init(&r, 17, 0);
    float *x = mem_table(ROWS * DIM, sizeof *x);
    assert_non_null(x);
    fill_bunches(&r, x, ROWS, DIM, 100);
    vector_index *first = NULL, *again = NULL;
    index_scratch *s = NULL, *s2 = NULL;
    index_stats made, loaded;
    void *bytes = NULL;
    size_t count = 0;
    index_options options = {.kind = INDEX_ANN, .seed = 5};
    assert_int_equal(index_new(&first, x, ROWS, DIM, &options, NULL), ERR_OK);
    assert_int_equal(index_encode(first, &bytes, &count, NULL), ERR_OK);
    index_options stored = {.ann = bytes, .ann_bytes = count};
    assert_int_equal(index_new(&again, x, ROWS, DIM, &stored, NULL), ERR_OK);
    index_stats_get(first, &made);
    index_stats_get(again, &loaded);
    assert_int_equal(loaded.kind, INDEX_ANN);
    assert_int_equal(loaded.nprobe, made.nprobe);
    assert_true(made.recall >= INDEX_RECALL_MIN && made.nprobe < made.clusters / 2);
    assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
    assert_int_equal(index_scratch_new(&s2, NULL), ERR_OK);
    size_t right = 0;
    for (int n = 0; n < QUERIES; n++) {
        index_query query = {.q = x + (size_t)rng_below(&r, ROWS) * DIM, .k = K};
        index_result near, same, exact;
        assert_int_equal(index_search(first, &query, s, &near, NULL), ERR_OK);
        assert_int_equal(index_search(again, &query, s2, &same, NULL), ERR_OK);
        assert_false(near.exact);
        assert_memory_equal(near.hits, same.hits, K * sizeof *near.hits);
        query.exact = true;
        assert_int_equal(index_search(again, &query, s2, &exact, NULL), ERR_OK);
        assert_true(exact.exact);
        for (size_t i = 0; i < K; i++) {
            for (size_t j = 0; j < K; j++) {
                right += near.hits[i].row == exact.hits[j].row;
            }
        }
    }
    assert_true(right > QUERIES * K * 95 / 100);
    index_free(first);
    index_free(again);
    index_scratch_free(s);
    index_scratch_free(s2);
    mem_free(bytes);
    mem_free(x);
}

static void damaged_clusters_are_refused(void **state)
{
    (void)state;
    enum { ROWS = 300, DIM = 8 };
    rng r;
    rng_init(&r, 18, 0);
    float x[ROWS * DIM];
    fill_bunches(&r, x, ROWS, DIM, 10);
    vector_index *ix = NULL, *bad = NULL;
    void *bytes = NULL;
    size_t count = 0;
    index_options options = {.kind = INDEX_ANN};
    assert_int_equal(index_new(&ix, x, ROWS, DIM, &options, NULL), ERR_OK);
    assert_int_equal(index_encode(ix, &bytes, &count, NULL), ERR_OK);
    index_options stored = {.ann = bytes, .ann_bytes = count};
    for (size_t cut = 0; cut < count; cut += 97) {
        stored.ann_bytes = cut;
        assert_int_equal(index_new(&bad, x, ROWS, DIM, &stored, NULL), ERR_CORRUPT);
        assert_null(bad);
    }
    stored.ann_bytes = count;
    assert_int_equal(index_new(&bad, x, ROWS - 1, DIM, &stored, NULL), ERR_CORRUPT);
    uint32_t *row = (uint32_t *)bytes + count / 4 - 1;
    uint32_t kept = *row;
    *row = ROWS;
    assert_int_equal(index_new(&bad, x, ROWS, DIM, &stored, NULL), ERR_CORRUPT);
    *row = row[-1];
    assert_int_equal(index_new(&bad, x, ROWS, DIM, &stored, NULL), ERR_CORRUPT);
    *row = kept;
    for (int n = 0; n < 2000; n++) { /* whatever the bytes: no crash and no short list */
        uint8_t *byte = (uint8_t *)bytes + rng_below(&r, (uint32_t)count);
        uint8_t was = *byte;
        *byte ^= (uint8_t)(1 << rng_below(&r, 8));
        if (index_new(&bad, x, ROWS, DIM, &stored, NULL) == ERR_OK) {
            index_scratch *s = NULL;
            index_result result;
            index_query query = {.q = x, .k = 50};
            assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
            assert_int_equal(index_search(bad, &query, s, &result, NULL), ERR_OK);
            assert_int_equal(result.count, 50);
            index_scratch_free(s);
        }
        index_free(bad);
        *byte = was;
    }
    index_free(ix);
    mem_free(bytes);
}

static void many_queries_at_once_give_what_each_gives_alone(void **state)
{
    (void)state;
    enum { ROWS = 9000, DIM = 64, QUERIES = 9 };
    rng r;
    rng_init(&r, 19, 0);
    float *x = mem_table(ROWS * DIM, sizeof *x);
    assert_non_null(x);
    fill_bunches(&r, x, ROWS, DIM, 30);
    uint64_t skip[ROWS / 64 + 1];
    for (size_t w = 0; w < ROWS / 64 + 1; w++) {
        skip[w] = rng_next(&r) & rng_next(&r);
    }
    const index_kind kinds[] = {INDEX_FLOAT, INDEX_INT8, INDEX_ANN};
    for (size_t n = 0; n < 3; n++) {
        vector_index *ix = NULL;
        index_scratch *s = NULL, *alone = NULL;
        index_options options = {.kind = kinds[n]};
        index_query queries[QUERIES];
        index_result results[QUERIES], one;
        assert_int_equal(index_new(&ix, x, ROWS, DIM, &options, NULL), ERR_OK);
        assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
        assert_int_equal(index_scratch_new(&alone, NULL), ERR_OK);
        for (size_t i = 0; i < QUERIES; i++) {
            queries[i] = (index_query){.q = x + i * 100 * DIM,
                                       .k = 1 + i * 7,
                                       .skip = i % 2 == 0 ? skip : NULL,
                                       .exact = i % 3 == 0};
        }
        assert_int_equal(index_search_many(ix, queries, QUERIES, s, results, NULL), ERR_OK);
        for (size_t i = 0; i < QUERIES; i++) {
            assert_int_equal(index_search(ix, &queries[i], alone, &one, NULL), ERR_OK);
            assert_int_equal(one.count, results[i].count);
            assert_int_equal(one.exact, results[i].exact);
            assert_memory_equal(one.hits, results[i].hits, one.count * sizeof *one.hits);
        }
        index_scratch_free(s);
        index_scratch_free(alone);
        index_free(ix);
    }
    mem_free(x);
}

static void an_empty_index_answers_with_an_empty_list(void **state)
{
    (void)state;
    const float q[3] = {1, 2, 3};
    const index_kind kinds[] = {INDEX_AUTO, INDEX_FLOAT, INDEX_INT8, INDEX_ANN};
    for (size_t n = 0; n < 4; n++) {
        vector_index *ix = NULL;
        index_scratch *s = NULL;
        index_options options = {.kind = kinds[n]};
        index_query query = {.q = q, .k = 5};
        index_result result;
        assert_int_equal(index_new(&ix, NULL, 0, 3, &options, NULL), ERR_OK);
        assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_OK);
        assert_int_equal(result.count, 0);
        assert_true(result.exact);
        assert_int_equal(index_rows(ix), 0);
        index_scratch_free(s);
        index_free(ix);
    }
}

static void numbers_that_cannot_be_ordered_are_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e30F};
    float x[1000 * 4], q[4];
    for (size_t n = 0; n < 4; n++) {
        vector_index *ix = NULL;
        index_scratch *s = NULL;
        index_result result;
        err e = ERR_INIT;
        memset(x, 0, sizeof x);
        memset(q, 0, sizeof q);
        x[998 * 4 + 3] = bad[n];
        assert_int_equal(index_new(&ix, x, 1000, 4, NULL, &e), ERR_INVALID);
        assert_null(ix);
        assert_non_null(strstr(e.text, "vector 998"));
        x[998 * 4 + 3] = 0;
        assert_int_equal(index_new(&ix, x, 1000, 4, NULL, NULL), ERR_OK);
        assert_int_equal(index_scratch_new(&s, NULL), ERR_OK);
        q[2] = bad[n];
        index_query query = {.q = q, .k = 5};
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_INVALID);
        q[2] = 0;
        query.k = 0;
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_INVALID);
        query.k = INDEX_K_MAX + 1;
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_INVALID);
        query.k = 3; /* all scores are equal: the first rows win */
        assert_int_equal(index_search(ix, &query, s, &result, NULL), ERR_OK);
        assert_int_equal(result.count, 3);
        assert_int_equal(result.hits[2].row, 2);
        index_scratch_free(s);
        index_free(ix);
    }
    vector_index *ix = NULL;
    assert_int_equal(index_new(&ix, x, 1, 0, NULL, NULL), ERR_INVALID);
    assert_int_equal(index_new(&ix, x, 1, INDEX_DIM_MAX + 1, NULL, NULL), ERR_INVALID);
}

static void a_failed_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    enum { ROWS = 700, DIM = 12 };
    rng r;
    rng_init(&r, 20, 0);
    float x[ROWS * DIM];
    fill_bunches(&r, x, ROWS, DIM, 10);
    const index_kind kinds[] = {INDEX_FLOAT, INDEX_INT8, INDEX_ANN};
    for (size_t n = 0; n < 3; n++) {
        index_options options = {.kind = kinds[n]};
        err_code code = ERR_NOMEM;
        long failures = 0;
        while (code == ERR_NOMEM) {
            vector_index *ix = NULL;
            index_scratch *s = NULL;
            index_query query = {.q = x, .k = 5};
            index_result result;
            void *bytes = NULL;
            size_t count = 0;
            mem_fail_at(failures++);
            code = index_new(&ix, x, ROWS, DIM, &options, NULL);
            if (code == ERR_OK) {
                code = index_scratch_new(&s, NULL);
            }
            if (code == ERR_OK) {
                code = index_search(ix, &query, s, &result, NULL);
            }
            if (code == ERR_OK) {
                code = index_encode(ix, &bytes, &count, NULL);
            }
            mem_fail_at(-1);
            index_free(ix);
            index_scratch_free(s);
            mem_free(bytes);
        }
        assert_int_equal(code, ERR_OK);
        assert_true(failures > 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_has_the_same_bits_wherever_its_row_is_scored),
        cmocka_unit_test(
            a_topk_keeps_the_best_and_gives_ties_to_the_lower_row_in_any_order_of_arrival),
        cmocka_unit_test(merged_lists_are_the_list_of_all_hits),
        cmocka_unit_test(a_float_scan_equals_brute_force),
        cmocka_unit_test(a_first_pass_over_codes_loses_nothing),
        cmocka_unit_test(numbers_added_to_a_tiny_query_still_decide),
        cmocka_unit_test(an_exact_search_of_a_clustered_index_loses_nothing),
        cmocka_unit_test(an_approximate_list_is_never_short_and_holds_no_skipped_row),
        cmocka_unit_test(a_filter_that_leaves_only_far_clusters_still_finds_the_best),
        cmocka_unit_test(clusters_keep_their_measured_recall_through_bytes),
        cmocka_unit_test(damaged_clusters_are_refused),
        cmocka_unit_test(many_queries_at_once_give_what_each_gives_alone),
        cmocka_unit_test(an_empty_index_answers_with_an_empty_list),
        cmocka_unit_test(numbers_that_cannot_be_ordered_are_refused),
        cmocka_unit_test(a_failed_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
