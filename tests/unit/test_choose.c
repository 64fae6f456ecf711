/* SPDX-License-Identifier: Apache-2.0 */
/* The choices after a training: links if items go together in pairs, and the same choice in a
 * refit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/train/loop/holdout.h"
#include "core/train/loop/train.h"

enum { USERS = 300, ITEMS = 200, BOUGHT = 3 };

/* shop_of_pairs makes users who take random items, each followed by the item that belongs to it.
 * The second item of the last pair is for validation. There are too many pairs for 4 dimensions. */
static dataset *shop_of_pairs(bool with_valid)
{
    dataset *d = NULL;
    rng r;
    rng_init(&r, 3, 0);
    assert_int_equal(dataset_new(&d, USERS, ITEMS, NULL), ERR_OK);
    d->train = mem_array(USERS * BOUGHT * 2, sizeof *d->train);
    d->valid = mem_array(USERS, sizeof *d->valid);
    assert_true(d->train != NULL && d->valid != NULL);
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t first = rng_below(&r, ITEMS / 2 / BOUGHT) * BOUGHT;
        for (uint32_t n = 0; n < BOUGHT; n++) {
            uint32_t item = 2 * ((first + n * 7) % (ITEMS / 2));
            d->train[d->train_count++] = (pair){u, item, 1, 100 * n + 1};
            pair second = {u, item + 1, 1, 100 * n + 2};
            if (n + 1 == BOUGHT && with_valid) {
                d->valid[d->valid_count++] = second;
            } else {
                d->train[d->train_count++] = second;
            }
        }
    }
    d->train_count = pairs_sort(d->train, d->train_count);
    return d;
}

static train_options options(void)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = 4;
    o.batch = 256;
    o.epochs = 10;
    o.lr = 0.01;
    o.without_fsc = true;
    o.without_mi = true; /* weak vectors, so that links have much to add */
    return o;
}

static model *train(const dataset *d, const train_options *o, bool refit)
{
    model *m = NULL;
    err e = ERR_INIT;
    train_hooks h = {0};
    assert_int_equal(refit ? train_refit(&m, d, o, &h, &e) : train_run(&m, d, o, &h, &e), ERR_OK);
    return m;
}

static void links_are_chosen_where_they_gain_whatever_the_threads(void **state)
{
    (void)state;
    dataset *d = shop_of_pairs(true);
    train_options o = options();
    model *one = train(d, &o, false);
    assert_non_null(one->links);
    assert_true(one->links_gain > 1.5);
    assert_true(one->links->choice.beta[LINKS_COLLABORATIVE] > 0);
    assert_true(one->links->choice.beta[LINKS_CONTENT] == 0); /* there are no features */
    o.threads = 3;
    model *three = train(d, &o, false);
    assert_memory_equal(&one->links->choice, &three->links->choice, sizeof(links_choice));
    assert_true(one->links_gain == three->links_gain && one->serving == three->serving);
    o.without_links = true;
    model *without = train(d, &o, false);
    assert_null(without->links);
    assert_true(eval_metric(&without->valid, TRAIN_NDCG, 20) * 1.5 <
                eval_metric(&one->valid, TRAIN_NDCG, 20));
    model_free(one);
    model_free(three);
    model_free(without);
    dataset_free(d);
}

static void a_refit_keeps_what_the_first_run_chose_and_links_all(void **state)
{
    (void)state;
    dataset *d = shop_of_pairs(true);
    train_options o = options();
    model *once = train(d, &o, false), *again = train(d, &o, true);
    assert_memory_equal(&once->links->choice, &again->links->choice, sizeof(links_choice));
    assert_true(once->links_gain == again->links_gain && once->serving == again->serving);
    /* Both serve every split. */
    const links_table *a = &once->links->source[LINKS_COLLABORATIVE];
    const links_table *b = &again->links->source[LINKS_COLLABORATIVE];
    assert_int_equal(a->start[ITEMS], b->start[ITEMS]);
    assert_memory_equal(a->target, b->target, a->start[ITEMS] * sizeof *a->target);
    for (size_t k = 0; k < d->valid_count; k++) {
        uint32_t item = d->valid[k].item;
        assert_true(links_weight(again->links, LINKS_COLLABORATIVE, item - 1, item) > 0);
    }
    model_free(once);
    model_free(again);
    dataset_free(d);
}

static void the_latest_pair_is_set_aside(void **state)
{
    (void)state;
    dataset *d = shop_of_pairs(false), *x = NULL;
    assert_int_equal(holdout_new(&x, d, NULL), ERR_OK);
    assert_int_equal(x->valid_count, USERS);
    for (size_t k = 0; k < x->valid_count; k++) {
        assert_int_equal(x->valid[k].time, 100 * (BOUGHT - 1) + 2);
    }
    dataset_free(x);
    dataset_free(d);
}

static void batch_and_rate_go_with_the_number_of_pairs(void **state)
{
    (void)state;
    const struct {
        size_t pairs;
        uint32_t batch, fitted;
        double lr, rate;
    } cases[] = {{0, 0, 1024, 0, 0.0015},         {32768, 0, 1024, 0, 0.0015},
                 {60000, 0, 2048, 0, 0.003},      {130000, 0, 4096, 0, 0.01},
                 {220000, 0, 8192, 0, 0.02},      {100000000, 0, 8192, 0, 0.02},
                 {130000, 1024, 1024, 0, 0.0015}, {130000, 64, 64, 0, 0.0015},
                 {130000, 0, 4096, 0.5, 0.5},     {130000, 100000, 100000, 0, 0.02}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        train_options o = TRAIN_OPTIONS_INIT;
        o.batch = cases[i].batch;
        o.lr = cases[i].lr;
        train_options bare = o;
        train_options_fit(&o, cases[i].pairs, true);
        train_options_fit(&bare, cases[i].pairs, false);
        double least = cases[i].lr > 0 ? cases[i].lr : fmax(cases[i].rate, 0.01);
        assert_true(bare.lr > least * 0.999 && bare.lr < least * 1.001);
        assert_int_equal(o.batch, cases[i].fitted);
        assert_true(o.lr > cases[i].rate * 0.999 && o.lr < cases[i].rate * 1.001);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_chosen_where_they_gain_whatever_the_threads),
        cmocka_unit_test(a_refit_keeps_what_the_first_run_chose_and_links_all),
        cmocka_unit_test(the_latest_pair_is_set_aside),
        cmocka_unit_test(batch_and_rate_go_with_the_number_of_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
