/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_lists: measures the lists of popular and latest items, made from the kept head of the order
 * and by a scan of all items.
 *
 * In a shop of ITEMS items, each of USERS users bought EDGES items, popular ones more often. The
 * bench requests the same lists from a view and from a copy of it without heads; both must be
 * equal. Filters that 1 and 0.1 % of the items pass show where the head runs out. The bench also
 * measures a write that moves a popular item. Times are medians on one core. Compare only ratios of
 * one run.
 *
 * Usage: bench_lists [ITEMS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/live.h"

enum { USERS = 20000, EDGES = 30, ROUNDS = 101, DAYS = 700, DAY = 86400 };

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_lists: %s\n", e->text);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void load_item(live *l, uint32_t row)
{
    err e = ERR_INIT;
    char id[16], kind[24], shelf[24];
    (void)snprintf(id, sizeof id, "i%u", row);
    (void)snprintf(kind, sizeof kind, "kind %u", row * 7 % 100);
    (void)snprintf(shelf, sizeof shelf, "shelf %u", row * 7 % 1000);
    slice categories[] = {slice_of(kind), slice_of(shelf)};
    change_item item = {.row = row,
                        .created = true,
                        .id = slice_of(id),
                        .created_at = 1700000000 + (int64_t)(row % DAYS) * DAY,
                        .categories = categories,
                        .category_count = 2};
    must(live_load_item(l, &item, &e), &e);
}

static int by_item(const void *a, const void *b)
{
    uint32_t one = ((const live_edge *)a)->item, other = ((const live_edge *)b)->item;
    return (one > other) - (one < other);
}

static void load_user(live *l, uint32_t row, uint32_t items, rng *r)
{
    err e = ERR_INIT;
    char id[16];
    live_edge edges[EDGES];
    size_t count = 0;
    (void)snprintf(id, sizeof id, "u%u", row);
    for (size_t i = 0; i < EDGES; i++) {
        double at = rng_uniform(r);
        uint32_t item = (uint32_t)(at * at * at * (double)items);
        edges[i] = (live_edge){.item = item, .weight = 1, .flags = EDGE_IN_GRAPH | EDGE_SEEN};
    }
    qsort(edges, EDGES, sizeof *edges, by_item);
    for (size_t i = 0; i < EDGES; i++) {
        if (count == 0 || edges[count - 1].item != edges[i].item) {
            edges[count++] = edges[i];
        }
    }
    must(live_load_user(l, row, slice_of(id), edges, count, &e), &e);
}

static live *make_shop(uint32_t items, rng *r)
{
    err e = ERR_INIT;
    live *l = NULL;
    must(live_new(&l, NULL, &e), &e);
    for (uint32_t i = 0; i < items; i++) {
        load_item(l, i);
    }
    for (uint32_t u = 0; u < USERS; u++) {
        load_user(l, u, items, r);
    }
    must(live_load_end(l, 1, &e), &e);
    return l;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, by_time);
    return times[ROUNDS / 2];
}

typedef err_code (*list_fn)(const view *, const list_query *, recommend_scratch *,
                            recommend_result *, err *);

static double ask(const view *v, list_fn list, const list_query *q, recommend_scratch *s,
                  uint32_t *rows)
{
    double times[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        err e = ERR_INIT;
        recommend_result got;
        double began = now_us();
        must(list(v, q, s, &got, &e), &e);
        times[i] = now_us() - began;
        for (size_t n = 0; n < q->k; n++) {
            rows[n] = n < got.count ? got.hits[n].row : ROW_NONE;
        }
    }
    return median(times);
}

static void compare(const view *v, const char *what, list_fn list, const list_query *q,
                    recommend_scratch *s)
{
    uint32_t kept[RECOMMEND_DEPTH_MAX], scanned[RECOMMEND_DEPTH_MAX];
    view bare = *v;
    memset(bare.top, 0, sizeof bare.top);
    double with = ask(v, list, q, s, kept), without = ask(&bare, list, q, s, scanned);
    bool equal = memcmp(kept, scanned, q->k * sizeof *kept) == 0;
    printf("  %-34s %9.1f us   by a scan %9.1f us   %6.2f of it   %s\n", what, with, without,
           with / without, equal ? "the same list" : "ANOTHER LIST");
    if (!equal) {
        exit(1);
    }
}

/* write_time applies interactions with popular items, each by a different user. */
static double write_time(live *l, uint32_t items)
{
    double times[ROUNDS];
    for (uint32_t i = 0; i < ROUNDS; i++) {
        err e = ERR_INIT;
        change c = {.kind = CHANGE_EDGE,
                    .edge = {.user = i,
                             .item = i % (items / 1000 + 1),
                             .type = 1,
                             .flags = EDGE_IN_GRAPH,
                             .weight = 1}};
        change_list list = {&c, 1, 2 + i};
        double began = now_us();
        must(live_apply(l, &list, &e), &e);
        times[i] = now_us() - began;
    }
    return median(times);
}

int main(int argc, char **argv)
{
    uint32_t items = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    if (argc > 2 || items < 10000) {
        fprintf(stderr, "usage: bench_lists [ITEMS], at least 10000\n");
        return 2;
    }
    err e = ERR_INIT;
    rng r;
    recommend_scratch *s = NULL;
    rng_init(&r, 5, 0);
    must(recommend_scratch_new(&s, &e), &e);
    live *l = make_shop(items, &r);
    live_hold hold;
    live_acquire(l, &hold);
    slice kind = slice_of("kind 3"), shelf = slice_of("shelf 503");
    filter of_kind = {.categories_any = &kind, .categories_any_count = 1},
           of_shelf = {.categories_any = &shelf, .categories_any_count = 1};
    const list_query plain = {.k = 20}, deep = {.k = 1000}, some = {.k = 20, .filter = &of_kind},
                     few = {.k = 20, .filter = &of_shelf};
    printf("%u items\n", items);
    compare(hold.view, "popular, k 20", popular, &plain, s);
    compare(hold.view, "latest, k 20", latest, &plain, s);
    compare(hold.view, "popular, k 1000", popular, &deep, s);
    compare(hold.view, "popular, k 20 of 1 %", popular, &some, s);
    compare(hold.view, "latest, k 20 of 1 %", latest, &some, s);
    compare(hold.view, "popular, k 20 of 0.1 %", popular, &few, s);
    live_release(l, &hold);
    printf("  %-34s %9.1f us\n", "a write that moves a popular item", write_time(l, items));
    recommend_scratch_free(s);
    live_free(l);
    return 0;
}
