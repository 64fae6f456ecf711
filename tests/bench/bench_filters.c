/*
 * bench_filters: what a filter costs, by how many items pass it and by what it asks.
 *
 * A shop of ITEMS items with vectors around 200 centres. The same user's list is asked for with no
 * filter, and with filters that 100, 10, 1 and 0.1 % of the items pass: a category, a range of a
 * number, and a text. Every item of a list must pass, and as far as the unfiltered ranking of
 * RECOMMEND_DEPTH_MAX reaches, the list must be that ranking without what does not pass. Times are
 * medians on one core; the column beside is the ratio to no filter.
 *
 * Usage: bench_filters [ITEMS]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/live/live.h"
#include "core/recommend/recommend.h"
#include "core/train/model.h"
#include "core/view/base.h"

enum { DIM = 64, CENTRES = 200, K = 20, EDGES = 20, ROUNDS = 101, STEPS = 4 };

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

/* Item i is in category "every-n" for each n that divides its shuffled number; the number is its
 * attribute "rank" too, and "lot" a text that as many items share. */
static void load_item(live *l, uint32_t row, uint32_t number)
{
    err e = ERR_INIT;
    char id[16], lots[STEPS][24];
    slice categories[STEPS];
    uint32_t count = 0;
    static const char *const names[STEPS] = {"every-1", "every-10", "every-100", "every-1000"};
    attribute attributes[STEPS + 1];
    for (unsigned i = 0; i < STEPS; i++) {
        static const char *const lot_names[STEPS] = {"lot-1", "lot-10", "lot-100", "lot-1000"};
        if (number % every[i] == 0) {
            categories[count++] = slice_of(names[i]);
        }
        snprintf(lots[i], sizeof lots[i], "lot %u", number % every[i]);
        attributes[i] = (attribute){
            .name = slice_of(lot_names[i]), .kind = ATTRIBUTE_TEXT, .text = slice_of(lots[i])};
    }
    attributes[STEPS] = (attribute){
        .name = slice_of("rank"), .kind = ATTRIBUTE_NUMBER, .number = (double)(number % 1000)};
    snprintf(id, sizeof id, "i%u", row);
    const change_item item = {.row = row,
                              .created = true,
                              .id = slice_of(id),
                              .created_at = row,
                              .categories = categories,
                              .category_count = count,
                              .attributes = attributes,
                              .attribute_count = STEPS + 1};
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

/* Numbers are a shuffle of the rows, so that what passes lies anywhere. */
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
    double us; /* median */
} listing;

static void measure(const view *v, const filter *f, size_t k, recommend_scratch *s, listing *out)
{
    double times[ROUNDS];
    err e = ERR_INIT;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result result;
    q.user = 0;
    q.k = k;
    q.filter = f;
    for (size_t i = 0; i < ROUNDS; i++) {
        double began = now_us();
        must(recommend(v, &q, s, &result, &e), &e);
        times[i] = now_us() - began;
    }
    out->count = result.count;
    for (size_t i = 0; i < result.count; i++) {
        out->rows[i] = result.hits[i].row;
    }
    qsort(times, ROUNDS, sizeof *times, by_time);
    out->us = times[ROUNDS / 2];
}

static void check(const listing *all, const listing *got, const uint32_t *numbers, unsigned n)
{
    size_t at = 0;
    bool right = got->count > 0;
    for (size_t i = 0; i < got->count; i++) {
        right = right && numbers[got->rows[i]] % n == 0;
    }
    for (size_t i = 0; i < all->count && at < got->count; i++) {
        if (numbers[all->rows[i]] % n == 0) {
            right = right && all->rows[i] == got->rows[at++];
        }
    }
    if (!right) {
        fprintf(stderr, "bench_filters: a filter of 1 in %u gave a wrong list\n", n);
        exit(1);
    }
}

static void compare(const view *v, const uint32_t *numbers, recommend_scratch *s)
{
    static const char *const categories[STEPS] = {"every-1", "every-10", "every-100", "every-1000"};
    static const char *const lots[STEPS] = {"lot-1", "lot-10", "lot-100", "lot-1000"};
    static listing all, plain, got;
    measure(v, NULL, RECOMMEND_DEPTH_MAX, s, &all);
    measure(v, NULL, K, s, &plain);
    printf("%-8s %10.1f us\n%-8s %22s %22s\n", "none", plain.us, "passes", "category", "text");
    for (size_t i = 0; i < STEPS; i++) {
        const slice category = slice_of(categories[i]);
        const filter by_category = {.categories_any = &category, .categories_any_count = 1};
        const filter_attribute lot = {
            .name = slice_of(lots[i]), .kind = ATTRIBUTE_TEXT, .text = slice_of("lot 0")};
        const filter by_text = {.attributes = &lot, .attribute_count = 1};
        measure(v, &by_category, K, s, &got);
        check(&all, &got, numbers, every[i]);
        printf("%-8s %10.1f us %6.2f x", steps[i], got.us, got.us / plain.us);
        measure(v, &by_text, K, s, &got);
        check(&all, &got, numbers, every[i]);
        printf(" %10.1f us %6.2f x\n", got.us, got.us / plain.us);
    }
    static const double highs[STEPS] = {999, 99, 9, 0};
    printf("range of a number:");
    for (size_t i = 0; i < STEPS; i++) {
        const filter_attribute range = {
            .name = slice_of("rank"), .kind = ATTRIBUTE_NUMBER, .low = 0, .high = highs[i]};
        const filter f = {.attributes = &range, .attribute_count = 1};
        measure(v, &f, K, s, &got);
        for (size_t n = 0; n < got.count; n++) {
            if ((double)(numbers[got.rows[n]] % 1000) > highs[i]) {
                fprintf(stderr, "bench_filters: an item out of the range\n");
                exit(1);
            }
        }
        printf("  %s %.1f us", steps[i], got.us);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    err e = ERR_INIT;
    rng r;
    recommend_scratch *s = NULL;
    live_hold hold;
    uint32_t items = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 63000;
    if (items < 2000) {
        fprintf(stderr, "bench_filters: expected at least 2000 items\n");
        return 2;
    }
    rng_init(&r, 5, 0);
    uint32_t *numbers = mem_array(items, sizeof *numbers);
    must(numbers == NULL ? err_nomem(&e, "the items") : ERR_OK, &e);
    live *l = make_shop(items, numbers, &r);
    must(recommend_scratch_new(&s, &e), &e);
    live_acquire(l, &hold);
    printf("filters, %u items x %d, k %d, medians of %d on one core\n", items, DIM, K, ROUNDS);
    compare(hold.view, numbers, s);
    live_release(l, &hold);
    recommend_scratch_free(s);
    live_free(l);
    mem_free(numbers);
    return 0;
}
