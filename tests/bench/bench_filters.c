/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_filters: measures the time that a filter adds to a search, by the kind of the filter and by
 * the share of items that pass.
 *
 * The shop has ITEMS items with vectors around 200 centres. The bench requests the same user's list
 * without a filter, and with filters that 100, 10, 1 and 0.1 % of the items pass. The conditions
 * are a category, a text, a text in a list (few lists that many items share, or a different list
 * for every item), a range of a number, a range of creation times, and a category, a text and a
 * range together. The bench checks every list: each item passes, and as far as the unfiltered
 * ranking of RECOMMEND_DEPTH_MAX reaches, the list is that ranking without the items that do not
 * pass.
 *
 * Times are medians on one core. Queries with and without the filter take turns, so that the ratio
 * is valid even if the machine is busy. In brackets is the time until the bitmap of the candidates
 * is made.
 *
 * Usage: bench_filters [ITEMS ...] (63000 1000000) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/model.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"

enum { DIM = 64, CENTRES = 200, K = 20, EDGES = 20, ROUNDS = 101, STEPS = 4, LABELS = 5 };

static const unsigned every[STEPS] = {1, 10, 100, 1000};
static const char *const steps[STEPS] = {"100 %", "10 %", "1 %", "0.1 %"};

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_filters: %s\n", e->text);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The memory that an item's attributes borrow. */
typedef struct item_room {
    char id[16], lots[STEPS][24], labels[LABELS][24];
    slice categories[STEPS], own[STEPS + LABELS];
    attribute attributes[STEPS + 3];
} item_room;

/* load_item adds item "number". The item is in category "every-n" for each n that divides the
 * number. Its list "tags" has the same words, and its list "labels" also has some of 1000 labels.
 * The number is the creation time and, below 1000, the attribute "rank". "lot-n" is a text that 1
 * in n items have. */
static void load_item(live *l, uint32_t row, uint32_t number)
{
    static const char *const names[STEPS] = {"every-1", "every-10", "every-100", "every-1000"};
    static const char *const lot_names[STEPS] = {"lot-1", "lot-10", "lot-100", "lot-1000"};
    err e = ERR_INIT;
    item_room room;
    uint32_t count = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        if (number % every[i] == 0) {
            room.categories[count] = slice_of(names[i]);
            room.own[count++] = slice_of(names[i]);
        }
        snprintf(room.lots[i], sizeof room.lots[i], "lot %u", number % every[i]);
        room.attributes[i] = (attribute){
            .name = slice_of(lot_names[i]), .kind = ATTRIBUTE_TEXT, .text = slice_of(room.lots[i])};
    }
    for (unsigned i = 0; i < LABELS; i++) {
        snprintf(room.labels[i], sizeof room.labels[i], "label %u",
                 (number * 2654435761U >> (4 * i)) % 1000);
        room.own[count + i] = slice_of(room.labels[i]);
    }
    room.attributes[STEPS] = (attribute){
        .name = slice_of("rank"), .kind = ATTRIBUTE_NUMBER, .number = (double)(number % 1000)};
    room.attributes[STEPS + 1] = (attribute){.name = slice_of("tags"),
                                             .kind = ATTRIBUTE_TEXTS,
                                             .texts = room.categories,
                                             .text_count = count};
    room.attributes[STEPS + 2] = (attribute){.name = slice_of("labels"),
                                             .kind = ATTRIBUTE_TEXTS,
                                             .texts = room.own,
                                             .text_count = count + LABELS};
    snprintf(room.id, sizeof room.id, "i%u", row);
    const change_item item = {.row = row,
                              .created = true,
                              .id = slice_of(room.id),
                              .created_at = number,
                              .categories = room.categories,
                              .category_count = count,
                              .attributes = room.attributes,
                              .attribute_count = STEPS + 3};
    must(live_load_item(l, &item, &e), &e);
}

static void fill(float *out, size_t rows, const float *centres, rng *r)
{
    for (size_t i = 0; i < rows; i++) {
        const float *centre = centres + (size_t)rng_below(r, CENTRES) * DIM;
        for (size_t j = 0; j < DIM; j++) {
            out[i * DIM + j] = centre[j] + 0.5F * (float)rng_normal(r);
        }
    }
}

static base *make_base(uint32_t items, rng *r)
{
    err e = ERR_INIT;
    model *m = NULL;
    base *b = NULL;
    train_options options = TRAIN_OPTIONS_INIT;
    float centres[CENTRES * DIM];
    must(model_new(&m, &options, 1, items, 0, &e), &e);
    for (size_t i = 0; i < CENTRES * DIM; i++) {
        centres[i] = (float)rng_normal(r);
    }
    fill(m->item_h, items, centres, r);
    fill(m->item_e, items, centres, r);
    fill(m->user_e, 1, centres, r);
    must(base_new(&b, m, &(base_options){.generation = 1}, &e), &e);
    return b;
}

/* make_shop shuffles the numbers over the rows, so that the items that pass lie anywhere. */
static live *make_shop(uint32_t items, uint32_t *numbers, rng *r)
{
    err e = ERR_INIT;
    live *l = NULL;
    live_edge edges[EDGES];
    must(live_new(&l, NULL, &e), &e);
    for (uint32_t i = 0; i < items; i++) {
        uint32_t j = rng_below(r, i + 1);
        numbers[i] = numbers[j];
        numbers[j] = i;
    }
    for (uint32_t i = 0; i < items; i++) {
        load_item(l, i, numbers[i]);
    }
    for (uint32_t i = 0; i < EDGES; i++) {
        edges[i] = (live_edge){
            .item = i * (items / EDGES), .weight = 1, .flags = EDGE_IN_GRAPH | EDGE_SEEN};
    }
    must(live_load_user(l, 0, slice_of("u"), edges, EDGES, &e), &e);
    must(live_load_end(l, 1, &e), &e);
    must(live_activate(l, make_base(items, r), 1, &e), &e);
    return l;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct listing {
    uint32_t rows[RECOMMEND_DEPTH_MAX];
    size_t count;
    double us, bitmap_us; /* microseconds of a query; of them, until the bitmap is made */
} listing;

static double filtered_at;

static void note_filtered(void *ctx)
{
    (void)ctx;
    filtered_at = now_us();
}

static void list_once(const view *v, const filter *f, size_t k, recommend_scratch *s, listing *out)
{
    err e = ERR_INIT;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result result;
    q.user = 0;
    q.k = k;
    q.filter = f;
    double began = now_us();
    must(recommend(v, &q, s, &result, &e), &e);
    out->us = now_us() - began;
    out->bitmap_us = filtered_at - began;
    out->count = result.count;
    for (size_t i = 0; i < result.count; i++) {
        out->rows[i] = result.hits[i].row;
    }
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, by_time);
    return times[ROUNDS / 2];
}

/* The conditions. passes() tells which numbers pass one. */
typedef enum asked { CATEGORY, TEXT, TAGS, LABELLED, RANGE, CREATED, TOGETHER, ASKED } asked;

static bool passes(asked what, uint32_t number, uint32_t items, unsigned n)
{
    return what == RANGE     ? number % 1000 < 1000 / n
           : what == CREATED ? number < items / n
                             : number % n == 0;
}

typedef struct bench {
    const view *view;
    const uint32_t *numbers; /* (items) */
    uint32_t items;
    recommend_scratch *scratch;
} bench;

static void check(const bench *b, const listing *all, const listing *got, asked what, unsigned n)
{
    size_t at = 0;
    bool right = got->count > 0;
    for (size_t i = 0; i < got->count; i++) {
        right = right && passes(what, b->numbers[got->rows[i]], b->items, n);
    }
    for (size_t i = 0; i < all->count && at < got->count; i++) {
        if (passes(what, b->numbers[all->rows[i]], b->items, n)) {
            right = right && all->rows[i] == got->rows[at++];
        }
    }
    if (!right) {
        fprintf(stderr, "bench_filters: filter %d of 1 in %u gave a wrong list\n", (int)what, n);
        exit(1);
    }
}

/* make_filter borrows from `conditions` (2) and `category`. */
static filter make_filter(asked what, unsigned step, uint32_t items, slice *category,
                          filter_attribute *conditions)
{
    static const char *const names[STEPS] = {"every-1", "every-10", "every-100", "every-1000"};
    static const char *const lots[STEPS] = {"lot-1", "lot-10", "lot-100", "lot-1000"};
    filter f = {.categories_any = category, .attributes = conditions};
    *category = slice_of(names[step]);
    f.categories_any_count = what == CATEGORY || what == TOGETHER;
    f.has_created_before = what == CREATED;
    f.created_before = items / every[step];
    f.attribute_count = what == CATEGORY || what == CREATED ? 0 : what == TOGETHER ? 2 : 1;
    filter_attribute text = {.name = slice_of(lots[step]), .text = slice_of("lot 0")};
    if (what == TAGS || what == LABELLED) {
        text = (filter_attribute){.name = slice_of(what == TAGS ? "tags" : "labels"),
                                  .text = *category};
    }
    text.kind = ATTRIBUTE_TEXT;
    filter_attribute range = {.name = slice_of("rank"),
                              .kind = ATTRIBUTE_NUMBER,
                              .high = what == RANGE ? 1000.0 / every[step] : 1000,
                              .high_excluded = true};
    conditions[0] = what == RANGE ? range : text;
    conditions[1] = range;
    return f;
}

static void compare(const bench *b, asked what, unsigned step, const listing *all)
{
    slice category;
    filter_attribute conditions[2];
    static listing got, none;
    double plain[ROUNDS], times[ROUNDS], bitmaps[ROUNDS];
    filter f = make_filter(what, step, b->items, &category, conditions);
    for (size_t i = 0; i < ROUNDS; i++) {
        list_once(b->view, NULL, K, b->scratch, &none);
        list_once(b->view, &f, K, b->scratch, &got);
        plain[i] = none.us;
        times[i] = got.us;
        bitmaps[i] = got.bitmap_us;
    }
    check(b, all, &got, what, every[step]);
    double us = median(times);
    printf("  %8.1f (%6.1f) %6.2f x", us, median(bitmaps), us / median(plain));
}

static void run(const bench *b)
{
    static const char *const kinds[ASKED] = {"category", "text",    "in few lists", "in own list",
                                             "number",   "created", "all three"};
    static listing all;
    double times[ROUNDS], bitmaps[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        list_once(b->view, NULL, K, b->scratch, &all);
        times[i] = all.us;
        bitmaps[i] = all.bitmap_us;
    }
    printf("filters, %u items x %d, k %d, medians of %d on one core, in us\n", b->items, DIM, K,
           ROUNDS);
    printf("no filter     %8.1f (%6.1f)\npasses      ", median(times), median(bitmaps));
    for (unsigned step = 0; step < STEPS; step++) {
        printf("  %26s", steps[step]);
    }
    list_once(b->view, NULL, RECOMMEND_DEPTH_MAX, b->scratch, &all);
    for (asked what = 0; what < ASKED; what++) {
        printf("\n%-12s", kinds[what]);
        for (unsigned step = 0; step < STEPS; step++) {
            compare(b, what, step, &all);
        }
    }
    printf("\n");
}

static void bench_shop(uint32_t items)
{
    err e = ERR_INIT;
    rng r;
    live_hold hold;
    bench b = {.items = items};
    rng_init(&r, 5, 0);
    uint32_t *numbers = mem_array(items, sizeof *numbers);
    must(numbers == NULL ? err_nomem(&e, "the items") : ERR_OK, &e);
    live *l = make_shop(items, numbers, &r);
    must(recommend_scratch_new(&b.scratch, &e), &e);
    recommend_scratch_on_filtered(b.scratch, note_filtered, NULL);
    live_acquire(l, &hold);
    b.view = hold.view;
    b.numbers = numbers;
    run(&b);
    live_release(l, &hold);
    recommend_scratch_free(b.scratch);
    live_free(l);
    mem_free(numbers);
}

int main(int argc, char **argv)
{
    static const uint32_t usual[] = {63000, 1000000};
    for (int i = 1; i < argc; i++) {
        uint32_t items = (uint32_t)strtoul(argv[i], NULL, 10);
        if (items < 2000) {
            fprintf(stderr, "bench_filters: expected at least 2000 items\n");
            return 2;
        }
        bench_shop(items);
    }
    for (size_t i = 0; argc <= 1 && i < sizeof usual / sizeof usual[0]; i++) {
        bench_shop(usual[i]);
    }
    return 0;
}
