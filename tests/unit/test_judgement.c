/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trainer's lister, the baselines' listers and the service give the same lists for the same
 * shop, which has users without history, hidden and deleted items, items without a vector, weights
 * and ties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/eval.h"
#include "core/model/links_build.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/base.h"
#include "core/serve/state/untaken.h"
#include "core/serve/update/live.h"
#include "core/train/eval/baseline.h"
#include "core/train/eval/scorer.h"
#include "core/train/loop/train.h"

enum { USERS = 70, ITEMS = 150, WIDTH = 9, K = ITEMS, SHOPS = 12 };

typedef struct judged {
    dataset *d;
    float features[ITEMS * WIDTH];
    feature_table table;
    model *m; /* the base takes it over at the end */
    live *l;
    live_hold hold;
    recommend_scratch *scratch;
} judged;

static bool bit(const uint64_t *words, size_t i)
{
    return bits_test(words, i);
}

static void make_items(judged *j, rng *r, bool with_features)
{
    dataset *d = j->d;
    d->gone = mem_array(ITEMS / 64 + 1, sizeof *d->gone);
    d->hidden = mem_array(ITEMS / 64 + 1, sizeof *d->hidden);
    d->created = mem_array(ITEMS, sizeof *d->created);
    assert_true(d->gone != NULL && d->hidden != NULL && d->created != NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        unsigned fate = rng_below(r, 10);
        bits_set_if(d->gone, i, fate == 0);
        bits_set_if(d->hidden, i, fate == 1 || fate == 2);
        d->created[i] = fate == 0 ? 0 : 1000 + rng_below(r, 4);
        bool twin = i > 0 && rng_below(r, 4) == 0; /* equal vectors of items that nobody took */
        for (size_t n = 0; n < WIDTH; n++) {
            float x = (float)rng_normal(r);
            j->features[i * WIDTH + n] = twin ? j->features[(i - 1) * WIDTH + n] : x;
        }
    }
    j->table = (feature_table){j->features, ITEMS, WIDTH};
    if (with_features) {
        d->modalities = mem_array(1, sizeof *d->modalities);
        assert_non_null(d->modalities);
        d->modalities[0] = feature_source_table("text", &j->table, 3);
        d->modality_count = 1;
    }
}

/* make_pairs draws the training pairs. A fifth of the users have none, and nobody took two fifths
 * of the items. */
static void make_pairs(judged *j, rng *r)
{
    dataset *d = j->d;
    pair *lists[3];
    for (int s = 0; s < 3; s++) {
        lists[s] = mem_array(USERS * ITEMS, sizeof *lists[s]);
        assert_non_null(lists[s]);
    }
    d->train = lists[0];
    d->valid = lists[1];
    d->test = lists[2];
    for (uint32_t u = 0; u < USERS; u++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            if (i % 5 > 2 || dataset_gone(d, i) || rng_below(r, 14) != 0) {
                continue;
            }
            pair p = {u, i, rng_below(r, 3) == 0 ? 0.3F : 1.0F, 100 + rng_below(r, 20)};
            unsigned lot = rng_below(r, 10);
            if (lot < 2) {
                d->valid[d->valid_count++] = p;
            } else if (lot < 4) {
                d->test[d->test_count++] = p;
            } else if (u % 5 != 3) {
                d->train[d->train_count++] = p;
            }
        }
    }
}

static void make_model(judged *j, uint64_t seed)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = 12;
    o.layers = (uint32_t)(seed % 4);
    o.batch = 64;
    o.epochs = 4;
    o.eval_every = 2;
    o.lr = 0.02;
    o.threads = 2;
    o.seed = seed;
    o.without_fsc = seed % 3 == 0;
    train_hooks h = {.place = untaken_place};
    err e = ERR_INIT;
    assert_int_equal(train_run(&j->m, j->d, &o, &h, &e), ERR_OK);
}

/* make_live makes the same shop in live tables, with its training pairs only. */
static void make_live(judged *j)
{
    err e = ERR_INIT;
    live_options lo = {0};
    char id[32];
    assert_int_equal(live_new(&j->l, &lo, &e), ERR_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (bit(j->d->gone, i)) {
            continue;
        }
        snprintf(id, sizeof id, "item %u", i);
        change_item item = {.row = i,
                            .created = true,
                            .hidden = bit(j->d->hidden, i),
                            .id = slice_of(id),
                            .created_at = j->d->created[i]};
        assert_int_equal(live_load_item(j->l, &item, &e), ERR_OK);
    }
    for (uint32_t u = 0, k = 0; u < USERS; u++) {
        live_edge edges[ITEMS];
        size_t count = 0;
        for (; k < j->d->train_count && j->d->train[k].user == u; k++) {
            edges[count++] = (live_edge){.item = j->d->train[k].item,
                                         .weight = j->d->train[k].weight,
                                         .time = j->d->train[k].time,
                                         .flags = EDGE_IN_GRAPH | EDGE_SEEN};
        }
        snprintf(id, sizeof id, "user %u", u);
        assert_int_equal(live_load_user(j->l, u, slice_of(id), edges, count, &e), ERR_OK);
    }
    assert_int_equal(live_load_end(j->l, 1, &e), ERR_OK);
}

static void serve_model(judged *j)
{
    err e = ERR_INIT;
    base_options bo = {.generation = 1, .threads = 1};
    base *b = NULL;
    /* The trained tables count every split; the view of an evaluation does not. */
    assert_int_equal(model_convolve(j->m, j->d->train, j->d->train_count, &e), ERR_OK);
    if (j->m->links != NULL) {
        interaction_list list = {j->d->train, j->d->train_count, USERS, ITEMS};
        item_links *all = j->m->links;
        assert_int_equal(links_rebuilt(&j->m->links, all, &list, 2, &e), ERR_OK);
        links_free(all);
    }
    assert_int_equal(base_new(&b, j->m, &bo, &e), ERR_OK);
    assert_int_equal(live_activate(j->l, b, 1, &e), ERR_OK);
    j->m = NULL;
    assert_int_equal(recommend_scratch_new(&j->scratch, &e), ERR_OK);
    live_acquire(j->l, &j->hold);
}

static void judged_open(judged *j, uint64_t seed)
{
    rng r;
    err e = ERR_INIT;
    *j = (judged){0};
    rng_init(&r, seed, 0);
    assert_int_equal(dataset_new(&j->d, USERS, ITEMS, &e), ERR_OK);
    make_items(j, &r, seed % 2 == 0);
    make_pairs(j, &r);
    make_model(j, seed);
    make_live(j);
}

static void judged_close(judged *j)
{
    live_release(j->l, &j->hold);
    recommend_scratch_free(j->scratch);
    live_free(j->l);
    dataset_free(j->d);
}

/* served uses the service as a lister, for a model or for the popular list. */
static err_code served(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                       size_t *found, err *e)
{
    const judged *j = ctx;
    err_code code = ERR_OK;
    for (size_t n = 0; code == ERR_OK && n < count; n++) {
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result result;
        q.user = asks[n].user;
        q.k = k;
        q.exclude = asks[n].exclude;
        q.exclude_count = asks[n].exclude_count;
        q.include_seen = true;
        code = recommend(j->hold.view, &q, j->scratch, &result, e);
        found[n] = result.count;
        for (size_t i = 0; i < result.count; i++) {
            rows[n * k + i] = result.hits[i].row;
        }
    }
    return code;
}

static err_code served_popular(void *ctx, const eval_ask *asks, size_t count, size_t k,
                               uint32_t *rows, size_t *found, err *e)
{
    const judged *j = ctx;
    err_code code = ERR_OK;
    for (size_t n = 0; code == ERR_OK && n < count; n++) {
        list_query q = {.k = k, .exclude = asks[n].exclude};
        recommend_result result;
        q.exclude_count = asks[n].exclude_count;
        code = popular(j->hold.view, &q, j->scratch, &result, e);
        found[n] = result.count;
        for (size_t i = 0; i < result.count; i++) {
            rows[n * k + i] = result.hits[i].row;
        }
    }
    return code;
}

/* The lists that a lister made. */
typedef struct told {
    uint32_t rows[USERS][K];
    size_t found[USERS];
    bool asked[USERS];
    eval_metrics m;
} told;

static void remember(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                     const double *recall, const double *ndcg)
{
    told *t = ctx;
    (void)recall;
    (void)ndcg;
    t->asked[user] = true;
    t->found[user] = found;
    memcpy(t->rows[user], rows, found * sizeof *rows);
}

static void ask(told *t, const judged *j, eval_on on, eval_protocol protocol, eval_lister lists)
{
    eval_options o = EVAL_OPTIONS_INIT;
    err e = ERR_INIT;
    memset(t, 0, sizeof *t);
    o.on = on;
    o.protocol = protocol;
    o.at[o.at_count++] = K;
    o.per_user = remember;
    o.per_user_ctx = t;
    assert_int_equal(eval_run(&t->m, j->d, &o, &lists, &e), ERR_OK);
}

/* check_lists asserts that every list contains all items that may be listed and are not masked, and
 * no others. */
static void check_lists(const judged *j, const told *t)
{
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < t->found[u]; i++) {
            assert_false(dataset_gone(j->d, t->rows[u][i]) || dataset_hidden(j->d, t->rows[u][i]));
        }
        assert_true(!t->asked[u] || t->found[u] > ITEMS / 2);
    }
}

static void the_trainer_the_baselines_and_the_service_give_the_same_lists(void **state)
{
    (void)state;
    static judged j;
    static told trainer, service, mine, its;
    for (uint64_t seed = 0; seed < SHOPS; seed++) {
        judged_open(&j, seed);
        scorer s;
        baseline *b = NULL;
        err e = ERR_INIT;
        eval_metrics valid = j.m->valid, test = j.m->test;
        assert_int_equal(scorer_init_model(&s, j.m, j.d, 2, &e), ERR_OK);
        assert_int_equal(baseline_popular_new(&b, j.d, &e), ERR_OK);
        serve_model(&j);
        for (int on = 0; on < 2; on++) {
            eval_protocol protocol = seed % 4 == 1 ? PROTOCOL_MMREC : PROTOCOL_STAIR;
            ask(&trainer, &j, (eval_on)on, protocol, scorer_lister(&s));
            ask(&service, &j, (eval_on)on, protocol, (eval_lister){served, &j});
            ask(&mine, &j, (eval_on)on, protocol, baseline_lister(b));
            ask(&its, &j, (eval_on)on, protocol, (eval_lister){served_popular, &j});
            assert_memory_equal(&trainer, &service, sizeof trainer);
            assert_memory_equal(&mine, &its, sizeof mine);
            check_lists(&j, &trainer);
            assert_true(trainer.m.hidden > 0 && trainer.m.held_hidden > 0);
            assert_int_equal(trainer.m.no_history > 0, protocol == PROTOCOL_STAIR);
            const eval_metrics *found = on == EVAL_TEST ? &test : &valid;
            for (size_t i = 0; i < found->at_count && protocol == PROTOCOL_STAIR; i++) {
                assert_true(found->recall[i] == trainer.m.recall[i]); /* as the training measured */
                assert_true(found->ndcg[i] == trainer.m.ndcg[i]);
            }
        }
        for (uint32_t u = 3; u < USERS; u += 5) { /* nothing is known about them */
            assert_int_equal(service.found[u], mine.found[u]);
            assert_memory_equal(service.rows[u], mine.rows[u], mine.found[u] * sizeof(uint32_t));
        }
        scorer_fini(&s);
        baseline_free(b);
        judged_close(&j);
    }
}

static void a_baseline_that_scores_nobody_is_the_popular_list_in_any_order_of_rows(void **state)
{
    (void)state;
    static judged j;
    static told all, popular_told;
    judged_open(&j, 2);
    /* No two users share an item: itemknn has no neighbours. */
    size_t kept = 0;
    bool taken[ITEMS] = {false};
    for (size_t k = 0; k < j.d->train_count; k++) {
        pair p = j.d->train[k];
        if (!taken[p.item] && kept < USERS) {
            j.d->train[kept++] = p;
            taken[p.item] = true;
        }
    }
    j.d->train_count = kept;
    baseline *knn = NULL, *b = NULL;
    err e = ERR_INIT;
    for (size_t k = 1; k < kept; k++) {
        assert_true(j.d->train[k - 1].user <= j.d->train[k].user);
    }
    /* Only one item for each user, because the items of a basket would be neighbours. */
    for (size_t k = 0; k < kept; k++) {
        j.d->train[k].user = (uint32_t)k % USERS;
    }
    assert_int_equal(baseline_itemknn_new(&knn, j.d, 2, &e), ERR_OK);
    assert_int_equal(baseline_popular_new(&b, j.d, &e), ERR_OK);
    ask(&all, &j, EVAL_TEST, PROTOCOL_STAIR, baseline_lister(knn));
    ask(&popular_told, &j, EVAL_TEST, PROTOCOL_STAIR, baseline_lister(b));
    assert_memory_equal(&all, &popular_told, sizeof all);
    baseline_free(knn);
    baseline_free(b);
    serve_model(&j);
    judged_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trainer_the_baselines_and_the_service_give_the_same_lists),
        cmocka_unit_test(a_baseline_that_scores_nobody_is_the_popular_list_in_any_order_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
