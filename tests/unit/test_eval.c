/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics against values computed by hand, masks and protocols, and the baselines against their
 * definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/lister.h"
#include "core/search/topk.h"
#include "core/train/eval/baseline.h"
#include "core/train/eval/ease.h"
#include "core/train/eval/given.h"
#include "core/train/eval/next_item.h"
#include "tests/support/toy.h"

/* A lister that returns fixed lists and records its requests. */
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

static pair train_pairs[] = {{0, 1, 1, 0}, {0, 4, 1, 0}, {1, 0, 1, 0}};
static pair valid_pairs[] = {{0, 2, 1, 0}, {2, 1, 1, 0}};
static pair test_pairs[] = {{0, 3, 1, 0}, {0, 5, 1, 0}, {2, 3, 1, 0}};

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

/* a_blurred_table gives approximate scores of the same table, with an error of at most a tenth. */
static void a_blurred_table(const void *ctx, const lister_block *b)
{
    a_random_table(ctx, b);
    for (size_t i = 0; i < b->count * b->items; i++) {
        b->out[i] += (float)((int)(i * 7919 % 201) - 100) / 1000;
    }
}

static void from_the_table(const void *ctx, const lister_block *b, size_t u,
                           const lister_rows *rows)
{
    const float *scores = ctx;
    for (size_t i = 0; i < rows->count; i++) {
        rows->scores[i] = scores[b->asks[u].user * 9000 + rows->rows[i]];
    }
}

static float a_tenth(const void *ctx, const lister_block *b, size_t u)
{
    (void)ctx;
    (void)b;
    (void)u;
    return 0.1001F;
}

enum { USERS = 40, ITEMS = 9000, K = 12, MASKED = 500 };

/* brute_force makes the list by the rules, one item after the other: scored items, then popular
 * ones. */
static size_t brute_force(const lister *l, const float *scores, const eval_ask *ask, uint32_t *out)
{
    topk best;
    topk_hit hits[K];
    topk_init(&best, hits, K);
    for (uint32_t i = 0; i < ITEMS && candidates_history(l->among, ask->user); i++) {
        bool masked = false;
        for (size_t n = 0; n < ask->exclude_count; n++) {
            masked = masked || ask->exclude[n] == i;
        }
        float score = scores[ask->user * ITEMS + i];
        if (!masked && !dataset_gone(l->d, i) && !dataset_hidden(l->d, i) && score > -INFINITY) {
            topk_push(&best, i, score);
        }
    }
    size_t count = topk_finish(&best);
    for (size_t n = 0; n < count; n++) {
        out[n] = hits[n].row;
    }
    for (size_t p = 0; p < l->among->count && count < K; p++) {
        uint32_t row = l->among->popular[p];
        bool out_of_it = false;
        for (size_t n = 0; n < ask->exclude_count; n++) {
            out_of_it = out_of_it || ask->exclude[n] == row;
        }
        for (size_t n = 0; n < count; n++) {
            out_of_it = out_of_it || out[n] == row;
        }
        if (!out_of_it) {
            out[count++] = row;
        }
    }
    return count;
}

static void lists_follow_the_rules_with_masks_ties_hidden_unscored_and_quick_scores(void **state)
{
    (void)state;
    static float scores[USERS * ITEMS];
    static uint64_t gone[(ITEMS + 63) / 64], hidden[(ITEMS + 63) / 64];
    static pair train[USERS * 30];
    static uint32_t masks[USERS][MASKED], rows[USERS * K];
    rng r;
    rng_init(&r, 4, 0);
    for (size_t i = 0; i < USERS * ITEMS; i++) {
        scores[i] = (float)rng_below(&r, 300); /* many ties */
        bool few = i / ITEMS % 4 == 1;         /* users for whom only a few items are scored */
        scores[i] = few && rng_below(&r, 1500) != 0 ? -INFINITY : scores[i];
    }
    for (size_t i = 0; i < ITEMS; i += 3) {
        bits_set(gone, i);
        hidden[(i + 1) / 64] |= i % 2 == 0 ? UINT64_C(1) << ((i + 1) % 64) : 0;
    }
    dataset d = {.users = USERS, .items = ITEMS, .gone = gone, .hidden = hidden, .train = train};
    for (uint32_t u = 0; u < USERS; u++) {
        for (uint32_t n = 0; n < 30 && u % 8 != 3; n++) { /* some users have no history */
            train[d.train_count++] = (pair){u, n * 200 + rng_below(&r, 5), 1, 0};
        }
    }
    eval_ask asks[USERS];
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t item = 0;
        for (size_t n = 0; n < MASKED; n++) {
            masks[u][n] = item += 1 + rng_below(&r, 16);
        }
        asks[u] = (eval_ask){u, masks[u], MASKED};
    }
    for (int quick = 0; quick < 2; quick++) {
        lister l;
        err e = ERR_INIT;
        size_t found[USERS];
        assert_int_equal(lister_init(&l, &d, 2, &e), ERR_OK);
        l.score = quick ? a_blurred_table : a_random_table;
        l.refine = quick ? from_the_table : NULL;
        l.slack = a_tenth;
        l.ctx = scores;
        assert_int_equal(lister_list(&l, asks, USERS, K, rows, found, &e), ERR_OK);
        for (uint32_t u = 0; u < USERS; u++) {
            uint32_t expected[K];
            assert_int_equal(found[u], brute_force(&l, scores, &asks[u], expected));
            assert_int_equal(found[u], K);
            assert_memory_equal(rows + u * K, expected, sizeof expected);
        }
        lister_fini(&l);
    }
}

static void popular_order_is_users_then_newest_and_hidden_items_are_out(void **state)
{
    (void)state;
    pair train[] = {{0, 1, 1, 0}, {0, 2, 1, 0}, {0, 4, 1, 0}, {1, 2, 1, 0}, {1, 5, 1, 0}};
    int64_t created[] = {30, 10, 10, 50, 10, 10, 50, 70};
    uint64_t gone[] = {1U << 7}, hidden[] = {1U << 5};
    dataset d = {.users = 3,
                 .items = 8,
                 .train = train,
                 .train_count = 5,
                 .created = created,
                 .gone = gone,
                 .hidden = hidden};
    candidates *c = NULL;
    err e = ERR_INIT;
    assert_int_equal(candidates_new(&c, &d, &e), ERR_OK);
    const uint32_t order[] = {2, 1, 4, 6, 3, 0};
    assert_int_equal(c->count, 6);
    assert_memory_equal(c->popular, order, sizeof order);
    assert_true(candidates_history(c, 1) && !candidates_history(c, 2));
    assert_true(candidates_item(c, 0) && !candidates_item(c, 5) && !candidates_item(c, 7));
    candidates_free(c);
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
                    (count[rows[n - 1]] == count[rows[n]] &&
                     (rows[n - 1] < rows[n]) == (count[rows[n]] > 0)));
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

static void expect_pairs(const pair *got, size_t count, const uint32_t (*users_items)[2], size_t n)
{
    assert_int_equal(count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].user, users_items[i][0]);
        assert_int_equal(got[i].item, users_items[i][1]);
    }
}

static void the_next_item_comes_after_all_that_the_user_did_before_it(void **state)
{
    (void)state;
    pair train[] = {{0, 1, 1, 10}, {0, 2, 1, 90}, {1, 5, 1, 50}, {2, 0, 1, 7}, {2, 3, 1, 20}};
    pair valid[] = {{0, 0, 1, 20}, {1, 4, 1, 50}, {3, 2, 1, 5}};
    pair test[] = {{0, 3, 1, 40}, {0, 4, 1, 30}, {1, 2, 1, 50}};
    dataset d = {.users = 4,
                 .items = 6,
                 .train = train,
                 .train_count = 5,
                 .valid = valid,
                 .valid_count = 3,
                 .test = test,
                 .test_count = 3};
    dataset *x = NULL;
    err e = ERR_INIT;
    assert_int_equal(next_item_new(&x, &d, EVAL_TEST, &e), ERR_OK);
    /* User 0: item 4 at 30, after items 1 and 0; item 2 came later. User 1: all at the same time,
     * so the splits give the order. User 2 has no target. */
    const uint32_t targets[][2] = {{0, 4}, {1, 2}};
    const uint32_t histories[][2] = {{0, 0}, {0, 1}, {1, 4}, {1, 5}, {2, 0}, {2, 3}};
    const uint32_t masked[][2] = {{0, 2}};
    expect_pairs(x->test, x->test_count, targets, 2);
    expect_pairs(x->train, x->train_count, histories, 6);
    expect_pairs(x->valid, x->valid_count, masked, 1);
    assert_int_equal(dataset_check(x, &e), ERR_OK);
    dataset_free(x);
    assert_int_equal(next_item_new(&x, &d, EVAL_VALID, &e), ERR_OK);
    const uint32_t valid_targets[][2] = {{0, 0}, {1, 4}, {3, 2}};
    const uint32_t valid_histories[][2] = {{0, 1}, {1, 5}, {2, 0}, {2, 3}};
    expect_pairs(x->test, x->test_count, valid_targets, 3);
    expect_pairs(x->train, x->train_count, valid_histories, 4);
    dataset_free(x);
}

static void given_items_are_the_earliest_held_out_ones_of_both_splits(void **state)
{
    (void)state;
    pair train[] = {{0, 5, 1, 1}, {1, 5, 1, 1}, {2, 5, 1, 1}};
    pair valid[] = {{0, 1, 1, 30}, {1, 4, 1, 50}, {3, 1, 1, 1}, {3, 2, 1, 2}};
    pair test[] = {{0, 0, 1, 30}, {0, 2, 1, 20}, {0, 3, 1, 40}, {1, 2, 1, 50}, {2, 1, 1, 9}};
    dataset d = {.users = 4,
                 .items = 6,
                 .train = train,
                 .train_count = 3,
                 .valid = valid,
                 .valid_count = 4,
                 .test = test,
                 .test_count = 5};
    dataset *x = NULL;
    err e = ERR_INIT;
    uint32_t items[GIVEN_MAX];
    size_t start[5];
    /* User 0: 2 at 20, then 1 before 0 at 30, because validation comes first. User 1 has two items
     * at the same time, user 2 has too few, user 3 has no history. */
    const uint32_t one[][2] = {{0, 2}, {1, 4}}, left[][2] = {{0, 0}, {0, 1}, {0, 3}, {1, 2}};
    assert_int_equal(given_new(&x, &d, 1, &e), ERR_OK);
    expect_pairs(x->valid, x->valid_count, one, 2);
    expect_pairs(x->test, x->test_count, left, 4);
    assert_int_equal(x->train_count, 3);
    assert_int_equal(dataset_check(x, &e), ERR_OK);
    dataset_free(x);
    const uint32_t two[][2] = {{0, 1}, {0, 2}}, rest[][2] = {{0, 0}, {0, 3}};
    assert_int_equal(given_new(&x, &d, 2, &e), ERR_OK);
    expect_pairs(x->valid, x->valid_count, two, 2);
    expect_pairs(x->test, x->test_count, rest, 2);
    pairs_starts(x->valid, x->valid_count, x->users, start);
    assert_int_equal(given_of(x, start, 0, items), 2);
    assert_true(items[0] == 2 && items[1] == 1);
    assert_int_equal(given_of(x, start, 1, items), 0);
    dataset_free(x);
}

/* Given a user's item, itemknn lists items similar to that item, not to the user's other items. */
static void a_baseline_lists_for_what_it_is_asked(void **state)
{
    (void)state;
    pair train[] = {{0, 0, 1, 0}, {0, 1, 1, 0}, {1, 2, 1, 0}, {1, 3, 1, 0}, {2, 0, 1, 0}};
    pair asked[] = {{2, 2, 1, 0}};
    dataset d = {.users = 3, .items = 4, .train = train, .train_count = 5};
    for (int linked = 0; linked < 2; linked++) {
        baseline *b = NULL;
        uint32_t rows[1];
        size_t found = 0;
        eval_ask ask = {.user = 2};
        assert_int_equal(linked ? baseline_linked_new(&b, &d, true, 1, NULL)
                                : baseline_itemknn_new(&b, &d, 1, NULL),
                         ERR_OK);
        eval_lister lists = baseline_lister(b);
        assert_int_equal(lists.list(lists.ctx, &ask, 1, 1, rows, &found, NULL), ERR_OK);
        assert_true(found == 1 && rows[0] == 1);
        assert_int_equal(baseline_ask(b, asked, 1, NULL), ERR_OK);
        assert_int_equal(lists.list(lists.ctx, &ask, 1, 1, rows, &found, NULL), ERR_OK);
        assert_true(found == 1 && rows[0] == 3);
        baseline_free(b);
    }
}

/* EASE by its definition: the inverse by Gauss and Jordan in double precision. */
static void ease_scores_are_those_of_its_definition(void **state)
{
    (void)state;
    enum { EASE_USERS = 40, EASE_ITEMS = 25 };
    toy_options t = {.users = EASE_USERS, .items = EASE_ITEMS, .pairs = 300, .seed = 3};
    dataset *d = toy_new(&t);
    bool has[EASE_USERS][EASE_ITEMS] = {{false}};
    size_t kept = 0;
    for (size_t k = 0; k < d->train_count; k++) { /* nobody took the items 20 and up */
        if (d->train[k].item < 20) {
            d->train[kept++] = d->train[k];
            has[d->train[k].user][d->train[k].item] = true;
        }
    }
    d->train_count = kept;
    static double a[EASE_ITEMS][2 * EASE_ITEMS];
    for (int i = 0; i < EASE_ITEMS; i++) {
        for (int j = 0; j < EASE_ITEMS; j++) {
            a[i][j] = i == j ? EASE_LAMBDA : 0;
            a[i][EASE_ITEMS + j] = i == j;
            for (int u = 0; u < EASE_USERS; u++) {
                a[i][j] += has[u][i] && has[u][j];
            }
        }
    }
    for (int p = 0; p < EASE_ITEMS; p++) {
        double pivot = a[p][p];
        for (int j = 0; j < 2 * EASE_ITEMS; j++) {
            a[p][j] /= pivot;
        }
        for (int i = 0; i < EASE_ITEMS; i++) {
            double factor = a[i][p];
            for (int j = 0; j < 2 * EASE_ITEMS && i != p; j++) {
                a[i][j] -= factor * a[p][j];
            }
        }
    }
    ease *x = NULL;
    err e = ERR_INIT;
    assert_int_equal(ease_new(&x, d, 2, &e), ERR_OK);
    assert_int_equal(ease_bytes(d), 20 * 20 * 4);
    eval_lister lists = ease_lister(x);
    for (uint32_t u = 0; u < EASE_USERS; u++) {
        uint32_t rows[EASE_ITEMS];
        size_t found = 0;
        eval_ask ask = {u, NULL, 0};
        double score[EASE_ITEMS] = {0};
        assert_int_equal(lists.list(lists.ctx, &ask, 1, EASE_ITEMS, rows, &found, &e), ERR_OK);
        assert_int_equal(found, EASE_ITEMS);
        for (int i = 0; i < 20; i++) {
            for (int j = 0; j < 20; j++) {
                score[i] -= has[u][j] && i != j ? a[j][EASE_ITEMS + i] / a[i][EASE_ITEMS + i] : 0;
            }
        }
        for (size_t n = 1; n < 20; n++) {
            assert_true(rows[n] < 20 && score[rows[n - 1]] >= score[rows[n]] - 1e-6);
        }
        assert_true(rows[20] >= 20); /* unscored, although some scores are below 0 */
    }
    ease_free(x);
    dataset_free(d);
}

static void itemknn_and_content_are_summed_by_their_spreads(void **state)
{
    (void)state;
    enum { LINKED_USERS = 50, LINKED_ITEMS = 40 };
    toy_options t = {
        .users = LINKED_USERS, .items = LINKED_ITEMS, .pairs = 500, .widths = {12, 0}, .seed = 5};
    dataset *d = toy_new(&t);
    float text[LINKED_ITEMS][12];
    err e = ERR_INIT;
    const feature_source *source = &d->modalities[0];
    assert_int_equal(source->read(source->ctx, 0, LINKED_ITEMS, text[0], &e), ERR_OK);
    baseline *both = NULL, *knn = NULL;
    assert_int_equal(baseline_linked_new(&both, d, true, 2, &e), ERR_OK);
    assert_int_equal(baseline_itemknn_new(&knn, d, 1, &e), ERR_OK);
    eval_lister lists = baseline_lister(both);
    for (uint32_t u = 0; u < LINKED_USERS; u++) {
        double part[2][LINKED_ITEMS] = {{0}}, spread[2];
        for (size_t k = 0; k < d->train_count; k++) {
            uint32_t j = d->train[k].item;
            for (uint32_t i = 0; i < LINKED_ITEMS && d->train[k].user == u; i++) {
                double dot = 0, one = 0, other = 0;
                for (int w = 0; w < 12; w++) {
                    dot += (double)text[i][w] * (double)text[j][w];
                    one += (double)text[i][w] * (double)text[i][w];
                    other += (double)text[j][w] * (double)text[j][w];
                }
                double cosine = dot / sqrt(one * other);
                part[0][i] += (double)baseline_similarity(knn, j, i);
                part[1][i] += i != j && cosine > 0 ? cosine * cosine : 0;
            }
        }
        for (int s = 0; s < 2; s++) {
            double mean = 0, square = 0;
            for (int i = 0; i < LINKED_ITEMS; i++) {
                mean += part[s][i] / LINKED_ITEMS;
                square += part[s][i] * part[s][i] / LINKED_ITEMS;
            }
            spread[s] = sqrt(square - mean * mean);
        }
        uint32_t rows[LINKED_ITEMS];
        size_t found = 0;
        eval_ask ask = {u, NULL, 0};
        assert_int_equal(lists.list(lists.ctx, &ask, 1, LINKED_ITEMS, rows, &found, &e), ERR_OK);
        double before = INFINITY;
        for (size_t n = 0; n < found; n++) {
            double score = part[0][rows[n]] / spread[0] + part[1][rows[n]] / spread[1];
            assert_true(score <= before + 1e-3 * fabs(before));
            before = score;
        }
    }
    baseline_free(both);
    baseline_free(knn);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_what_the_definitions_give_by_hand),
        cmocka_unit_test(masks_and_users_follow_the_protocol),
        cmocka_unit_test(lists_follow_the_rules_with_masks_ties_hidden_unscored_and_quick_scores),
        cmocka_unit_test(popular_order_is_users_then_newest_and_hidden_items_are_out),
        cmocka_unit_test(popular_lists_by_training_interactions_and_itemknn_by_shared_users),
        cmocka_unit_test(the_next_item_comes_after_all_that_the_user_did_before_it),
        cmocka_unit_test(given_items_are_the_earliest_held_out_ones_of_both_splits),
        cmocka_unit_test(a_baseline_lists_for_what_it_is_asked),
        cmocka_unit_test(ease_scores_are_those_of_its_definition),
        cmocka_unit_test(itemknn_and_content_are_summed_by_their_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
