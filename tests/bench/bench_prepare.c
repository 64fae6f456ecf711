/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_prepare: measures time and memory of preparing features (whitening and neighbours), and
 * compares the time with a lower limit.
 *
 * The limit is the number of operations over the rate of this machine's BLAS at a large square
 * product. Whitening, in double, takes rows width^2 for the Gram matrix and 4/3 width^3 for its
 * tridiagonal form; the rest is small. Neighbours, in single, take rows^2 width, each pair once. A
 * table of more than KNN_EXACT_ROWS_MAX rows that lie in bunches is searched by clusters, and then
 * the time can be below the limit. Every size runs in its own process, so that each has its own
 * peak of memory. BENCH_LONG=1 adds a million rows. BENCH_THREADS sets the threads, default 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/train/method/knn.h"
#include "core/train/method/whiten.h"
#include "tests/bench/measuring.h"

static int threads = 2;

enum { SIDE = 2048, RUNS = 3 };

/* rates measures a product in single and in double precision: operations a second, the best of
 * RUNS. */
static void rates(double *single, double *twice)
{
    size_t count = (size_t)SIDE * SIDE;
    float *a = need(mem_table(count, sizeof *a)), *c = need(mem_table(count, sizeof *c));
    double *x = need(mem_table(count, sizeof *x)), *g = need(mem_table(count, sizeof *g));
    blas_product p = {
        .a = a, .b = a, .c = c, .rows = SIDE, .cols = SIDE, .dim = SIDE, .stride = SIDE};
    double work = (double)count * SIDE, best = 1e9, best_twice = 1e9;
    for (size_t i = 0; i < count; i++) {
        a[i] = (float)(i % 7);
        x[i] = (double)(i % 7);
    }
    blas_threads(threads);
    for (int run = 0; run <= RUNS; run++) {
        double start = now();
        blas_scores(&p);
        double middle = now();
        blas_gram(x, SIDE, SIDE, g);
        double end = now();
        if (run > 0) { /* the first touches the memory */
            best = middle - start < best ? middle - start : best;
            best_twice = end - middle < best_twice ? end - middle : best_twice;
        }
    }
    *single = 2 * work / best;
    *twice = work / best_twice; /* half of the matrix */
    mem_free(a);
    mem_free(c);
    mem_free(x);
    mem_free(g);
}

typedef struct size {
    size_t rows, width;
    /* random directions around which the rows lie, like goods of a kind; 0: rows lie evenly
     * anywhere */
    size_t bunches;
} size;

/* add_random adds numbers that are cheap to draw: each is made of two random bytes. A few columns
 * are stronger than the rest. */
static void add_random(uint64_t stream, float scale, size_t width, float *out)
{
    rng r;
    rng_init(&r, 11, stream);
    for (size_t j = 0; j < width; j += 4) {
        uint64_t bits = rng_next(&r);
        for (size_t k = 0; k < 4 && j + k < width; k++) {
            float x = scale * (float)((int)(bits >> (16 * k) & 0xffff) - 32768);
            out[j + k] += x * (j + k < 96 ? (float)(100 - j) : 1.0F);
        }
    }
}

static err_code random_features(void *ctx, size_t first, size_t count, float *out, err *e)
{
    (void)e;
    const size *z = ctx;
    memset(out, 0, count * z->width * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        size_t r = first + i;
        add_random(r, z->bunches > 0 ? 0.3F : 1, z->width, out + i * z->width);
        if (z->bunches > 0) {
            add_random(z->rows + r % z->bunches, 1, z->width, out + i * z->width);
        }
    }
    return ERR_OK;
}

static double whitening_seconds(const feature_source *s)
{
    enum { DIM = 64 };
    whitening w = {0};
    err e = ERR_INIT;
    w.mean = need(mem_table(s->width, sizeof(float)));
    w.projection = need(mem_table(s->width * DIM, sizeof(float)));
    w.spread = need(mem_table(DIM, sizeof(float)));
    w.content = need(mem_table(s->rows * DIM, sizeof(float)));
    double start = now();
    must(whiten_run(s, DIM, threads, &w, &e), &e);
    double seconds = now() - start;
    mem_free(w.mean);
    mem_free(w.projection);
    mem_free(w.spread);
    mem_free(w.content);
    return seconds;
}

static double neighbours_seconds(const feature_source *s)
{
    enum { K = 5 };
    err e = ERR_INIT;
    uint32_t *found = need(mem_array(s->rows * K, sizeof *found));
    knn_options o = {.k = K, .threads = threads};
    double start = now();
    must(knn_search(s, &o, found, NULL, &e), &e);
    double seconds = now() - start;
    mem_free(found);
    return seconds;
}

static void preparation(size z, double single, double twice)
{
    feature_source s = {.width = z.width, .rows = z.rows, .read = random_features, .ctx = &z};
    double n = (double)z.rows, d = (double)z.width, before = peak_mib();
    double whitening_limit = (n * d * d + 4.0 / 3 * d * d * d) / twice;
    double neighbours_limit = n * n * d / single;
    double seconds = whitening_seconds(&s), peak = peak_mib() - before;
    printf("| %zu x %zu%s | %.2f | %.2f | %.1f | %.0f ", z.rows, z.width,
           z.bunches > 0 ? ", in bunches" : "", seconds, whitening_limit, seconds / whitening_limit,
           peak);
    seconds = neighbours_seconds(&s);
    printf("| %.1f | %.1f | %.2f | %.0f | %.0f |\n", seconds, neighbours_limit,
           seconds / neighbours_limit, peak_mib() - before, n * d * sizeof(float) / (1 << 20));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const size sizes[] = {
        {18000, 384, 0}, {63000, 384, 0}, {63000, 4096, 0}, {1000000, 64, 20000}, {1000000, 64, 0}};
    enum { SHORT = 3, ALL = sizeof sizes / sizeof sizes[0] };
    const char *text = getenv("BENCH_THREADS");
    threads = text != NULL ? atoi(text) : 2;
    if (argc > 3) {
        preparation(sizes[atoi(argv[1]) % ALL], atof(argv[2]), atof(argv[3]));
        return 0;
    }
    double single, twice;
    rates(&single, &twice);
    printf("BLAS, %d threads: %.0f Gflop/s single, %.0f double; MiB are what came above the "
           "process's start\n\n",
           threads, single / 1e9, twice / 1e9);
    printf("| features | whitening s | limit s | ratio | MiB | 5 neighbours s | limit s | ratio | "
           "MiB at most | features as float MiB |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    fflush(stdout);
    for (int i = 0; i < (getenv("BENCH_LONG") != NULL ? ALL : SHORT); i++) {
        char command[512];
        snprintf(command, sizeof command, "%s %d %g %g", argv[0], i, single, twice);
        if (system(command) != 0) {
            return 1;
        }
    }
    return 0;
}
