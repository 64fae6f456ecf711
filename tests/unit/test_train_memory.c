/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate of a training's memory covers everything that exists at one time, also the map
 * between features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/train/loop/fit_map.h"
#include "core/train/loop/train_memory.h"
#include "server/jobs/train_quota.h"

#define MIB ((uint64_t)1 << 20)

static const train_options options = TRAIN_OPTIONS_INIT;

static uint64_t map_share(train_size s)
{
    train_options without = options;
    without.without_links = true;
    return train_memory(&s, &options) - train_memory(&s, &without);
}

static void the_map_between_features_counts_up_to_its_limit(void **state)
{
    (void)state;
    train_size s = {.users = 1000, .items = 65536, .pairs = 100000, .modality_count = 2};
    s.widths[0] = s.widths[1] = 512;
    assert_int_equal(fit_map_width(s.widths, 2, s.items), 1024);
    assert_true(fit_map_bytes(s.widths, 2, s.items) >= 256 * MIB);
    assert_true(map_share(s) >= 256 * MIB);
    s.items++; /* more numbers than a map is fitted to */
    assert_int_equal(fit_map_bytes(s.widths, 2, s.items), 0);
    s.items--;
    s.widths[2] = 1; /* or wider than a map may be */
    s.modality_count = 3;
    assert_int_equal(fit_map_bytes(s.widths, 3, s.items), 0);
}

static void more_of_anything_takes_more(void **state)
{
    (void)state;
    train_size s = {.users = 50000, .items = 20000, .pairs = 500000, .modality_count = 1};
    s.widths[0] = 64;
    uint64_t least = train_memory(&s, &options);
    train_size more[] = {s, s, s, s};
    more[0].users *= 2;
    more[1].items *= 2;
    more[2].pairs *= 4;
    more[3].widths[0] *= 8;
    for (size_t i = 0; i < 4; i++) {
        assert_true(train_memory(&more[i], &options) > least);
    }
    train_options wide = options;
    wide.dim *= 2;
    assert_true(train_memory(&s, &wide) > least + (uint64_t)70000 * options.dim * 4 * 5);
}

/* Data with times has a third table of links to compare, the directed ones. A small map and many
 * pairs make the choice of links the largest step. */
static void interactions_with_times_take_another_table_of_links(void **state)
{
    (void)state;
    pair pairs[] = {{0, 0, 1, 5}, {0, 1, 1, 5}, {1, 0, 1, 5}, {1, 2, 1, 5}};
    dataset d = {.users = 2, .items = 3, .train = pairs, .train_count = 4};
    assert_false(train_size_of(&d).timed);
    pairs[3].time = 6;
    assert_true(train_size_of(&d).timed);

    enum { ITEMS = 200000, LINKS = 100, LINK_BYTES = 6 };
    train_size s = {.users = 50000, .items = ITEMS, .pairs = 1000000};
    train_options narrow = options;
    narrow.dim = 8;
    uint64_t without = train_memory(&s, &narrow);
    s.timed = true;
    uint64_t more = train_memory(&s, &narrow) - without;
    assert_int_equal(more, (uint64_t)ITEMS * LINKS * LINK_BYTES);
}

static void a_training_that_cannot_fit_is_refused_with_both_sizes(void **state)
{
    (void)state;
    dataset d = {.users = 1000000, .items = 100000};
    train_size s = train_size_of(&d);
    uint64_t need = train_memory(&s, &options);
    err e = ERR_INIT;
    assert_int_equal(train_memory_check(&d, &options, need, &e), ERR_OK);
    assert_int_equal(train_memory_check(&d, &options, 512 * MIB, &e), ERR_NOMEM);
    assert_non_null(strstr(e.text, "a training needs at least 1"));
    assert_non_null(strstr(e.text, "but only 512.0 MiB are available: add memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_between_features_counts_up_to_its_limit),
        cmocka_unit_test(more_of_anything_takes_more),
        cmocka_unit_test(interactions_with_times_take_another_table_of_links),
        cmocka_unit_test(a_training_that_cannot_fit_is_refused_with_both_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
