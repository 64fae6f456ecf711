/* SPDX-License-Identifier: Apache-2.0 */
/* Links built from interactions and features, against plain loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/common/types.h"
#include "core/model/links_build.h"

enum { USERS = 60, ITEMS = 50, TIMES = 9 };

static pair pairs[USERS * ITEMS];
static size_t pair_count;

static interaction_list random_pairs(bool timed)
{
    rng r;
    rng_init(&r, 5, 0);
    pair_count = 0;
    for (uint32_t u = 0; u < USERS; u++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            if (rng_below(&r, 5) == 0) {
                pairs[pair_count++] = (pair){u, i, rng_below(&r, 3) == 0 ? 0.5F : 1.0F,
                                             timed ? 100 + rng_below(&r, TIMES) : 0};
            }
        }
    }
    return (interaction_list){pairs, pair_count, USERS, ITEMS};
}

static int step_between(uint32_t user, uint32_t from, uint32_t to)
{
    bool there[100 + TIMES] = {false};
    int steps = 0;
    for (size_t k = 0; k < pair_count; k++) {
        if (pairs[k].user == user) {
            there[pairs[k].time] = true;
        }
    }
    for (uint32_t t = from < to ? from + 1 : to + 1; t <= (from < to ? to : from); t++) {
        steps += there[t];
    }
    return from < to ? steps : -steps;
}

static double expected(links_kind kind, uint32_t j, uint32_t i, double shrinkage)
{
    double sum = 0, norm[2] = {0};
    for (size_t a = 0; a < pair_count; a++) {
        norm[0] += pairs[a].item == j ? pow((double)pairs[a].weight, 2) : 0;
        norm[1] += pairs[a].item == i ? pow((double)pairs[a].weight, 2) : 0;
        for (size_t b = 0; b < pair_count && pairs[a].item == j; b++) {
            if (pairs[b].user != pairs[a].user || pairs[b].item != i) {
                continue;
            }
            double both = (double)pairs[a].weight * (double)pairs[b].weight;
            int step = step_between(pairs[a].user, pairs[a].time, pairs[b].time);
            if (kind == LINKS_COSINE) {
                sum += both;
            } else if (step == 0) {
                sum += 0.75 * both;
            } else if (step > 0 && step <= LINKS_WINDOW) {
                sum += both / step;
            } else if (step < 0 && -step <= LINKS_WINDOW) {
                sum += 0.5 * both / -step;
            }
        }
    }
    return sum / (sqrt(norm[0] * norm[1]) + shrinkage);
}

static void check_kind(links_kind kind, bool timed)
{
    err e = ERR_INIT;
    item_links *l = NULL;
    links_choice choice = {.kind = kind, .shrinkage = 7, .beta = {1, 0}};
    interaction_list list = random_pairs(timed);
    assert_int_equal(links_new(&l, ITEMS, &e), ERR_OK);
    l->choice = choice;
    l->choice.recency[0] = l->choice.recency[1] = 1;
    item_links *empty = l;
    assert_int_equal(links_rebuilt(&l, empty, &list, 2, &e), ERR_OK);
    links_free(empty);
    assert_int_equal(links_check(l, &e), ERR_OK);
    for (uint32_t j = 0; j < ITEMS; j++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            double want = i != j ? expected(kind, j, i, 7) : 0;
            double got = (double)links_weight(l, LINKS_COLLABORATIVE, j, i);
            if (fabs(got - want) > 1e-4) {
                fail_msg("%u -> %u: %g, expected %g", j, i, got, want);
            }
        }
    }
    links_free(l);
}

static void cosine_links_are_the_shrunk_cosine(void **state)
{
    (void)state;
    check_kind(LINKS_COSINE, true);
}

static void directed_links_follow_the_order_of_time_and_ties_have_none(void **state)
{
    (void)state;
    check_kind(LINKS_DIRECTED, true);
    check_kind(LINKS_DIRECTED, false);
    interaction_list list = random_pairs(false);
    assert_false(links_timed(&list));
    list = random_pairs(true);
    assert_true(links_timed(&list));
}

static void the_threads_change_no_byte(void **state)
{
    (void)state;
    err e = ERR_INIT;
    links_table one, three;
    links_choice choice = {.kind = LINKS_DIRECTED, .shrinkage = 20};
    interaction_list list = random_pairs(true);
    assert_int_equal(links_collaborative(&one, &list, &choice, 1, &e), ERR_OK);
    assert_int_equal(links_collaborative(&three, &list, &choice, 3, &e), ERR_OK);
    size_t count = one.start[ITEMS];
    assert_true(count > 0);
    assert_memory_equal(one.start, three.start, (ITEMS + 1) * sizeof *one.start);
    assert_memory_equal(one.target, three.target, count * sizeof *one.target);
    assert_memory_equal(one.level, three.level, count * sizeof *one.level);
    links_table_fini(&one);
    links_table_fini(&three);
}

static void tables_that_are_built_together_are_those_built_alone(void **state)
{
    (void)state;
    err e = ERR_INIT;
    enum { TABLES = 4 };
    const links_choice choices[TABLES] = {{.kind = LINKS_COSINE, .shrinkage = 100},
                                          {.kind = LINKS_COSINE, .shrinkage = 1},
                                          {.kind = LINKS_DIRECTED, .shrinkage = 20},
                                          {.kind = LINKS_COSINE, .shrinkage = 100}};
    links_table together[TABLES] = {0}, alone;
    interaction_list list = random_pairs(true);
    links_choices all = {choices, TABLES};
    assert_int_equal(links_collaborative_each(together, &list, &all, 2, &e), ERR_OK);
    for (size_t t = 0; t < TABLES; t++) {
        assert_int_equal(links_collaborative(&alone, &list, &choices[t], 1, &e), ERR_OK);
        size_t count = alone.start[ITEMS];
        assert_memory_equal(together[t].start, alone.start, (ITEMS + 1) * sizeof *alone.start);
        assert_memory_equal(together[t].unit, alone.unit, ITEMS * sizeof *alone.unit);
        assert_memory_equal(together[t].target, alone.target, count * sizeof *alone.target);
        assert_memory_equal(together[t].level, alone.level, count * sizeof *alone.level);
        links_table_fini(&alone);
        links_table_fini(&together[t]);
    }
}

/* One user has every item, so every item has more partners than are kept, all equally strong. */
static void the_strongest_are_kept_and_of_equal_ones_the_first_rows(void **state)
{
    (void)state;
    enum { MANY = 300, STRONG = 250 };
    static pair all[MANY + 2];
    err e = ERR_INIT;
    links_table t;
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = (pair){0, i, 1, 0};
    }
    all[MANY] = (pair){1, 3, 1, 0};
    all[MANY + 1] = (pair){1, STRONG, 1, 0};
    interaction_list list = {all, MANY + 2, 2, MANY};
    links_choice choice = {.kind = LINKS_COSINE, .shrinkage = 100};
    assert_int_equal(links_collaborative(&t, &list, &choice, 1, &e), ERR_OK);
    assert_int_equal(t.start[4] - t.start[3], LINKS_KEPT_COLLABORATIVE);
    assert_int_equal(t.target[t.start[4] - 1], STRONG);
    assert_int_equal(t.target[t.start[4] - 2], LINKS_KEPT_COLLABORATIVE - 1);
    links_table_fini(&t);
}

static void content_links_add_up_the_squared_cosines_of_the_modalities(void **state)
{
    (void)state;
    err e = ERR_INIT;
    links_table t;
    const uint32_t text[] = {2, 1, 0, ROW_NONE, 0, 1};
    const float text_cosine[] = {0.8F, 0.5F, 0.5F, 0, 0.8F, 0.1F};
    const uint32_t image[] = {2, 2, ROW_NONE};
    const float image_cosine[] = {0.5F, -0.5F, 0};
    const links_near near[] = {{text, text_cosine, 2, 0.75F}, {image, image_cosine, 1, 0.25F}};
    assert_int_equal(links_content(&t, near, 2, 3, &e), ERR_OK);
    const uint32_t targets[] = {1, 2, 0, 0, 1};
    const double weights[] = {0.75 * 0.25, 0.75 * 0.64 + 0.25 * 0.25, 0.75 * 0.25, 0.75 * 0.64,
                              0.75 * 0.01};
    assert_int_equal(t.start[3], 5);
    for (size_t j = 0; j < 3; j++) {
        for (size_t k = t.start[j]; k < t.start[j + 1]; k++) {
            assert_int_equal(t.target[k], targets[k]);
            assert_true(fabs((double)t.unit[j] * t.level[k] - weights[k]) < 1e-4);
        }
    }
    links_table_fini(&t);
}

static void rebuilding_for_more_items_keeps_the_content(void **state)
{
    (void)state;
    err e = ERR_INIT;
    item_links *l = NULL;
    const uint32_t rows[] = {1, 0};
    const float cosine[] = {0.5F, 0.5F};
    const links_near near = {rows, cosine, 1, 1};
    interaction_list list = random_pairs(false);
    assert_int_equal(links_new(&l, 2, &e), ERR_OK);
    links_table_fini(&l->source[LINKS_CONTENT]);
    assert_int_equal(links_content(&l->source[LINKS_CONTENT], &near, 1, 2, &e), ERR_OK);
    item_links *unused = NULL, *small = l;
    assert_int_equal(links_rebuilt(&unused, small, &list, 1, &e), ERR_OK);
    assert_int_equal(unused->items, ITEMS);
    assert_int_equal(unused->source[LINKS_COLLABORATIVE].start[ITEMS], 0);
    links_free(unused);
    small->choice.beta[LINKS_COLLABORATIVE] = 0.5F;
    assert_int_equal(links_rebuilt(&l, small, &list, 1, &e), ERR_OK);
    links_free(small);
    assert_int_equal(l->items, ITEMS);
    assert_true(l->source[LINKS_COLLABORATIVE].start[ITEMS] > 0);
    assert_int_equal(links_check(l, &e), ERR_OK);
    assert_true(fabsf(links_weight(l, LINKS_CONTENT, 1, 0) - 0.25F) < 1e-6F);
    assert_true(links_weight(l, LINKS_CONTENT, ITEMS - 1, 0) <= 0);
    links_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_links_are_the_shrunk_cosine),
        cmocka_unit_test(directed_links_follow_the_order_of_time_and_ties_have_none),
        cmocka_unit_test(the_threads_change_no_byte),
        cmocka_unit_test(tables_that_are_built_together_are_those_built_alone),
        cmocka_unit_test(the_strongest_are_kept_and_of_equal_ones_the_first_rows),
        cmocka_unit_test(content_links_add_up_the_squared_cosines_of_the_modalities),
        cmocka_unit_test(rebuilding_for_more_items_keeps_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
