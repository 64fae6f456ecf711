/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels that make lists against their plain forms in the *_reference.c files, which are the
 * definitions in a few loops. test_reference.c has the kernels of search and training.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/rng.h"
#include "core/model/links.h"
#include "core/model/links_reference.h"
#include "core/search/kth.h"
#include "core/search/kth_reference.h"
#include "core/search/shortlist.h"
#include "core/search/shortlist_reference.h"
#include "core/serve/filter/filter_kernels.h"
#include "core/serve/filter/filter_reference.h"
#include "core/serve/query/reach.h"
#include "core/serve/query/reach_reference.h"

/* any_number returns one of `levels` values in half of the cases, so that many numbers are
 * equal. */
static float any_number(rng *r, uint32_t levels)
{
    return rng_below(r, 2) == 0 ? (float)rng_below(r, levels) : (float)rng_normal(r);
}

/* --- selection --- */

static void the_kth_largest_is_the_one_that_k_numbers_reach(void **state)
{
    (void)state;
    enum { MAX = 500, K_MAX = KTH_SORTED_MAX + 60 };
    rng r;
    rng_init(&r, 21, 0);
    float memory[K_MAX + 2 * KTH_LANES], came[MAX];
    for (int n = 0; n < 200; n++) {
        size_t k = 1 + rng_below(&r, n % 2 == 0 ? 40 : K_MAX), count = rng_below(&r, MAX);
        kth s;
        assert_true(kth_size(k) <= sizeof memory / sizeof *memory);
        kth_init(&s, memory, k);
        for (size_t i = 0; i < count; i++) {
            came[i] = any_number(&r, 5);
            kth_push(&s, came[i]);
            if (i % 50 == 0 || i + 1 == count) {
                assert_true(kth_threshold(&s) == kth_reference(came, i + 1, k));
                assert_int_equal(kth_count(&s), i + 1 < k ? i + 1 : k);
            }
        }
    }
}

static void a_shortlist_has_the_rows_that_fewer_than_k_beat(void **state)
{
    (void)state;
    enum { ROWS = 600, K_MAX = 90 };
    static float scores[ROWS], room[4 * K_MAX + 64];
    static uint32_t rows[4 * K_MAX + 64], plain[ROWS];
    rng r;
    rng_init(&r, 22, 0);
    for (int n = 0; n < 200; n++) {
        size_t count = rng_below(&r, ROWS), k = 1 + rng_below(&r, K_MAX);
        for (size_t i = 0; i < count; i++) {
            scores[i] = any_number(&r, n % 2 == 0 ? 3 : 1000);
        }
        shortlist s;
        assert_true(shortlist_room(k) <= sizeof rows / sizeof *rows);
        shortlist_init(&s, k, room, rows);
        for (size_t at = 0; at < count;) {
            size_t run = 1 + rng_below(&r, 100);
            run = run < count - at ? run : count - at;
            shortlist_offer(&s, (uint32_t)at, scores + at, run);
            at += run;
        }
        size_t found = shortlist_finish(&s);
        assert_int_equal(found, shortlist_reference(scores, count, k, plain));
        for (size_t i = 0; i < found; i++) {
            assert_int_equal(rows[i], plain[i]);
            assert_true(room[i] == scores[plain[i]]);
        }
    }
}

/* --- filter --- */

static void every_filter_kernel_keeps_the_values_in_the_range(void **state)
{
    (void)state;
    enum { WORDS = 9 };
    rng r;
    rng_init(&r, 61, 0);
    static const uint64_t edges[] = {0,         1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 1,
                                     UINT64_MAX};
    const uint32_t edge_count = sizeof edges / sizeof edges[0];
    for (unsigned round = 0; round < 4000; round++) {
        uint64_t values[WORDS * 64], words[WORDS], plain[WORDS], got[WORDS];
        for (size_t i = 0; i < WORDS * 64; i++) {
            values[i] = rng_below(&r, 2) == 0 ? edges[rng_below(&r, edge_count)] : rng_next(&r);
        }
        for (size_t w = 0; w < WORDS; w++) {
            uint64_t few = UINT64_C(1) << rng_below(&r, 64) | UINT64_C(1) << rng_below(&r, 64);
            words[w] = w % 4 == 0 ? 0 : w % 4 == 1 ? few : w % 4 == 2 ? UINT64_MAX : rng_next(&r);
        }
        filter_range range = {edges[rng_below(&r, edge_count)], edges[rng_below(&r, edge_count)]};
        if (rng_below(&r, 2) == 0) {
            range = (filter_range){rng_next(&r), rng_next(&r)};
        }
        memcpy(plain, words, sizeof plain);
        filter_reference(&range, values, plain, WORDS);
        for (filter_kernel kernel = 0; kernel < FILTER_KERNELS; kernel++) {
            filter_keep keep = filter_kernel_get(kernel);
            if (keep != NULL) {
                memcpy(got, words, sizeof got);
                keep(&range, values, got, WORDS);
                assert_memory_equal(got, plain, sizeof got);
            }
        }
    }
    for (filter_kernel kernel = 0; kernel < FILTER_KERNELS; kernel++) {
        if (filter_kernel_get(kernel) == NULL) {
            print_message("NOT RUN here for want of the instructions: kernel %d\n", (int)kernel);
        }
    }
}

/* --- links --- */

enum { ITEMS = 150, HISTORY = 9 };

static item_links *random_links(rng *r)
{
    item_links *l = NULL;
    assert_int_equal(links_new(&l, ITEMS, NULL), ERR_OK);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        links_table_fini(&l->source[x]);
        assert_int_equal(links_table_alloc(&l->source[x], ITEMS, ITEMS * ITEMS, NULL), ERR_OK);
        l->choice.beta[x] = x == LINKS_CONTENT ? 0.5F : 1.5F;
        l->choice.recency[x] = x == LINKS_CONTENT ? 1 : 0.9F;
        for (size_t j = 0; j < ITEMS; j++) {
            links_entry row[ITEMS];
            size_t count = 0;
            for (uint32_t i = 0; i < ITEMS; i++) {
                if (i != j && rng_below(r, 5) == 0) {
                    row[count++] = (links_entry){i, (float)rng_uniform(r) + 1e-4F};
                }
            }
            links_table_put(&l->source[x], j, row, count);
        }
    }
    return l;
}

static void check_near(double got, double plain, double tolerance)
{
    if (!(fabs(got - plain) <= tolerance)) {
        fail_msg("%.9g, the plain form has %.9g", got, plain);
    }
}

/* check_reach compares what the sums add, and which items then reach some limits. */
static void check_reach(rng *r, const links_sum *s, const float factor[LINKS_SOURCES])
{
    enum { ROOM = 2 * ITEMS };
    float adds[ROOM], most = 0;
    uint32_t rows[ROOM], places[ROOM], plain_places[ROOM];
    assert_true(s->room < ROOM);
    size_t count = links_sum_rows(s, rows), linked = 0;
    float found_most = reach_gather(s, factor, rows, count, adds);
    for (uint32_t i = 0; i < s->room; i++) {
        if (links_sum_linked(s, i)) {
            float plain = links_sum_score(s, i, 0, factor);
            assert_true(linked < count && rows[linked] == i && adds[linked] == plain);
            most = plain > most ? plain : most;
            linked++;
        }
    }
    assert_true(linked == count && most == found_most);
    for (size_t n = 0; n < 8; n++) {
        float base = (float)rng_normal(r);
        float limit = n == 0 ? base + most : base + most * (float)rng_uniform(r);
        size_t found = reach_find(adds, count, base, limit, places);
        assert_int_equal(found, reach_find_reference(adds, count, base, limit, plain_places));
        assert_memory_equal(places, plain_places, found * sizeof *places);
    }
}

static void what_links_add_is_the_sum_over_the_history(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 62, 0);
    item_links *l = random_links(&r);
    links_sum s = {0};
    assert_int_equal(links_sum_fit(&s, ITEMS, NULL), ERR_OK);
    for (size_t n = 0; n < 60; n++) {
        links_owned owned[HISTORY];
        double plain[ITEMS * LINKS_SOURCES], plain_factor[LINKS_SOURCES];
        float factor[LINKS_SOURCES];
        l->choice.beta[n % 2] = n % 7 == 0 ? 0 : 0.7F; /* with 0 the source is not used */
        size_t count = n % HISTORY;
        for (uint32_t k = 0; k < count; k++) {
            /* Each item occurs once; the last ones are beyond the links' rows. */
            uint32_t item = k * 17 + rng_below(&r, 17) + (n % 3 == 0 ? 20 : 0);
            owned[k] = (links_owned){item, (float)rng_uniform(&r) + 0.1F, rng_below(&r, 6), {0}};
        }
        count = links_history(&l->choice, owned, count);
        links_sum_set(&s, l, owned, count);
        links_factors(factor, &l->choice, &s, ITEMS, 3);
        links_sum_reference(l, owned, count, plain);
        links_factors_reference(plain_factor, &l->choice, plain, ITEMS, 3);
        for (size_t i = 0; i < ITEMS * LINKS_SOURCES; i++) {
            double got = (double)s.part[i % LINKS_SOURCES][i / LINKS_SOURCES];
            check_near(got, plain[i], 1e-5 * plain[i] + 1e-25);
        }
        for (size_t x = 0; x < LINKS_SOURCES; x++) {
            check_near((double)factor[x], plain_factor[x], 1e-4 * plain_factor[x]);
        }
        check_reach(&r, &s, factor);
        links_sum_clear(&s);
    }
    links_sum_fini(&s);
    links_free(l);
}

static void the_spread_of_the_scores_is_their_standard_deviation(void **state)
{
    (void)state;
    enum { ROWS = 300, DIM_MAX = 40 };
    static float h[ROWS * DIM_MAX], covariance[DIM_MAX * DIM_MAX];
    rng r;
    rng_init(&r, 63, 0);
    for (size_t dim = 1; dim <= DIM_MAX; dim++) {
        float q[DIM_MAX];
        for (size_t i = 0; i < ROWS * dim; i++) {
            h[i] = (float)rng_normal(&r) + 0.5F;
        }
        for (size_t j = 0; j < dim; j++) {
            q[j] = (float)rng_normal(&r);
        }
        assert_int_equal(links_covariance(h, ROWS, dim, covariance, NULL), ERR_OK);
        double plain = links_spread_reference(h, ROWS, dim, q);
        check_near((double)links_spread(covariance, q, dim), plain, 1e-5 * plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kth_largest_is_the_one_that_k_numbers_reach),
        cmocka_unit_test(a_shortlist_has_the_rows_that_fewer_than_k_beat),
        cmocka_unit_test(every_filter_kernel_keeps_the_values_in_the_range),
        cmocka_unit_test(what_links_add_is_the_sum_over_the_history),
        cmocka_unit_test(the_spread_of_the_scores_is_their_standard_deviation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
