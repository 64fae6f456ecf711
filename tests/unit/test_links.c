/* SPDX-License-Identifier: Apache-2.0 */
/* Links between items against plain loops over a dense matrix. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/links.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) {
        fail_msg("%.9g, expected %.9g", value, expected);
    }
}

enum { ITEMS = 40, HISTORY = 7 };

static float dense[LINKS_SOURCES][ITEMS][ITEMS];

static item_links *random_links(void)
{
    rng r;
    item_links *l = NULL;
    err e = ERR_INIT;
    rng_init(&r, 7, 0);
    assert_int_equal(links_new(&l, ITEMS, &e), ERR_OK);
    memset(dense, 0, sizeof dense);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        links_table_fini(&l->source[x]);
        assert_int_equal(links_table_alloc(&l->source[x], ITEMS, ITEMS * ITEMS, &e), ERR_OK);
        l->choice.beta[x] = 1;
        for (size_t j = 0; j < ITEMS; j++) {
            links_entry row[ITEMS];
            size_t count = 0;
            for (uint32_t i = 0; i < ITEMS; i++) {
                if (i != j && rng_below(&r, 4) == 0) {
                    dense[x][j][i] = (float)rng_uniform(&r) * (x == 0 ? 1 : 0.01F) + 1e-4F;
                    row[count++] = (links_entry){i, dense[x][j][i]};
                }
            }
            links_table_put(&l->source[x], j, row, count);
        }
    }
    return l;
}

static void the_sums_are_those_of_the_matrix(void **state)
{
    (void)state;
    err e = ERR_INIT;
    item_links *l = random_links();
    l->choice.recency[LINKS_COLLABORATIVE] = 0.8F;
    l->choice.recency[LINKS_CONTENT] = 0.5F;
    /* 3 and 9 are of one time; 39 is the latest; ITEMS is a later item without links. */
    links_owned owned[HISTORY] = {{3, 1, 50, {0}},    {9, 2, 50, {0}}, {39, 1, 90, {0}},
                                  {11, 1, 70, {0}},   {0, 1, 10, {0}}, {ITEMS, 1, 60, {0}},
                                  {20, 0.5F, 40, {0}}};
    const struct {
        uint32_t item;
        float weight;
        int step;
    } expected[HISTORY] = {{39, 1, 0}, {11, 1, 1},    {ITEMS, 1, 2}, {3, 1, 3},
                           {9, 2, 3},  {20, 0.5F, 4}, {0, 1, 5}};
    assert_int_equal(links_history(&l->choice, owned, HISTORY), HISTORY);
    links_sum s = {0};
    assert_int_equal(links_sum_fit(&s, ITEMS, &e), ERR_OK);
    links_sum_set(&s, l, owned, HISTORY);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        for (size_t i = 0; i < ITEMS; i++) {
            double sum = 0;
            for (size_t k = 0; k < HISTORY; k++) {
                assert_int_equal(owned[k].item, expected[k].item);
                double pull = pow((double)l->choice.recency[x], expected[k].step);
                sum += k == 2
                           ? 0
                           : (double)expected[k].weight * pull * (double)dense[x][owned[k].item][i];
            }
            assert_near((double)s.part[x][i], sum, 1e-4 * sum + 1e-7);
        }
    }
    links_sum_clear(&s);
    for (size_t k = 0; k < s.room; k++) {
        assert_true(s.part[LINKS_COLLABORATIVE][k] == 0 && s.part[LINKS_CONTENT][k] == 0);
        assert_true(links_sum_blank(&s, k / LINKS_BLOCK));
    }
    links_sum_fini(&s);
    links_free(l);
}

static void a_link_is_found_again(void **state)
{
    (void)state;
    err e = ERR_INIT;
    item_links *l = random_links();
    assert_int_equal(links_check(l, &e), ERR_OK);
    for (uint32_t j = 0; j < ITEMS; j++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            for (size_t x = 0; x < LINKS_SOURCES; x++) {
                float weight = links_weight(l, (links_source)x, j, i);
                /* Half a level of the row's strongest link. */
                assert_near((double)weight, (double)dense[x][j][i],
                            x == LINKS_CONTENT ? 1e-7 : 1e-5);
            }
        }
    }
    assert_true(links_weight(l, LINKS_CONTENT, ITEMS, 0) == 0);
    size_t count = l->source[0].start[ITEMS] + l->source[1].start[ITEMS];
    assert_int_equal(links_bytes(l), 6 * count + 2 * 12 * ITEMS);
    links_free(l);
}

static void a_long_history_counts_its_latest_items(void **state)
{
    (void)state;
    enum { LONG = 1000 };
    static links_owned owned[LONG];
    links_choice c = {.recency = {1, 1}};
    for (uint32_t k = 0; k < LONG; k++) {
        owned[k] = (links_owned){.item = k, .weight = 1, .time = k * 7 % LONG};
    }
    assert_int_equal(links_history(&c, owned, LONG), LINKS_HISTORY_MAX);
    assert_int_equal(owned[0].time, LONG - 1);
    assert_true(owned[LINKS_HISTORY_MAX - 1].pull[0] == 1);
    c.recency[0] = c.recency[1] = 0.5F;
    assert_int_equal(links_history(&c, owned, LONG), 11); /* 2^-10 is the last that counts */
    c.recency[1] = 0.9F;
    size_t kept = links_history(&c, owned, LONG);
    assert_true(kept > 60 && kept < 70 && owned[kept - 1].pull[0] == 0);
}

/* The factor makes the spread of the links beta times that of the inner product. */
static void the_factor_scales_by_the_spread_of_the_sum(void **state)
{
    (void)state;
    err e = ERR_INIT;
    item_links *l = random_links();
    l->choice.beta[LINKS_CONTENT] = 0.25F;
    links_owned owned[2] = {{3, 1, 0, {0}}, {17, 1, 0, {0}}};
    links_sum s = {0};
    float factor[LINKS_SOURCES];
    assert_int_equal(links_sum_fit(&s, ITEMS, &e), ERR_OK);
    links_sum_set(&s, l, owned, links_history(&l->choice, owned, 2));
    links_factors(factor, &l->choice, &s, ITEMS, 3);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        double mean = 0, spread = 0;
        for (size_t i = 0; i < ITEMS; i++) {
            mean += (double)(dense[x][3][i] + dense[x][17][i]) / ITEMS;
        }
        for (size_t i = 0; i < ITEMS; i++) {
            spread += pow((double)(dense[x][3][i] + dense[x][17][i]) - mean, 2) / ITEMS;
        }
        double expected = (double)l->choice.beta[x] * 3 / sqrt(spread);
        assert_near((double)factor[x], expected, 1e-3 * expected);
    }
    links_sum_clear(&s);
    links_factors(factor, &l->choice, &s, ITEMS, 3);
    assert_true(factor[0] == 0 && factor[1] == 0);
    links_sum_fini(&s);
    links_free(l);
}

/* The squares of such weights are not in the range of floats. */
static void the_factor_takes_weights_of_any_size(void **state)
{
    (void)state;
    err e = ERR_INIT;
    item_links *l = random_links();
    links_sum s = {0};
    float factor[LINKS_SOURCES], plain[LINKS_SOURCES] = {0};
    l->choice.beta[LINKS_CONTENT] = 0.25F;
    assert_int_equal(links_sum_fit(&s, ITEMS, &e), ERR_OK);
    const float sizes[] = {1, 1e-20F, 1e-12F, 1e14F, 1e28F};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        links_owned owned[2] = {{3, sizes[n], 0, {0}}, {17, sizes[n], 0, {0}}};
        links_sum_set(&s, l, owned, links_history(&l->choice, owned, 2));
        links_factors(factor, &l->choice, &s, ITEMS, 3);
        for (size_t x = 0; x < LINKS_SOURCES; x++) {
            double expected = n == 0 ? (double)factor[x] : (double)plain[x] / (double)sizes[n];
            assert_near((double)factor[x], expected, 1e-5 * expected);
            plain[x] = n == 0 ? factor[x] : plain[x];
        }
    }
    links_sum_fini(&s);
    links_free(l);
}

static void the_spread_is_that_of_the_inner_products(void **state)
{
    (void)state;
    enum { DIM = 5 };
    float h[ITEMS * DIM], covariance[DIM * DIM], q[DIM];
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 11, 0);
    for (size_t k = 0; k < ITEMS * DIM; k++) {
        h[k] = (float)rng_normal(&r) + 3;
    }
    for (size_t j = 0; j < DIM; j++) {
        q[j] = (float)rng_normal(&r);
    }
    assert_int_equal(links_covariance(h, ITEMS, DIM, covariance, &e), ERR_OK);
    double score[ITEMS], mean = 0, spread = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        score[i] = 0;
        for (size_t j = 0; j < DIM; j++) {
            score[i] += (double)q[j] * (double)h[i * DIM + j];
        }
        mean += score[i] / ITEMS;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        spread += (score[i] - mean) * (score[i] - mean) / ITEMS;
    }
    assert_near((double)links_spread(covariance, q, DIM), sqrt(spread), 1e-4 * sqrt(spread));
}

static void damaged_links_are_refused(void **state)
{
    (void)state;
    err e = ERR_INIT;
    for (int damage = 0; damage < 6; damage++) {
        item_links *l = random_links();
        links_table *t = &l->source[LINKS_CONTENT];
        size_t at = t->start[20];
        switch (damage) {
        case 0: t->target[at] = ITEMS; break;
        case 1: t->target[at + 1] = t->target[at]; break;
        case 2: t->unit[20] = NAN; break;
        case 3: t->start[20] = t->start[21] + 1; break;
        case 4: t->level[at] = 0; break;
        default: l->choice.recency[0] = 0; break;
        }
        assert_int_equal(links_check(l, &e), ERR_CORRUPT);
        e = (err)ERR_INIT;
        links_free(l);
    }
}

static int by_time_then_item(const void *x, const void *y)
{
    const links_owned *a = x, *b = y;
    if (a->time != b->time) {
        return a->time > b->time ? -1 : 1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

/* For any order of the history, and any number of equal times. */
static void what_a_history_keeps_is_what_a_whole_sort_puts_first(void **state)
{
    (void)state;
    enum { MOST = 1500 };
    static links_owned owned[MOST], sorted[MOST];
    links_choice c = {.recency = {1, 1}};
    rng r;
    rng_init(&r, 5, 0);
    for (unsigned round = 0; round < 300; round++) {
        size_t count = 1 + rng_below(&r, round % 2 == 0 ? 40 : MOST);
        uint32_t times = 1 + rng_below(&r, 2000), step = 1 + 2 * rng_below(&r, 50);
        for (size_t i = 0; i < count; i++) {
            uint32_t item = (uint32_t)(i * step) % 100003;
            owned[i] = (links_owned){.item = item, .weight = 1, .time = rng_below(&r, times)};
            sorted[i] = owned[i];
        }
        qsort(sorted, count, sizeof sorted[0], by_time_then_item);
        size_t kept = links_history(&c, owned, count);
        assert_int_equal(kept, count < LINKS_HISTORY_MAX ? count : LINKS_HISTORY_MAX);
        for (size_t i = 0; i < kept; i++) {
            assert_int_equal(owned[i].item, sorted[i].item);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sums_are_those_of_the_matrix),
        cmocka_unit_test(a_link_is_found_again),
        cmocka_unit_test(a_long_history_counts_its_latest_items),
        cmocka_unit_test(what_a_history_keeps_is_what_a_whole_sort_puts_first),
        cmocka_unit_test(the_factor_scales_by_the_spread_of_the_sum),
        cmocka_unit_test(the_factor_takes_weights_of_any_size),
        cmocka_unit_test(the_spread_is_that_of_the_inner_products),
        cmocka_unit_test(damaged_links_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
