/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics by hand, masks and protocols, and the baselines against their definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/search/topk.h"
#include "core/train/eval/baseline.h"
#include "core/train/eval/lister.h"
#include "tests/support/toy.h"

/* Gives fixed lists and remembers what it was asked. */
typedef struct fake {
    uint32_t list[4];
    size_t length;
    eval_ask asked[8];
    uint32_t excluded[8][8];
    size_t asks;
} fake;

static err_code fake_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                          size_t *found, err *e)
{
    (void)e;
    fake *f = ctx;
    for (size_t i = 0; i < count; i++) {
        f->asked[f->asks] = asks[i];
        memcpy(f->excluded[f->asks++], asks[i].exclude, asks[i].exclude_count * sizeof(uint32_t));
        found[i] = f->length < k ? f->length : k;
        memcpy(rows + i * k, f->list, found[i] * sizeof *rows);
    }
    return ERR_OK;
}

static pair train_pairs[] = {{0, 1, 1}, {0, 4, 1}, {1, 0, 1}};
static pair valid_pairs[] = {{0, 2, 1}, {2, 1, 1}};
static pair test_pairs[] = {{0, 3, 1}, {0, 5, 1}, {2, 3, 1}};

static dataset small(void)
{
    return (dataset){.users = 3,
                     .items = 6,
                     .train = train_pairs,
                     .train_count = 3,
                     .valid = valid_pairs,
                     .valid_count = 2,
                     .test = test_pairs,
                     .test_count = 3};
}

static void metrics_are_what_the_definitions_give_by_hand(void **state)
{
    (void)state;
    dataset d = small();
    fake f = {.list = {0, 3, 5}, .length = 3};
    eval_lister lists = {fake_list, &f};
    eval_options o = EVAL_OPTIONS_INIT;
    o.at[0] = 1;
    o.at[1] = 2;
    o.at[2] = 10;
    eval_metrics m;
    err e = ERR_INIT;
    assert_int_equal(eval_run(&m, &d, &o, &lists, &e), ERR_OK);
    assert_int_equal(m.users, 2); /* user 1 has nothing held out */
    assert_int_equal(m.dropped, 0);
    double second = 1 / log2(3), third = 1 / log2(4);
    const double recall[3] = {0, (0.5 + 1) / 2, 1};
    const double ndcg[3] = {0, (second / (1 + second) + second) / 2,
                            ((second + third) / (1 + second) + second) / 2};
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(m.recall[i] - recall[i]) < 1e-12);
        assert_true(fabs(m.ndcg[i] - ndcg[i]) < 1e-12);
    }
    assert_true(eval_metric(&m, TRAIN_RECALL, 10) == m.recall[2]);
    assert_true(eval_metric(&m, TRAIN_NDCG, 7) == 0);
}

static void masks_and_users_follow_the_protocol(void **state)
{
    (void)state;
    dataset d = small();
    fake f = {0};
    eval_lister lists = {fake_list, &f};
    eval_options o = EVAL_OPTIONS_INIT;
    eval_metrics m;
    err e = ERR_INIT;
    assert_int_equal(eval_run(&m, &d, &o, &lists, &e), ERR_OK);
    const uint32_t both[] = {1, 2, 4};
    assert_int_equal(f.asked[0].user, 0);
    assert_int_equal(f.asked[0].exclude_count, 3); /* training and validation, ascending */
    assert_memory_equal(f.excluded[0], both, sizeof both);
    assert_int_equal(f.asked[1].user, 2);
    assert_int_equal(f.asked[1].exclude_count, 1);

    f = (fake){0};
    o.on = EVAL_VALID; /* test items are not masked there, nor validation items */
    assert_int_equal(eval_run(&m, &d, &o, &lists, &e), ERR_OK);
    const uint32_t training[] = {1, 4};
    assert_int_equal(f.asked[0].exclude_count, 2);
    assert_memory_equal(f.excluded[0], training, sizeof training);

    f = (fake){0};
    o.on = EVAL_TEST;
    o.protocol = PROTOCOL_MMREC;
    assert_int_equal(eval_run(&m, &d, &o, &lists, &e), ERR_OK);
    assert_int_equal(m.users, 1);
    assert_int_equal(m.dropped, 1); /* user 2 has no training interaction */
    assert_int_equal(f.asked[0].exclude_count, 2);
}

static void a_random_table(const void *ctx, const lister_block *b)
{
    const float *scores = ctx;
    for (size_t u = 0; u < b->count; u++) {
        for (size_t i = 0; i < b->items; i++) {
            b->out[u * b->items + i] = scores[b->asks[u].user * 9000 + b->first + i];
        }
    }
}

static void lists_from_a_table_equal_brute_force_with_masks_ties_and_deleted_items(void **state)
{
    (void)state;
    enum { USERS = 40, ITEMS = 9000, K = 12 };
    static float scores[USERS * ITEMS];
    static uint64_t gone[(ITEMS + 63) / 64];
    rng r;
    rng_init(&r, 4, 0);
    for (size_t i = 0; i < USERS * ITEMS; i++) {
        scores[i] = (float)rng_below(&r, 300); /* many ties */
    }
    for (size_t i = 0; i < ITEMS; i += 3) {
        gone[i / 64] |= UINT64_C(1) << (i % 64);
    }
    dataset d = {.users = USERS, .items = ITEMS, .gone = gone};
    lister l = {.d = &d, .threads = 2, .score = a_random_table, .ctx = scores};
    eval_ask asks[USERS];
    static uint32_t masks[USERS][500], rows[USERS * K];
    size_t found[USERS];
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t item = 0;
        for (size_t n = 0; n < 500; n++) {
            masks[u][n] = item += 1 + rng_below(&r, 16);
        }
        asks[u] = (eval_ask){u, masks[u], 500};
    }
    err e = ERR_INIT;
    assert_int_equal(lister_list(&l, asks, USERS, K, rows, found, &e), ERR_OK);
    for (uint32_t u = 0; u < USERS; u++) {
        topk best;
        topk_hit hits[K];
        topk_init(&best, hits, K);
        size_t masked = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            bool out = masked < 500 && masks[u][masked] == i;
            masked += out;
            if (!out && i % 3 != 0) {
                topk_push(&best, i, scores[u * ITEMS + i]);
            }
        }
        assert_int_equal(topk_finish(&best), K);
        assert_int_equal(found[u], K);
        for (size_t n = 0; n < K; n++) {
            assert_int_equal(rows[u * K + n], hits[n].row);
        }
    }
}

static void popular_lists_by_training_interactions_and_itemknn_by_shared_users(void **state)
{
    (void)state;
    toy_options t = {.users = 50, .items = 30, .pairs = 600, .test_percent = 10, .seed = 8};
    dataset *d = toy_new(&t);
    baseline *popular = NULL, *itemknn = NULL;
    err e = ERR_INIT;
    assert_int_equal(baseline_popular_new(&popular, d, &e), ERR_OK);
    assert_int_equal(baseline_itemknn_new(&itemknn, d, 2, &e), ERR_OK);
    bool has[50][30] = {{false}};
    int count[30] = {0};
    for (size_t k = 0; k < d->train_count; k++) {
        has[d->train[k].user][d->train[k].item] = true;
        count[d->train[k].item]++;
    }
    uint32_t rows[30];
    size_t found = 0;
    eval_ask ask = {7, NULL, 0};
    eval_lister lists = baseline_lister(popular);
    assert_int_equal(lists.list(lists.ctx, &ask, 1, 30, rows, &found, &e), ERR_OK);
    assert_int_equal(found, 30);
    for (size_t n = 1; n < 30; n++) {
        assert_true(count[rows[n - 1]] > count[rows[n]] ||
                    (count[rows[n - 1]] == count[rows[n]] && rows[n - 1] < rows[n]));
    }
    double score[30] = {0};
    for (uint32_t j = 0; j < 30; j++) {
        for (uint32_t i = 0; i < 30; i++) {
            int common = 0;
            for (int u = 0; u < 50; u++) {
                common += has[u][i] && has[u][j];
            }
            double both = sqrt((double)count[i] * count[j]);
            double alike = i == j ? 0 : common / (both + BASELINE_SHRINKAGE);
            assert_true(fabs((double)baseline_similarity(itemknn, j, i) - alike) < 1e-7);
            score[i] += has[7][j] ? alike : 0;
        }
    }
    lists = baseline_lister(itemknn);
    assert_int_equal(lists.list(lists.ctx, &ask, 1, 30, rows, &found, &e), ERR_OK);
    for (size_t n = 1; n < found; n++) {
        assert_true(score[rows[n - 1]] >= score[rows[n]] - 1e-7);
    }
    baseline_free(popular);
    baseline_free(itemknn);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_what_the_definitions_give_by_hand),
        cmocka_unit_test(masks_and_users_follow_the_protocol),
        cmocka_unit_test(lists_from_a_table_equal_brute_force_with_masks_ties_and_deleted_items),
        cmocka_unit_test(popular_lists_by_training_interactions_and_itemknn_by_shared_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
