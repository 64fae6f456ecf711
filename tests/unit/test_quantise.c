/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bound of the codes: in every kernel, a row whose score equals the threshold is never dropped.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/search/quantise.h"
#include "core/search/scan.h"

enum { ROWS = 90, DIM_MAX = 140 };

typedef struct told {
    bool row[ROWS + QUANTISE_BLOCK];
    float low[ROWS + QUANTISE_BLOCK], high[ROWS + QUANTISE_BLOCK];
    size_t count;
} told;

typedef struct fixed {
    told *t;
    float floor;
} fixed;

/* keep records the rows and leaves the threshold unchanged. */
static float keep(void *ctx, const codes_found *found)
{
    fixed *f = ctx;
    for (unsigned i = 0; i < QUANTISE_BLOCK; i++) {
        if ((found->mask >> i & 1) != 0) {
            size_t row = found->block * QUANTISE_BLOCK + i;
            f->t->row[row] = true;
            f->t->low[row] = found->estimate[i] - found->margin;
            f->t->high[row] = found->estimate[i] + found->margin;
            f->t->count++;
        }
    }
    return f->floor;
}

/* The numbers added to the products, by row. */
typedef struct added {
    float part[SCAN_PARTS][ROWS + QUANTISE_BLOCK];
    scan_extra of;
} added;

static void scan_at(const codes *c, const codes_query *q, float score, const added *extra, told *t)
{
    float floor = score * q->inverse;
    fixed f = {t, floor};
    codes_range range = {.count = codes_blocks(c), .threshold = floor};
    if (extra != NULL) {
        range.extra = &extra->of;
    }
    memset(t, 0, sizeof *t);
    codes_scan(c, q, &range, keep, &f);
}

/* fill draws numbers of every magnitude, sometimes with one so large that it takes up all
 * levels. */
static void fill(rng *r, float *x, size_t count)
{
    float size = powf(10, (float)rng_below(r, 9) - 4);
    for (size_t i = 0; i < count; i++) {
        x[i] = size * (float)rng_normal(r);
    }
    if (rng_below(r, 3) == 0) {
        x[rng_below(r, (uint32_t)count)] *= 50;
    }
}

/* fill_added adds nothing to most rows, and to the others numbers of one magnitude: from a
 * thousandth of the largest product to numbers so large that products are lost in rounding. */
static void fill_added(rng *r, const float *x, const float *q, size_t dim, added *extra)
{
    float size = 0;
    for (size_t i = 0; i < ROWS; i++) {
        size = fmaxf(size, fabsf(scan_dot(x + i * dim, q, dim)));
    }
    size *= powf(10, (float)rng_below(r, 11) - 3);
    *extra = (added){0};
    extra->of.most = size;
    for (size_t p = 0; p < SCAN_PARTS; p++) {
        float unit = powf(10, (float)rng_below(r, 9) - 4);
        extra->of.part[p] = extra->part[p];
        extra->of.factor[p] = unit;
        for (size_t i = 0; i < ROWS; i++) {
            float most = size / unit / SCAN_PARTS * 0.999F;
            extra->part[p][i] = rng_below(r, 3) == 0 ? most * (float)rng_uniform(r) : 0;
        }
    }
}

static void check_kernel(codes_kernel kernel, const float *x, const float *q, size_t dim,
                         const added *extra)
{
    codes *c = NULL;
    int8_t code[DIM_MAX + QUANTISE_GROUP];
    codes_query query = {.code = code};
    codes_layout layout = {.rows = ROWS, .dim = dim, .places = ROWS, .kernel = kernel};
    assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
    codes_query_make(&query, q, dim);
    for (size_t i = 0; i < ROWS; i++) {
        told t;
        float score = scan_dot(x + i * dim, q, dim);
        score = extra != NULL ? score + scan_extra_at(&extra->of, i) : score;
        scan_at(c, &query, score, extra, &t);
        assert_true(t.row[i]);
        assert_true(t.low[i] <= score * query.inverse && score * query.inverse <= t.high[i]);
        for (size_t past = ROWS; past < ROWS + QUANTISE_BLOCK; past++) {
            assert_false(t.row[past]);
        }
    }
    codes_free(c);
}

static void a_row_at_the_floor_is_told_by_every_kernel(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 31, 0);
    static float x[ROWS * DIM_MAX];
    float q[DIM_MAX];
    for (int n = 0; n < 600; n++) {
        added extra;
        size_t dim = n % 4 == 0 ? 64 : 1 + rng_below(&r, DIM_MAX);
        for (size_t i = 0; i < ROWS; i++) {
            fill(&r, x + i * dim, dim);
        }
        fill(&r, q, dim);
        fill_added(&r, x, q, dim, &extra);
        for (codes_kernel kernel = 0; kernel < CODES_KERNELS; kernel++) {
            if (codes_kernel_works(kernel)) {
                check_kernel(kernel, x, q, dim, NULL);
                check_kernel(kernel, x, q, dim, &extra);
            }
        }
    }
    for (codes_kernel kernel = 0; kernel < CODES_KERNELS; kernel++) {
        if (!codes_kernel_works(kernel)) {
            print_message("NOT RUN here for want of the instructions: kernel %d\n", (int)kernel);
        }
    }
}

static void kernels_tell_of_the_same_rows(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 32, 0);
    static float x[ROWS * DIM_MAX];
    float q[DIM_MAX];
    for (int n = 0; n < 300; n++) {
        size_t dim = n % 4 == 0 ? 64 : 1 + rng_below(&r, DIM_MAX);
        fill(&r, x, ROWS * dim);
        fill(&r, q, dim);
        float floor = scan_dot(x + rng_below(&r, ROWS) * dim, q, dim);
        told first;
        for (codes_kernel kernel = codes_kernel_best(); kernel < CODES_KERNELS; kernel++) {
            codes *c = NULL;
            told t;
            int8_t code[DIM_MAX + QUANTISE_GROUP];
            codes_query query = {.code = code};
            codes_layout layout = {.rows = ROWS, .dim = dim, .places = ROWS, .kernel = kernel};
            assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
            codes_query_make(&query, q, dim);
            scan_at(c, &query, floor, NULL, &t);
            first = kernel == codes_kernel_best() ? t : first;
            /* Thresholds are computed with or without fused additions, so a row at the edge may
             * differ. */
            size_t differ = 0;
            for (size_t i = 0; i < ROWS; i++) {
                differ += t.row[i] != first.row[i];
            }
            assert_true(differ <= 1);
            codes_free(c);
        }
    }
}

static void estimates_are_within_the_margin_and_alike_in_every_kernel(void **state)
{
    (void)state;
    enum { PLACES = (ROWS + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK * QUANTISE_BLOCK };
    rng r;
    rng_init(&r, 35, 0);
    static float x[ROWS * DIM_MAX];
    float q[DIM_MAX], first[PLACES] = {0}, got[PLACES];
    for (int n = 0; n < 300; n++) {
        size_t dim = n % 4 == 0 ? 64 : 1 + rng_below(&r, DIM_MAX);
        fill(&r, x, ROWS * dim);
        fill(&r, q, dim);
        for (codes_kernel kernel = codes_kernel_best(); kernel < CODES_KERNELS; kernel++) {
            codes *c = NULL;
            told t;
            int8_t code[DIM_MAX + QUANTISE_GROUP];
            codes_query query = {.code = code};
            codes_layout layout = {.rows = ROWS, .dim = dim, .places = ROWS, .kernel = kernel};
            assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
            codes_query_make(&query, q, dim);
            scan_at(c, &query, -1e30F, NULL, &t);
            codes_estimate(c, (const codes_query *[]){&query}, 1,
                           (codes_part){0, PLACES / QUANTISE_BLOCK, 1}, got);
            for (size_t i = 0; i < ROWS; i++) {
                float score = scan_dot(x + i * dim, q, dim);
                float margin = (t.high[i] - t.low[i]) / 2 / query.inverse;
                assert_true(fabsf(got[i] - score) <= margin * 1.001F + 1e-30F);
                first[i] = kernel == codes_kernel_best() ? got[i] : first[i];
                /* with or without fused additions */
                assert_true(fabsf(got[i] - first[i]) <= 1e-5F * (1 + fabsf(first[i])));
            }
            codes_free(c);
        }
    }
}

/* The result of a query depends neither on other queries nor on which blocks are read. */
static void queries_together_get_what_each_gets_alone(void **state)
{
    (void)state;
    enum { BLOCKS = (ROWS + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK, QUERIES = 9 };
    rng r;
    rng_init(&r, 36, 0);
    static float x[ROWS * DIM_MAX], alone[BLOCKS * QUANTISE_BLOCK];
    static float together[QUERIES * BLOCKS * QUANTISE_BLOCK];
    static int8_t code[QUERIES][DIM_MAX + QUANTISE_GROUP];
    codes_query queries[QUERIES];
    const codes_query *all[QUERIES];
    for (int n = 0; n < 60; n++) {
        size_t dim = 1 + rng_below(&r, DIM_MAX), count = 1 + rng_below(&r, QUERIES);
        fill(&r, x, ROWS * dim);
        for (size_t q = 0; q < count; q++) {
            float values[DIM_MAX];
            fill(&r, values, dim);
            queries[q].code = code[q];
            all[q] = &queries[q];
            codes_query_make(&queries[q], values, dim);
        }
        codes_part part = {.first = rng_below(&r, BLOCKS), .step = 1 + rng_below(&r, 3)};
        part.blocks = (BLOCKS - part.first + part.step - 1) / part.step;
        for (codes_kernel kernel = codes_kernel_best(); kernel < CODES_KERNELS; kernel++) {
            codes *c = NULL;
            codes_layout layout = {.rows = ROWS, .dim = dim, .places = ROWS, .kernel = kernel};
            assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
            codes_estimate(c, all, count, part, together);
            for (size_t q = 0; q < count; q++) {
                codes_estimate(c, &all[q], 1, (codes_part){0, BLOCKS, 1}, alone);
                for (size_t i = 0; i < part.blocks * QUANTISE_BLOCK; i++) {
                    size_t block = part.first + i / QUANTISE_BLOCK * part.step;
                    size_t place = block * QUANTISE_BLOCK + i % QUANTISE_BLOCK;
                    float got = together[q * part.blocks * QUANTISE_BLOCK + i];
                    assert_true(place >= ROWS || memcmp(&got, &alone[place], sizeof got) == 0);
                }
            }
            codes_free(c);
        }
    }
}

static void most_rows_below_the_floor_are_dropped(void **state)
{
    (void)state;
    enum { DIM = 64 };
    rng r;
    rng_init(&r, 33, 0);
    static float x[ROWS * DIM];
    float q[DIM];
    size_t told_rows = 0, better = 0;
    for (int n = 0; n < 100; n++) {
        for (size_t j = 0; j < ROWS * DIM; j++) {
            x[j] = (float)rng_normal(&r);
        }
        for (size_t j = 0; j < DIM; j++) {
            q[j] = (float)rng_normal(&r);
        }
        codes *c = NULL;
        told t;
        int8_t code[DIM];
        codes_query query = {.code = code};
        codes_layout layout = {
            .rows = ROWS, .dim = DIM, .places = ROWS, .kernel = codes_kernel_best()};
        float floor = scan_dot(x, q, DIM);
        assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
        codes_query_make(&query, q, DIM);
        scan_at(c, &query, floor, NULL, &t);
        told_rows += t.count;
        for (size_t i = 0; i < ROWS; i++) {
            better += scan_dot(x + i * DIM, q, DIM) >= floor;
        }
        codes_free(c);
    }
    assert_true(told_rows < better + better / 8);
}

static void skipped_blocks_and_empty_places_are_not_told(void **state)
{
    (void)state;
    enum { DIM = 8, PLACES = 96 };
    rng r;
    rng_init(&r, 34, 0);
    float x[ROWS * DIM], q[DIM];
    fill(&r, x, ROWS * DIM);
    fill(&r, q, DIM);
    uint32_t order[PLACES];
    for (uint32_t i = 0; i < PLACES; i++) {
        order[i] = i % 16 < 15 ? (i / 16 * 15 + i % 16) : ROW_NONE;
    }
    for (codes_kernel kernel = codes_kernel_best(); kernel < CODES_KERNELS; kernel++) {
        codes *c = NULL;
        told t = {.count = 0};
        int8_t code[DIM];
        codes_query query = {.code = code};
        codes_layout layout = {
            .rows = ROWS, .dim = DIM, .order = order, .places = PLACES, .kernel = kernel};
        assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
        codes_query_make(&query, q, DIM);
        uint64_t skip[2] = {UINT64_C(0xFFFF) << 16 | 1, 0xFFFF};
        fixed f = {&t, -INFINITY};
        codes_range range = {.count = codes_blocks(c), .skip = skip, .threshold = -INFINITY};
        codes_scan(c, &query, &range, keep, &f);
        assert_int_equal(t.count, 4 * 15); /* six blocks, two of them skipped */
        assert_false(t.row[16] || t.row[64] || t.row[15]);
        assert_true(t.row[0] && t.row[48] && t.row[94]);
        codes_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_at_the_floor_is_told_by_every_kernel),
        cmocka_unit_test(kernels_tell_of_the_same_rows),
        cmocka_unit_test(estimates_are_within_the_margin_and_alike_in_every_kernel),
        cmocka_unit_test(queries_together_get_what_each_gets_alone),
        cmocka_unit_test(most_rows_below_the_floor_are_dropped),
        cmocka_unit_test(skipped_blocks_and_empty_places_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
