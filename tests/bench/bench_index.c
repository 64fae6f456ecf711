/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_index: compares searches with the speed of the memory.
 *
 *   bench_index [ROWS ...]       default: 6700 63000 1000000
 *
 * For tables of ROWS x 64 clustered vectors it measures: a plain loop that reads as many bytes (the
 * machine's bandwidth at that size), the exact scan of the floats, the exact search over codes, the
 * approximate search with its recall@20, several queries in one pass, and searches under a filter.
 * Times are medians on one core. Compare only figures of the same run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/search/index.h"
#include "core/search/scan.h"

enum { DIM = 64, QUERIES = 200, K = 20, BATCH = 16, BUNCH = 250, MIX = 6 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_index: %s\n", e->text);
        exit(1);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    return times[count / 2];
}

/* fill_table makes rows like those of a trained table: bunches of different sizes, in a space whose
 * directions differ in weight, with norms that grow with popularity. */
static void fill_table(rng *r, float *x, size_t rows)
{
    size_t bunches = rows / BUNCH + 8;
    float *centre = mem_table(bunches * DIM, sizeof *centre);
    if (centre == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < bunches * DIM; i++) {
        centre[i] = (float)rng_normal(r) / sqrtf(1 + 0.1F * (float)(i % DIM));
    }
    for (size_t i = 0; i < rows; i++) {
        double u = rng_uniform(r);
        const float *near = centre + (size_t)(u * u * (double)bunches) * DIM;
        float size = 0.3F + 0.7F * (float)pow(rng_uniform(r), 3);
        for (size_t j = 0; j < DIM; j++) {
            x[i * DIM + j] =
                size * (near[j] + 0.5F * (float)rng_normal(r) / sqrtf(1 + 0.1F * (float)j));
        }
    }
    mem_free(centre);
}

/* fill_queries makes users: each is the mean of a few items plus a random part. */
static void fill_queries(rng *r, const float *x, size_t rows, float *q)
{
    for (size_t n = 0; n < QUERIES; n++, q += DIM) {
        memset(q, 0, DIM * sizeof *q);
        uint32_t mix = 1 + rng_below(r, MIX);
        for (uint32_t m = 0; m < mix; m++) {
            const float *row = x + (size_t)rng_below(r, (uint32_t)rows) * DIM;
            for (size_t j = 0; j < DIM; j++) {
                q[j] += row[j] / (float)mix + 0.05F * (float)rng_normal(r);
            }
        }
    }
}

/* read_sum adds up all bytes as floats, with eight sums in flight: it measures reading alone. */
KERNEL_CLONES static float read_sum(const float *x, size_t count)
{
    enum { STEP = 8 };
    kernel_vec sum[STEP] = {{0}};
    for (size_t i = 0; i + STEP * KERNEL_LANES <= count; i += STEP * KERNEL_LANES) {
        for (size_t s = 0; s < STEP; s++) {
            sum[s] += *(const kernel_vec_any *)(x + i + s * KERNEL_LANES);
        }
    }
    float total = 0;
    for (size_t s = 0; s < STEP; s++) {
        total += sum[s][0];
    }
    return total;
}

static double read_us(const float *x, size_t bytes)
{
    enum { TIMES = 21 };
    double times[TIMES];
    volatile float sink = 0;
    for (int n = 0; n < TIMES; n++) {
        double start = now_us();
        sink += read_sum(x, bytes / sizeof *x);
        times[n] = now_us() - start;
    }
    return median(times, TIMES);
}

typedef struct bench {
    size_t rows;
    const float *x; /* (rows, DIM) */
    const float *q; /* (QUERIES, DIM) */
    index_scratch *scratch;
} bench;

/* The result of searches: the median and 99th percentile of their times, and the share of `truth`
 * that they found. */
typedef struct outcome {
    double p50_us, p99_us, recall;
    bool exact;
} outcome;

static outcome run_searches(const bench *b, const vector_index *ix, const index_query *like,
                            topk_hit *truth /* (QUERIES, K) */, bool keep)
{
    double times[QUERIES];
    size_t found = 0;
    outcome out = {.exact = true};
    for (size_t n = 0; n < QUERIES + QUERIES / 4; n++) { /* the first quarter warms up */
        size_t i = n % QUERIES;
        index_query query = *like;
        index_result result;
        err e = ERR_INIT;
        query.q = b->q + i * DIM;
        query.k = K;
        double start = now_us();
        must(index_search(ix, &query, b->scratch, &result, &e), &e);
        times[i] = now_us() - start;
        out.exact = out.exact && result.exact;
        if (keep) {
            memcpy(truth + i * K, result.hits, K * sizeof *truth);
        }
        for (size_t h = 0; h < result.count && n >= QUERIES / 4; h++) {
            for (size_t t = 0; t < K; t++) {
                found += truth[i * K + t].row == result.hits[h].row;
            }
        }
    }
    qsort(times, QUERIES, sizeof *times, by_size);
    out.p50_us = times[QUERIES / 2];
    out.p99_us = times[QUERIES * 99 / 100];
    out.recall = (double)found / (QUERIES * K);
    return out;
}

static double run_batches(const bench *b, const vector_index *ix, bool exact)
{
    double times[QUERIES / BATCH];
    for (size_t n = 0; n < QUERIES / BATCH; n++) {
        index_query queries[BATCH];
        index_result results[BATCH];
        err e = ERR_INIT;
        for (size_t i = 0; i < BATCH; i++) {
            queries[i] = (index_query){.q = b->q + (n * BATCH + i) * DIM, .k = K, .exact = exact};
        }
        double start = now_us();
        must(index_search_many(ix, queries, BATCH, b->scratch, results, &e), &e);
        times[n] = (now_us() - start) / BATCH;
    }
    return median(times, QUERIES / BATCH);
}

static vector_index *build(const bench *b, index_kind kind, double *seconds)
{
    vector_index *ix = NULL;
    err e = ERR_INIT;
    index_options options = {.kind = kind, .threads = 2, .seed = 1};
    double start = now_us();
    must(index_new(&ix, b->x, b->rows, DIM, &options, &e), &e);
    *seconds = (now_us() - start) / 1e6;
    return ix;
}

static void print_outcome(const char *what, outcome o, double bytes, double bandwidth)
{
    printf("  %-34s p50 %9.1f us  p99 %9.1f us", what, o.p50_us, o.p99_us);
    if (bytes > 0) {
        printf("  %5.2f x its bytes / bandwidth", o.p50_us * bandwidth / bytes);
    }
    printf("  recall@%d %.4f%s\n", K, o.recall, o.exact ? " exact" : "");
}

/* run_filters searches with a share of the rows left as candidates. */
static void run_filters(const bench *b, const vector_index *ix, rng *r)
{
    const double shares[] = {0.5, 0.1, 0.01, 0.001};
    uint64_t *skip = mem_array(b->rows / 64 + 1, sizeof *skip);
    topk_hit *truth = mem_array(QUERIES * K, sizeof *truth);
    if (skip == NULL || truth == NULL) {
        exit(1);
    }
    for (size_t n = 0; n < sizeof shares / sizeof *shares; n++) {
        memset(skip, 0xFF, (b->rows / 64 + 1) * sizeof *skip);
        for (size_t i = 0; i < b->rows; i++) {
            if (rng_uniform(r) < shares[n]) {
                skip[i / 64] &= ~(UINT64_C(1) << i % 64);
            }
        }
        char what[64];
        index_query exact = {.skip = skip, .exact = true}, near = {.skip = skip};
        (void)snprintf(what, sizeof what, "filter passes %.1f %%, exact", shares[n] * 100);
        print_outcome(what, run_searches(b, ix, &exact, truth, true), 0, 0);
        (void)snprintf(what, sizeof what, "filter passes %.1f %%", shares[n] * 100);
        print_outcome(what, run_searches(b, ix, &near, truth, false), 0, 0);
    }
    mem_free(skip);
    mem_free(truth);
}

static void run_kind(const bench *b, index_kind kind, topk_hit *truth, rng *r)
{
    const char *names[] = {"", "floats", "codes, exact", "clusters"};
    double seconds = 0, float_bytes = (double)(b->rows * DIM * sizeof(float));
    vector_index *ix = build(b, kind, &seconds);
    index_stats stats;
    index_stats_get(ix, &stats);
    double bytes = kind == INDEX_FLOAT ? float_bytes : (double)stats.bytes - float_bytes;
    bytes = kind == INDEX_ANN ? 0 : bytes;
    double bandwidth = bytes > 0 ? bytes / read_us(b->x, (size_t)bytes) : 0;
    index_query like = {.exact = false};
    outcome o = run_searches(b, ix, &like, truth, kind == INDEX_FLOAT);
    print_outcome(names[kind], o, bytes, bandwidth);
    if (kind == INDEX_ANN) {
        index_query exact = {.exact = true};
        print_outcome("clusters, exact asked for", run_searches(b, ix, &exact, truth, false), 0, 0);
        printf("  %-34s %zu of %zu, recall@20 %.4f when built, build %.1f s\n", "clusters read",
               stats.nprobe, stats.clusters, (double)stats.recall, seconds);
    } else {
        printf("  %-34s %.1f GB/s at this size, build %.2f s, %.0f bytes a row\n", "bandwidth",
               bandwidth / 1e3, seconds, (double)stats.bytes / (double)b->rows);
    }
    printf("  %-34s p50 %9.1f us a query\n", "16 queries in one pass",
           run_batches(b, ix, kind != INDEX_ANN));
    if (kind == INDEX_ANN || (kind == INDEX_INT8 && b->rows < INDEX_ANN_ROWS_MIN)) {
        run_filters(b, ix, r);
    }
    index_free(ix);
}

static void run_size(size_t rows)
{
    rng r;
    rng_init(&r, 1, 0);
    err e = ERR_INIT;
    float *x = mem_table(rows * DIM, sizeof *x);
    float *q = mem_table(QUERIES * DIM, sizeof *q);
    topk_hit *truth = mem_array(QUERIES * K, sizeof *truth);
    bench b = {.rows = rows, .x = x, .q = q};
    if (x == NULL || q == NULL || truth == NULL) {
        exit(1);
    }
    must(index_scratch_new(&b.scratch, &e), &e);
    fill_table(&r, x, rows);
    fill_queries(&r, x, rows, q);
    printf("%zu x %d, k %d, one core\n", rows, DIM, K);
    run_kind(&b, INDEX_FLOAT, truth, &r);
    run_kind(&b, INDEX_INT8, truth, &r);
    if (rows >= INDEX_ANN_ROWS_MIN / 4) {
        run_kind(&b, INDEX_ANN, truth, &r);
    }
    index_scratch_free(b.scratch);
    mem_free(x);
    mem_free(q);
    mem_free(truth);
}

int main(int argc, char **argv)
{
    const size_t sizes[] = {6700, 63000, 1000000};
    (void)fflush(stdout);
    (void)system("tests/support/machine.sh");
    if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            run_size(strtoul(argv[i], NULL, 10));
        }
        return 0;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        run_size(sizes[i]);
    }
    return 0;
}
