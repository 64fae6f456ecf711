/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_links_build: measures the time to build links: collaborative ones, and the map between
 * features that replaces them for later items.
 *
 * The data has the size of Amazon Electronics: 63,000 items and 1.7 million different interactions
 * of 192,000 users, users and items by a power law. BENCH_THREADS sets the threads, default 2. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/content_map.h"
#include "core/model/links_build.h"
#include "tests/bench/measuring.h"

enum { USERS = 192000, ITEMS = 63000, PAIRS = 3100000 };

/* skewed draws a rank by a power law and spreads the ranks over the rows by a fixed odd stride. */
static uint32_t skewed(rng *r, size_t rows, double skew)
{
    double rank =
        pow((double)rows, rng_uniform(r) * rng_uniform(r) * skew + rng_uniform(r) * (1 - skew));
    return (uint32_t)((uint64_t)(rank - 1) * 2654435761u % rows);
}

static void build(const interaction_list *list, links_kind kind, const char *name, int threads)
{
    err e = ERR_INIT;
    links_table t;
    links_choice choice = {.kind = kind, .shrinkage = LINKS_SHRINKAGE_DIRECTED};
    double start = now();
    must(links_collaborative(&t, list, &choice, threads, &e), &e);
    double seconds = now() - start;
    double count = (double)t.start[list->items];
    double bytes = count * (sizeof *t.target + sizeof *t.level) +
                   (double)list->items * (sizeof *t.start + sizeof *t.unit);
    printf("%-9s %.1f s with %d threads, %.0f links, %.1f MiB: %.2f bytes a link\n", name, seconds,
           threads, count, bytes / (1 << 20), bytes / count);
    links_table_fini(&t);
}

/* fit_map fits the map to features of `width` numbers of one modality. */
static void fit_map(const interaction_list *list, size_t width)
{
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 8, 0);
    float *x = need(mem_table(list->items * width, sizeof *x));
    for (size_t i = 0; i < list->items; i++) {
        float raw[CONTENT_WIDTH_MAX];
        for (size_t j = 0; j < width; j++) {
            raw[j] = (float)rng_normal(&r);
        }
        (void)content_fold(raw, width, x + i * width, width);
    }
    content_map_input in = {.x = x,
                            .items = list->items,
                            .width = width,
                            .pairs = list->pairs,
                            .pair_count = list->count,
                            .modality_count = 1,
                            .widths = {width},
                            .weight = {1},
                            .share = 2};
    content_map *map = NULL;
    double start = now();
    must(content_map_fit(&map, &in, &e), &e);
    printf("map of %zu numbers: %.1f s with 1 thread\n", width, now() - start);
    content_map_free(map);
    mem_free(x);
}

int main(void)
{
    const char *asked = getenv("BENCH_THREADS");
    int threads = asked != NULL ? (int)strtol(asked, NULL, 10) : 2;
    pair *pairs = need(mem_array(PAIRS, sizeof *pairs));
    rng r;
    rng_init(&r, 7, 0);
    for (size_t k = 0; k < PAIRS; k++) {
        uint32_t user = k < USERS ? (uint32_t)k : skewed(&r, USERS, 0.2);
        pairs[k] = (pair){user, skewed(&r, ITEMS, 0.35), 1, rng_below(&r, 1 << 30)};
    }
    interaction_list list = {pairs, pairs_sort(pairs, PAIRS), USERS, ITEMS};
    printf("%zu interactions\n", list.count);
    build(&list, LINKS_COSINE, "cosine", threads);
    build(&list, LINKS_DIRECTED, "directed", threads);
    fit_map(&list, 384);
    fit_map(&list, CONTENT_WIDTH_MAX);
    mem_free(pairs);
    return 0;
}
