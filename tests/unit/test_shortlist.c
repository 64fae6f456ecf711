/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shortlist keeps the same rows as topk, in row order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/common/rng.h"
#include "core/search/shortlist.h"
#include "core/search/topk.h"

enum { ROWS = 5000, K_MAX = 300 };

static size_t failures;

static int by_row(const void *x, const void *y)
{
    const topk_hit *a = x, *b = y;
    return (a->row > b->row) - (a->row < b->row);
}

/* guess does the same with every tenth score. */
static void guess(shortlist *s, const float *scores, size_t rows)
{
    static float sample[ROWS];
    size_t count = 0;
    for (size_t i = 0; i < rows; i += 10) {
        sample[count++] = scores[i];
    }
    shortlist_guess(s, sample, count, rows);
}

static bool portable;

/* check offers the scores in runs of random length and compares the result with topk. */
static void check(rng *r, const float *scores, size_t rows, size_t k, bool guesses)
{
    static float room[4 * K_MAX + 64];
    static uint32_t list[4 * K_MAX + 64];
    topk_hit hits[K_MAX];
    shortlist s;
    topk best;
    shortlist_init(&s, k, room, list);
    topk_init(&best, hits, k);
    for (size_t i = 0; i < rows; i++) {
        if (scores[i] > 0) {
            topk_push(&best, (uint32_t)i, scores[i]);
        }
    }
    if (guesses) {
        guess(&s, scores, rows);
    }
    for (size_t at = 0; at < rows;) {
        size_t run = 1 + rng_below(r, 700);
        run = run < rows - at ? run : rows - at;
        if (portable) {
            shortlist_offer_portable(&s, (uint32_t)at, scores + at, run);
        } else {
            shortlist_offer(&s, (uint32_t)at, scores + at, run);
        }
        at += run;
    }
    size_t count = topk_finish(&best);
    if (shortlist_failed(&s)) {
        failures++;
        check(r, scores, rows, k, false);
        return;
    }
    qsort(hits, count, sizeof *hits, by_row);
    assert_int_equal(shortlist_finish(&s), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(s.rows[i], hits[i].row);
        assert_true(s.scores[i] == hits[i].score);
    }
}

static void the_best_of_any_scores_are_kept(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 81, 0);
    static float scores[ROWS];
    for (int n = 0; n < 300; n++) {
        size_t rows = rng_below(&r, ROWS), k = 1 + rng_below(&r, K_MAX);
        uint32_t levels = n % 3 == 0 ? 4 : n % 3 == 1 ? 200 : 1 << 20; /* few: many are equal */
        for (size_t i = 0; i < rows; i++) {
            scores[i] = (float)rng_below(&r, levels) / (float)levels - 0.1F;
        }
        check(&r, scores, rows, k, n % 2 == 0);
    }
}

static void scores_that_rise_or_fall_all_the_way_are_no_exception(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 82, 0);
    static float rising[ROWS], falling[ROWS], equal[ROWS], none[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        rising[i] = (float)(i + 1);
        falling[i] = (float)(ROWS - i);
        equal[i] = 7;
        none[i] = i % 2 == 0 ? 0 : -1;
    }
    for (size_t k = 1; k <= K_MAX; k += 23) {
        check(&r, rising, ROWS, k, false);
        check(&r, rising, ROWS, k, true);
        check(&r, falling, ROWS, k, false);
        check(&r, falling, ROWS, k, true);
        check(&r, equal, ROWS, k, false);
        check(&r, equal, ROWS, k, true);
        check(&r, none, ROWS, k, false);
        check(&r, none, ROWS, k, true);
    }
}

/* If the sample contains only the best rows, the guess is too high. */
static void a_guess_that_is_too_high_is_told(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 83, 0);
    static float scores[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        scores[i] = i % 10 == 0 ? 100 + (float)rng_below(&r, 50) : 1;
    }
    failures = 0;
    check(&r, scores, ROWS, 200, true);
    assert_int_equal(failures, 1);
}

static void a_processor_without_avx512_keeps_the_same(void **state)
{
    portable = true;
    the_best_of_any_scores_are_kept(state);
    scores_that_rise_or_fall_all_the_way_are_no_exception(state);
    portable = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_any_scores_are_kept),
        cmocka_unit_test(a_guess_that_is_too_high_is_told),
        cmocka_unit_test(scores_that_rise_or_fall_all_the_way_are_no_exception),
        cmocka_unit_test(a_processor_without_avx512_keeps_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
