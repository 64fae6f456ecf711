/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_links: measures the time that links add to a list, below HTTP.
 *
 *   bench_links [ITEMS USERS INTERACTIONS]
 *
 * The bench serves a drawn shop twice, with links (tests/bench/drawn_links.h) and without, and
 * requests lists for the same users from both in turns. It prints medians of single lists, in
 * microseconds of processor time, and their ratio. Processor time suffers less from other work on
 * the machine than elapsed time. Then it repeats this for users with longer and longer
 * histories. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/model.h"
#include "core/serve/query/recommend.h"
#include "core/serve/update/live.h"
#include "tests/bench/drawn_links.h"

enum { DIM = 64, KIND = 250, ROUNDS = 5000, LONG_ROUNDS = 60, EXTRA = 4 };

static const size_t histories[EXTRA] = {100, 1000, 10000, 30000};

typedef struct bench {
    size_t items, users, wanted;
    pair *pairs;
    size_t count;
    uint32_t step;
} bench;

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_links: %s\n", e->text);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static uint32_t item_at(const bench *b, size_t kind, size_t member)
{
    return (uint32_t)((kind * KIND + member) % b->items * b->step % b->items);
}

static void draw_pairs(bench *b)
{
    rng r;
    rng_init(&r, 7, 1);
    size_t kinds = b->items / KIND, mean = b->wanted / b->users;
    b->pairs = mem_array(b->wanted + b->users + 50000, sizeof *b->pairs);
    for (uint32_t u = 0; u < b->users; u++) {
        size_t tastes[3];
        for (size_t t = 0; t < 3; t++) {
            double at = rng_uniform(&r);
            tastes[t] = (size_t)(at * at * (double)kinds);
        }
        size_t count = 1 + rng_below(&r, (uint32_t)(2 * mean));
        for (size_t i = 0; i < count && b->count < b->wanted; i++) {
            double at = rng_uniform(&r);
            uint32_t item = item_at(b, tastes[rng_below(&r, 3)], (size_t)(at * at * KIND));
            b->pairs[b->count++] = (pair){u, item, 1, (uint32_t)(i + 1)};
        }
    }
    for (uint32_t n = 0; n < EXTRA; n++) {
        for (size_t i = 0; i < histories[n] && i < b->items / 2; i++) {
            uint32_t item = rng_below(&r, (uint32_t)b->items);
            b->pairs[b->count++] = (pair){(uint32_t)b->users + n, item, 1, (uint32_t)(i + 1)};
        }
    }
    b->users += EXTRA;
    b->count = pairs_sort(b->pairs, b->count);
}

static model *draw_model(const bench *b)
{
    rng r;
    err e = ERR_INIT;
    model *m = NULL;
    train_options o = TRAIN_OPTIONS_INIT;
    rng_init(&r, 7, 2);
    must(model_new(&m, &o, b->users, b->items, 0, &e), &e);
    for (size_t kind = 0; kind < b->items / KIND; kind++) {
        float centre[DIM];
        for (size_t j = 0; j < DIM; j++) {
            centre[j] = (float)rng_normal(&r) / sqrtf(1 + 0.1F * (float)j);
        }
        for (size_t n = 0; n < KIND; n++) {
            float *own = m->item_e + (size_t)item_at(b, kind, n) * DIM;
            float size = 0.3F + 0.7F * powf(1 - (float)n / KIND, 3);
            for (size_t j = 0; j < DIM; j++) {
                own[j] = size * (centre[j] + 0.5F * (float)rng_normal(&r));
            }
        }
    }
    for (size_t i = 0; i < b->count; i++) {
        for (size_t j = 0; j < DIM; j++) {
            m->user_e[b->pairs[i].user * DIM + j] += 0.1F * m->item_e[b->pairs[i].item * DIM + j];
        }
    }
    must(model_finish(m, b->pairs, b->count, &e), &e);
    return m;
}

/* link adds links to the model and prints their size. */
static void link(const bench *b, model *m)
{
    err e = ERR_INIT;
    must(drawn_links_add(m, b->pairs, b->count, 2, &e), &e);
    const item_links *l = m->links;
    printf("  links: %llu collaborative, %llu content, %.1f MB, %.2f bytes a link\n",
           (unsigned long long)l->source[0].start[b->items],
           (unsigned long long)l->source[1].start[b->items], (double)links_bytes(l) / 1e6,
           (double)links_bytes(l) /
               (double)(l->source[0].start[b->items] + l->source[1].start[b->items]));
}

static live *open_shop(const bench *b, bool linked)
{
    err e = ERR_INIT;
    live *l = NULL;
    must(live_new(&l, NULL, &e), &e);
    char id[24];
    for (uint32_t i = 0; i < b->items; i++) {
        snprintf(id, sizeof id, "i%u", i);
        change_item item = {.row = i, .created = true, .id = slice_of(id)};
        must(live_load_item(l, &item, &e), &e);
    }
    live_edge *edges = mem_array(b->items, sizeof *edges);
    size_t at = 0;
    for (uint32_t u = 0; u < b->users; u++) {
        size_t count = 0;
        for (; at < b->count && b->pairs[at].user == u; at++) {
            edges[count++] = (live_edge){.item = b->pairs[at].item,
                                         .weight = 1,
                                         .time = b->pairs[at].time,
                                         .flags = EDGE_IN_GRAPH | EDGE_SEEN};
        }
        snprintf(id, sizeof id, "u%u", u);
        must(live_load_user(l, u, slice_of(id), edges, count, &e), &e);
    }
    mem_free(edges);
    must(live_load_end(l, 1, &e), &e);
    model *m = draw_model(b);
    if (linked) {
        link(b, m);
    }
    base_options options = {.generation = 1, .threads = 2};
    base *made = NULL;
    must(base_new(&made, m, &options, &e), &e);
    must(live_activate(l, made, 2, &e), &e);
    return l;
}

static double ask(const view *v, uint32_t user, recommend_scratch *s)
{
    err e = ERR_INIT;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    q.user = user;
    q.k = 20;
    double start = now_us();
    must(recommend(v, &q, s, &got, &e), &e);
    return now_us() - start;
}

static int ascending(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return (*a > *b) - (*a < *b);
}

/* compare requests lists from both shops in turns. `user` ROW_NONE: random users. */
static void compare(const char *what, const live_hold hold[2], recommend_scratch *s, uint32_t user,
                    size_t users, size_t rounds)
{
    static double took[2][ROUNDS];
    rng r;
    rng_init(&r, 9, 1);
    for (size_t n = 0; n < rounds; n++) {
        uint32_t who = user != ROW_NONE ? user : rng_below(&r, (uint32_t)users);
        for (int side = 0; side < 2; side++) {
            took[side][n] = ask(hold[side].view, who, s);
        }
    }
    for (int side = 0; side < 2; side++) {
        qsort(took[side], rounds, sizeof took[side][0], ascending);
    }
    double plain = took[0][rounds / 2], linked = took[1][rounds / 2];
    printf("  %-22s without %8.1f us, with links %8.1f us (p99 %8.1f): %.2f of the rate\n", what,
           plain, linked, took[1][rounds * 99 / 100], plain / linked);
}

static void run(size_t items, size_t users, size_t interactions)
{
    bench b = {.items = items, .users = users, .wanted = interactions};
    for (b.step = (uint32_t)(items / 3 + 1); items % b.step == 0 || b.step % 2 == items % 2;) {
        b.step++;
    }
    draw_pairs(&b);
    printf("%zu items, %zu users, %zu interactions\n", items, users, b.count);
    live *shops[2] = {open_shop(&b, false), open_shop(&b, true)};
    live_hold hold[2];
    recommend_scratch *s = NULL;
    err e = ERR_INIT;
    must(recommend_scratch_new(&s, &e), &e);
    live_acquire(shops[0], &hold[0]);
    live_acquire(shops[1], &hold[1]);
    compare("random users", hold, s, ROW_NONE, users, ROUNDS);
    for (uint32_t n = 0; n < EXTRA; n++) {
        size_t count = 0;
        (void)view_user_edges(hold[0].view, (uint32_t)users + n, &count);
        char what[32];
        snprintf(what, sizeof what, "a history of %zu", count);
        compare(what, hold, s, (uint32_t)users + n, users, LONG_ROUNDS);
    }
    for (int side = 0; side < 2; side++) {
        live_release(shops[side], &hold[side]);
        live_free(shops[side]);
    }
    recommend_scratch_free(s);
    mem_free(b.pairs);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        run(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        return 0;
    }
    run(6700, 19000, 200000);
    run(63000, 190000, 1700000);
    return 0;
}
