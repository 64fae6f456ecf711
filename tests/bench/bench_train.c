/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_train: measures time and memory of a training: every kernel, compared with the memory's
 * bandwidth, then seconds an epoch and memory by size. bench_prepare measures the preparation.
 *
 * The data is random with popular and rare items (a power law), because the cache helps more if few
 * rows are used often. BENCH_LONG=1 adds the sizes that take minutes. BENCH_THREADS sets the
 * threads, default 2. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/fsc_pass.h"
#include "core/model/interaction_graph.h"
#include "core/model/stepwise.h"
#include "core/train/method/adamw.h"
#include "core/train/method/bsc.h"
#include "core/train/method/item_graph.h"
#include "core/train/method/step.h"
#include "tests/bench/measuring.h"

static int threads = 2;

static float *table(size_t floats)
{
    return need(mem_table(floats, sizeof(float)));
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The seconds of `count` runs. Other work on the machine only adds time, so a kernel is judged by
 * its best run. */
typedef struct duration {
    double best, median;
} duration;

static duration timed(void (*run)(void *), void *ctx, int count)
{
    double seconds[256];
    run(ctx);
    for (int i = 0; i < count; i++) {
        double start = now();
        run(ctx);
        seconds[i] = now() - start;
    }
    qsort(seconds, (size_t)count, sizeof *seconds, ascending);
    return (duration){seconds[0], seconds[count / 2]};
}

typedef struct sizes {
    const char *name;
    size_t users, items, pairs;
    uint32_t batch;
} sizes;

typedef struct shop {
    sizes z;
    pair *pairs;
    size_t count;
    csr *a, *s;
} shop;

static uint32_t popular_item(rng *r, size_t items)
{
    /* Ranks by a power law, spread over the rows by a fixed odd stride. */
    double rank =
        pow((double)items, rng_uniform(r) * rng_uniform(r) * 0.35 + rng_uniform(r) * 0.65);
    uint64_t row = (uint64_t)(rank - 1) * 2654435761u;
    return (uint32_t)(row % items);
}

static void shop_init(shop *x, const sizes *z)
{
    rng r;
    err e = ERR_INIT;
    rng_init(&r, 7, 0);
    x->z = *z;
    x->pairs = need(mem_array(z->pairs, sizeof *x->pairs));
    for (size_t k = 0; k < z->pairs; k++) {
        uint32_t user = k < z->users ? (uint32_t)k : rng_below(&r, (uint32_t)z->users);
        x->pairs[k] = (pair){user, popular_item(&r, z->items), 1, 0};
    }
    x->count = pairs_sort(x->pairs, z->pairs);
    interaction_list list = {x->pairs, x->count, z->users, z->items};
    must(interaction_graph_new(&x->a, &list, threads, &e), &e);
    uint32_t *rows = need(mem_array(z->items * 6, sizeof *rows));
    for (size_t i = 0; i < z->items * 6; i++) {
        rows[i] = rng_below(&r, (uint32_t)z->items);
    }
    neighbour_lists lists = {.rows = rows, .k = 6};
    must(item_graph_new(&x->s, &lists, 1, z->items, threads, &e), &e);
    mem_free(rows);
}

static void shop_fini(shop *x)
{
    mem_free(x->pairs);
    csr_free(x->a);
    csr_free(x->s);
}

typedef struct training {
    shop *x;
    size_t dim;
    float *w, *f, *b, *embeddings, *m, *v;
    float *layer;     /* (users + items, dim) for single kernels */
    float *direction; /* (items, dim) for single kernels */
    stepper *step;
    bpr *loss;
    rng r;
    uint32_t *users, *positives, *negatives;
    uint64_t time;
} training;

static void draw(training *t)
{
    for (uint32_t k = 0; k < t->x->z.batch; k++) {
        const pair *p = &t->x->pairs[rng_below(&t->r, (uint32_t)t->x->count)];
        t->users[k] = p->user;
        t->positives[k] = p->item;
        t->negatives[k] = bpr_negative(&t->r, t->x->a, t->x->z.users, p->user, NULL);
    }
}

static bpr_batch batch_of(const training *t)
{
    return (bpr_batch){t->users, t->positives, t->negatives, t->x->z.batch};
}

static void training_init(training *t, shop *x, size_t dim)
{
    size_t floats = (x->z.users + x->z.items) * dim;
    err e = ERR_INIT;
    *t = (training){.x = x, .dim = dim};
    rng_init(&t->r, 3, 0);
    t->w = table(dim);
    t->f = table(dim);
    t->b = table(dim);
    t->embeddings = table(floats);
    t->m = table(floats);
    t->v = table(floats);
    stepwise_layer(0.2, dim, t->f);
    stepwise_smoothing(0.2, dim, t->b);
    stepwise_scale(t->f, dim, 3, t->w);
    for (size_t i = 0; i < floats; i++) {
        t->embeddings[i] = (float)(0.1 * (rng_uniform(&t->r) - 0.5));
    }
    t->users = need(mem_array(x->z.batch, sizeof *t->users));
    t->positives = need(mem_array(x->z.batch, sizeof *t->positives));
    t->negatives = need(mem_array(x->z.batch, sizeof *t->negatives));
    step_config c = {.a = x->a,
                     .s = x->s,
                     .users = x->z.users,
                     .items = x->z.items,
                     .dim = dim,
                     .layers = 3,
                     .w = t->w,
                     .f = t->f,
                     .b = t->b,
                     .lr = 1e-3,
                     .weight_decay = 0.1,
                     .batch_max = x->z.batch,
                     .threads = threads,
                     .embeddings = t->embeddings,
                     .m = t->m,
                     .v = t->v};
    must(stepper_new(&t->step, &c, &e), &e);
    must(bpr_new(&t->loss, x->z.users, x->z.items, dim, x->z.batch, &e), &e);
    t->loss->threads = threads;
}

static void training_fini(training *t)
{
    stepper_free(t->step);
    bpr_free(t->loss);
    float *tables[] = {t->w, t->f, t->b, t->embeddings, t->m, t->v};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        mem_free(tables[i]);
    }
    mem_free(t->users);
    mem_free(t->positives);
    mem_free(t->negatives);
}

static void one_step(void *ctx)
{
    training *t = ctx;
    draw(t);
    bpr_batch batch = batch_of(t);
    (void)stepper_run(t->step, &batch, ++t->time);
}

static void forward_layer(void *ctx)
{
    training *t = ctx;
    fsc_pass p = {.a = t->x->a, .dim = t->dim, .f = t->f, .threads = threads};
    p.base.x = t->embeddings;
    p.in.x = t->embeddings;
    p.out = t->layer;
    p.last = t->x->a->rows;
    fsc_pass_rows(&p);
}

static void backward_first(void *ctx)
{
    training *t = ctx;
    fsc_rows rows = {t->loss->g, t->loss->slot_of, t->loss->zero};
    fsc_pass p = {.a = t->x->a, .dim = t->dim, .f = t->f, .threads = threads};
    p.base = p.in = rows;
    p.out = t->layer;
    p.last = t->x->a->rows;
    fsc_pass_sparse(&p);
}

static void forward_last(void *ctx)
{
    training *t = ctx;
    fsc_pass p = {.a = t->x->a, .dim = t->dim, .f = t->f, .scale = t->w, .threads = threads};
    p.base.x = t->embeddings;
    p.in.x = t->embeddings;
    p.out = t->loss->h;
    fsc_pass_list(&p, t->loss->row, t->loss->slots);
}

static void adam(void *ctx)
{
    training *t = ctx;
    adamw o = {.embeddings = t->embeddings, .m = t->m, .v = t->v, .lr = 1e-3F, .time = 100};
    o.last = (fsc_pass){.a = t->x->a, .dim = t->dim, .f = t->f, .scale = t->w, .threads = threads};
    o.last.base = (fsc_rows){t->loss->g, t->loss->slot_of, t->loss->zero};
    o.last.in.x = t->layer;
    o.last.last = t->x->z.users;
    o.decay = 0.9999F;
    adamw_step(&o);
    o.last.first = t->x->z.users;
    o.last.last = t->x->a->rows;
    o.direction = t->direction;
    adamw_step(&o);
}

static void smooth(void *ctx)
{
    training *t = ctx;
    float *const scratch[2] = {t->layer + t->x->z.items * t->dim, t->layer};
    bsc op = {t->x->s, t->b, t->w, t->dim, 3, threads};
    bsc_apply(&op, t->direction, scratch, 1e-9F, t->embeddings + t->x->z.users * t->dim);
}

static void gradient(void *ctx)
{
    training *t = ctx;
    (void)bpr_gradient(t->loss);
}

typedef struct triad {
    float *a, *b, *c;
    size_t count;
} triad;

static void run_triad(void *ctx)
{
    triad *t = ctx;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < t->count; i++) {
        t->a[i] = t->b[i] + 0.5F * t->c[i];
    }
}

/* bandwidth returns the bytes a second of a triad over tables that have `bytes` bytes together. The
 * size decides whether they fit into a cache. */
static double bandwidth(size_t bytes)
{
    triad t = {.count = bytes / 3 / sizeof(float)};
    t.a = table(t.count);
    t.b = table(t.count);
    t.c = table(t.count);
    double seconds = timed(run_triad, &t, 41).best;
    mem_free(t.a);
    mem_free(t.b);
    mem_free(t.c);
    return 3.0 * (double)t.count * sizeof(float) / seconds;
}

/* row prints a line of the table. `bytes` is the least number of bytes that must move, `limit` the
 * bandwidth in bytes a second. The last column is the time over the least possible time. */
static void row(const char *name, double seconds, double bytes, double limit)
{
    printf("| %-30s | %8.3f | %8.2f | %6.1f | %5.2f |\n", name, 1e3 * seconds, bytes / 1e6,
           bytes / seconds / 1e9, seconds / (bytes / limit));
}

static void kernels(const sizes *z)
{
    shop x;
    training t;
    shop_init(&x, z);
    training_init(&t, &x, 64);
    t.layer = table((z->users + z->items) * t.dim);
    t.direction = table(z->items * t.dim);
    double rows = (double)(z->users + z->items), items = (double)z->items, line = 256;
    double limit = bandwidth((size_t)(6 * rows * line));
    draw(&t);
    bpr_batch batch = batch_of(&t);
    bpr_begin(t.loss, &batch);
    double slots = (double)t.loss->slots, nnz = (double)x.a->nnz, near = 0, inside = 0;
    for (size_t k = 0; k < t.loss->slots; k++) {
        near += (double)(x.a->start[t.loss->row[k] + 1] - x.a->start[t.loss->row[k]]);
    }
    for (size_t k = 0; k < x.a->nnz; k++) {
        inside += t.loss->slot_of[x.a->col[k]] != FSC_NO_SLOT;
    }
    printf(
        "\n%s: %zu users, %zu items, %zu interactions, batch %u, dim 64, %d threads; triad over as "
        "many bytes as the tables: %.1f GB/s\n\n",
        z->name, z->users, z->items, x.count, z->batch, threads, limit / 1e9);
    printf("| kernel | ms | MB | GB/s | time over limit |\n| --- | --- | --- | --- | --- |\n");
    row("forward layer, all rows", timed(forward_layer, &t, 101).best,
        nnz * (line + 8) + 2 * rows * line, limit);
    row("forward layer, batch's rows", timed(forward_last, &t, 101).best,
        near * (line + 8) + 2 * slots * line, limit);
    row("loss and gradient", timed(gradient, &t, 101).best,
        (double)z->batch * (3 + 4) * line + slots * line, limit);
    row("backward layer, from the batch", timed(backward_first, &t, 101).best,
        nnz * 12 + inside * line + rows * line, limit);
    row("backward layer with AdamW", timed(adam, &t, 101).best,
        nnz * (line + 8) + 6 * rows * line + items * line, limit);
    row("BSC, three layers", timed(smooth, &t, 101).best,
        3 * ((double)x.s->nnz * (line + 8) + 2 * items * line) + items * line, limit);
    bpr_end(t.loss);
    duration step = timed(one_step, &t, 200);
    double steps = ceil((double)x.count / z->batch);
    printf("| whole step | %.3f | | | |\n", 1e3 * step.best);
    printf("\n%.0f steps: %.3f s an epoch at the best step's pace, %.3f s at the median's\n", steps,
           steps * step.best, steps * step.median);
    fflush(stdout);
    mem_free(t.layer);
    mem_free(t.direction);
    training_fini(&t);
    shop_fini(&x);
}

static double csr_bytes(const csr *m)
{
    return (double)(m->rows + 1) * sizeof *m->start +
           (double)m->nnz * (sizeof *m->col + sizeof *m->value);
}

/* scaling prints the seconds an epoch and the memory at one size. `before` is the MiB that the
 * process had at its start: code and libraries, which do not depend on the shop. */
static void scaling(const sizes *z, double before)
{
    shop x;
    training t;
    shop_init(&x, z);
    training_init(&t, &x, 64);
    double table_bytes = (double)(z->users + z->items) * 64 * 4;
    duration step = timed(one_step, &t, 50);
    double steps = ceil((double)x.count / z->batch);
    double must_have = (6 * table_bytes + csr_bytes(x.a) + csr_bytes(x.s)) / (1 << 20);
    double peak = peak_mib() - before;
    printf("| %s | %zu | %zu | %zu | %u | %.1f | %.2f%s | %.0f + %.0f | %.0f | %.2f |\n", z->name,
           z->users, z->items, x.count, z->batch, 1e3 * step.median, steps * step.median,
           z->pairs > 1000000 ? " (50 steps, extrapolated)" : "", before, peak, must_have,
           peak / must_have);
    training_fini(&t);
    shop_fini(&x);
}

int main(int argc, char **argv)
{
    const char *text = getenv("BENCH_THREADS");
    bool everything = getenv("BENCH_LONG") != NULL;
    threads = text != NULL ? atoi(text) : 2;
    static const sizes like_tiktok = {"like tiktok", 9308, 6710, 61000, 1024};
    static const sizes like_baby = {"like Baby", 19445, 7050, 122000, 1024};
    static const sizes grow[] = {{"0.1M", 10000, 2000, 100000, 1024},
                                 {"1M", 100000, 20000, 1000000, 4096},
                                 {"10M", 1000000, 200000, 10000000, 16384}};
    if (argc > 1) {
        scaling(&grow[atoi(argv[1]) % 3], peak_mib());
        return 0;
    }
    kernels(&like_tiktok);
    kernels(&like_baby);
    printf(
        "\nmust have: E, both moments, gradient, two propagation tables, both CSRs, S; peak: what "
        "the "
        "process had at its start + what came\n\n"
        "| size | users | items | interactions | batch | ms a step | s an epoch | peak MiB | must "
        "have MiB | ratio |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    fflush(stdout);
    for (int i = 0; i < (everything ? 3 : 2); i++) {
        char command[512]; /* a process of its own, for its own peak of memory */
        snprintf(command, sizeof command, "%s %d", argv[0], i);
        if (system(command) != 0) {
            return 1;
        }
    }
    return 0;
}
