/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop: the same run gives the same bytes, whether or not it was stopped and
 * resumed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/train/eval/baseline.h"
#include "core/train/eval/scorer.h"
#include "core/train/loop/holdout.h"
#include "core/train/loop/train.h"
#include "core/train/loop/tune.h"
#include "tests/support/toy.h"

static dataset *shop(void)
{
    toy_options o = {.users = 120,
                     .items = 80,
                     .pairs = 1500,
                     .widths = {12, 9},
                     .valid_percent = 10,
                     .test_percent = 15,
                     .seed = 3};
    return toy_new(&o);
}

static train_options options(void)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = 16;
    o.batch = 128;
    o.epochs = 12;
    o.eval_every = 2;
    o.lr = 0.01;
    o.threads = 2;
    return o;
}

static model *train(const dataset *d, const train_options *o, const train_hooks *h)
{
    static const train_hooks none = {0};
    model *m = NULL;
    err e = ERR_INIT;
    if (train_run(&m, d, o, h != NULL ? h : &none, &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    return m;
}

static void assert_same_model(const model *a, const model *b)
{
    assert_memory_equal(a->user_e, b->user_e, a->users * a->dim * sizeof(float));
    assert_memory_equal(a->item_e, b->item_e, a->items * a->dim * sizeof(float));
    assert_memory_equal(a->item_h, b->item_h, a->items * a->dim * sizeof(float));
    assert_memory_equal(a->item_g, b->item_g, a->items * a->dim * sizeof(float));
    assert_int_equal(a->best_epoch, b->best_epoch);
    assert_int_equal(a->curve_count, b->curve_count);
    for (size_t i = 0; i < a->curve_count; i++) {
        assert_int_equal(a->curve[i].epoch, b->curve[i].epoch);
        assert_true(a->curve[i].ndcg == b->curve[i].ndcg && a->curve[i].loss == b->curve[i].loss);
    }
    assert_true(eval_metric(&a->test, TRAIN_RECALL, 20) == eval_metric(&b->test, TRAIN_RECALL, 20));
}

static void the_same_seed_gives_the_same_bytes_and_another_seed_does_not(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    model *a = train(d, &o, NULL), *b = train(d, &o, NULL);
    assert_same_model(a, b);
    o.seed = 2;
    model *c = train(d, &o, NULL);
    assert_memory_not_equal(a->item_e, c->item_e, a->items * a->dim * sizeof(float));
    model_free(a);
    model_free(b);
    model_free(c);
    dataset_free(d);
}

/* A killer keeps the n-th checkpoint and then stops the training. */
typedef struct killer {
    int saves, keep; /* keep: 0 never stops */
    void *image;
    size_t bytes;
} killer;

static err_code keep_image(void *ctx, const void *bytes, size_t count, err *e)
{
    killer *k = ctx;
    if (++k->saves == k->keep) {
        k->image = mem_copy(bytes, count);
        k->bytes = count;
        return k->image == NULL ? err_nomem(e, "a copy") : ERR_OK;
    }
    return ERR_OK;
}

static bool killed(void *ctx)
{
    return ((killer *)ctx)->image != NULL;
}

typedef err_code (*trainer)(model **, const dataset *, const train_options *, const train_hooks *,
                            err *);

static void check_resume(trainer run, const dataset *d, const train_options *o, int checkpoints)
{
    killer whole = {0};
    train_hooks h = {.save = keep_image, .ctx = &whole};
    model *expected = NULL;
    err e = ERR_INIT;
    assert_int_equal(run(&expected, d, o, &h, &e), ERR_OK);
    assert_int_equal(whole.saves, checkpoints);
    for (int keep = 1; keep < checkpoints; keep++) {
        killer k = {.keep = keep};
        train_hooks stopped = {.save = keep_image, .cancelled = killed, .ctx = &k};
        model *m = NULL;
        err cut = ERR_INIT;
        assert_int_equal(run(&m, d, o, &stopped, &cut), ERR_CANCELLED);
        assert_null(m);
        train_hooks again = {.resume = k.image, .resume_bytes = k.bytes};
        assert_int_equal(run(&m, d, o, &again, &e), ERR_OK);
        assert_same_model(expected, m);
        model_free(m);
        mem_free(k.image);
    }
    model_free(expected);
}

static void a_resumed_training_gives_the_bytes_of_an_uninterrupted_one(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    check_resume(train_run, d, &o, 6);
    dataset_free(d);
}

typedef struct full_disk {
    int tries, told;
} full_disk;

static err_code refuse_image(void *ctx, const void *bytes, size_t count, err *e)
{
    (void)bytes;
    ((full_disk *)ctx)->tries++;
    return err_set(e, ERR_FULL, "no room for %zu bytes", count);
}

static void see_unsaved(void *ctx, const err *why)
{
    ((full_disk *)ctx)->told++;
    assert_non_null(strstr(why->text, "no room"));
}

static void a_training_goes_on_where_its_checkpoint_cannot_be_saved(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    full_disk disk = {0};
    train_hooks h = {.save = refuse_image, .unsaved = see_unsaved, .ctx = &disk};
    model *m = train(d, &o, &h), *expected = train(d, &o, NULL);
    assert_same_model(expected, m);
    assert_int_equal(disk.tries, 6);
    assert_int_equal(disk.told, 1);
    model_free(m);
    model_free(expected);
    dataset_free(d);
}

static void a_refit_trains_on_everything_for_the_best_number_of_epochs_and_resumes(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    o.epochs = 4;
    model *m = NULL;
    err e = ERR_INIT;
    train_hooks none = {0};
    assert_int_equal(train_refit(&m, d, &o, &none, &e), ERR_OK);
    assert_true(m->valid.users > 0 && m->test.users > 0 && m->curve_count == 2);
    assert_int_equal(m->epochs, 4);
    int second = (int)m->best_epoch;
    model_free(m);
    check_resume(train_refit, d, &o, 2 + second);
    d->valid_count = 0; /* now one pair of each user is set aside for the first run */
    assert_int_equal(train_refit(&m, d, &o, &none, &e), ERR_OK);
    assert_true(m->valid.users > 60 && m->valid.users <= d->users);
    model_free(m);
    dataset_free(d);
}

static bool held_out(const dataset *x, const pair *p)
{
    for (size_t k = 0; k < x->valid_count; k++) {
        if (x->valid[k].user == p->user && x->valid[k].item == p->item) {
            return true;
        }
    }
    return false;
}

static void what_is_set_aside_of_a_user_depends_on_that_user_alone(void **state)
{
    (void)state;
    dataset *d = shop(), *before = NULL, *after = NULL;
    err e = ERR_INIT;
    d->valid_count = 0;
    assert_int_equal(holdout_new(&before, d, &e), ERR_OK);
    /* The first user loses a pair, as if it had never occurred. */
    uint32_t first = d->train[0].user;
    d->train_count--;
    memmove(d->train, d->train + 1, d->train_count * sizeof *d->train);
    assert_int_equal(holdout_new(&after, d, &e), ERR_OK);
    size_t same = 0;
    for (size_t k = 0; k < before->valid_count; k++) {
        bool other = before->valid[k].user != first;
        same += other && held_out(after, &before->valid[k]) ? 1 : 0;
        assert_true(!other || held_out(after, &before->valid[k]));
    }
    assert_true(same > 60);
    dataset_free(before);
    dataset_free(after);
    dataset_free(d);
}

static void a_refit_with_nothing_to_find_trains_once_for_all_epochs(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    o.epochs = 3;
    o.eval_every = 0;
    d->valid_count = 0;
    model *once = NULL, *m = NULL;
    err e = ERR_INIT;
    train_hooks none = {0};
    assert_int_equal(train_run(&once, d, &o, &none, &e), ERR_OK);
    assert_int_equal(train_refit(&m, d, &o, &none, &e), ERR_OK);
    assert_true(m->epochs == 3 && m->best_epoch == 3 && m->valid.users == 0);
    assert_memory_equal(m->item_e, once->item_e, m->items * m->options.dim * sizeof(float));
    assert_int_equal(m->modality_count, once->modality_count);
    check_resume(train_refit, d, &o, 3);
    model_free(once);
    model_free(m);
    dataset_free(d);
}

static err_code refused(const dataset *d, const train_options *o, const killer *k, err *e)
{
    model *m = NULL;
    train_hooks h = {.resume = k->image, .resume_bytes = k->bytes};
    err_code code = train_run(&m, d, o, &h, e);
    assert_null(m);
    return code;
}

static void a_checkpoint_of_other_data_options_or_bytes_is_refused(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    killer k = {.keep = 1};
    train_hooks stopped = {.save = keep_image, .cancelled = killed, .ctx = &k};
    model *m = NULL;
    err e = ERR_INIT, other = ERR_INIT, data = ERR_INIT, cut = ERR_INIT, none = ERR_INIT;
    assert_int_equal(train_run(&m, d, &o, &stopped, &e), ERR_CANCELLED);
    train_options changed = o;
    changed.lr = 0.02;
    assert_int_equal(refused(d, &changed, &k, &other), ERR_CONFLICT);
    assert_non_null(strstr(other.text, "lr: the checkpoint was made with 0.01, not 0.02"));
    other = (err)ERR_INIT;
    uint32_t neighbours = d->modalities[1].neighbours++;
    assert_int_equal(refused(d, &o, &k, &other), ERR_CONFLICT);
    assert_non_null(strstr(other.text, "neighbours: the checkpoint was made with "));
    d->modalities[1].neighbours = neighbours;
    other = (err)ERR_INIT;
    train_hooks from = {.resume = k.image, .resume_bytes = k.bytes};
    assert_int_equal(train_refit(&m, d, &o, &from, &other), ERR_CONFLICT);
    assert_non_null(strstr(other.text, "refit: the checkpoint is of a training without"));
    d->train_count--;
    assert_int_equal(refused(d, &o, &k, &data), ERR_CONFLICT);
    assert_non_null(strstr(data.text, "data changed"));
    d->train_count++;
    k.bytes--;
    assert_int_equal(refused(d, &o, &k, &cut), ERR_CORRUPT);
    k.bytes = 10;
    assert_int_equal(refused(d, &o, &k, &none), ERR_CORRUPT);
    mem_free(k.image);
    dataset_free(d);
}

static void training_beats_popular_and_every_variant_runs(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    baseline *popular = NULL;
    err e = ERR_INIT;
    eval_options eo = EVAL_OPTIONS_INIT;
    eval_metrics m;
    assert_int_equal(baseline_popular_new(&popular, d, &e), ERR_OK);
    eval_lister lists = baseline_lister(popular);
    assert_int_equal(eval_run(&m, d, &eo, &lists, &e), ERR_OK);
    model *whole = train(d, &o, NULL);
    assert_true(eval_metric(&whole->test, TRAIN_NDCG, 10) > 1.2 * eval_metric(&m, TRAIN_NDCG, 10));
    for (int part = 0; part < 3; part++) {
        train_options without = o;
        without.without_mi = part == 0;
        without.without_fsc = part == 1;
        without.without_bsc = part == 2;
        model *x = train(d, &without, NULL);
        assert_true(eval_metric(&x->test, TRAIN_NDCG, 10) > 0.01);
        assert_memory_not_equal(x->item_e, whole->item_e, x->items * x->dim * sizeof(float));
        model_free(x);
    }
    model_free(whole);
    baseline_free(popular);
    dataset_free(d);
}

static void the_best_epoch_is_kept_and_patience_ends_the_run(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    o.epochs = 200;
    o.eval_every = 1;
    o.patience = 3;
    o.lr = 0.05;
    model *m = train(d, &o, NULL);
    assert_true(m->epochs < 200);
    assert_true(m->epochs - m->best_epoch <= 3); /* a later best epoch may be a smaller gain */
    double gained = 0;
    uint32_t since = 0;
    for (size_t i = 0; i < m->curve_count; i++) {
        bool gain = (double)m->curve[i].ndcg > gained * TRAIN_GAIN_MIN;
        gained = gain ? (double)m->curve[i].ndcg : gained;
        since = gain ? 0 : since + 1;
        assert_true((since == 3) == (i + 1 == m->curve_count));
    }
    for (size_t i = 0; i < m->curve_count; i++) {
        assert_true(m->curve[i].ndcg <= (float)eval_metric(&m->valid, TRAIN_NDCG, 20));
    }
    /* The kept tables are those of the best epoch: they give the same metrics. */
    scorer s;
    err e = ERR_INIT;
    eval_options eo = EVAL_OPTIONS_INIT;
    eo.on = EVAL_VALID;
    eval_metrics again;
    assert_int_equal(scorer_init_model(&s, m, d, 1, &e), ERR_OK);
    eval_lister lists = scorer_lister(&s);
    assert_int_equal(eval_run(&again, d, &eo, &lists, &e), ERR_OK);
    assert_true(fabs(eval_metric(&again, TRAIN_NDCG, 20) - eval_metric(&m->valid, TRAIN_NDCG, 20)) <
                1e-12);
    scorer_fini(&s);
    model_free(m);
    dataset_free(d);
}

static void a_shop_without_features_and_with_deleted_items_learns_too(void **state)
{
    (void)state;
    dataset *d = shop();
    d->modality_count = 0;
    d->gone = mem_array(2, sizeof *d->gone);
    assert_non_null(d->gone);
    d->gone[0] = 1u << 5;
    size_t kept = 0;
    for (size_t k = 0; k < d->train_count; k++) {
        if (d->train[k].item != 5) {
            d->train[kept++] = d->train[k];
        }
    }
    d->train_count = kept;
    train_options o = options();
    model *m = train(d, &o, NULL);
    assert_true(eval_metric(&m->test, TRAIN_NDCG, 10) > 0.05);
    assert_int_equal(m->modality_count, 0);
    model_free(m);
    dataset_free(d);
}

static void the_tables_of_a_model_fit_each_other(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    model *m = train(d, &o, NULL);
    float h[16], best = 0;
    scorer s;
    err e = ERR_INIT;
    assert_int_equal(scorer_init_model(&s, m, d, 2, &e), ERR_OK);
    pair *all = NULL;
    size_t count = 0;
    float *served = mem_copy(m->item_h, m->items * m->dim * sizeof *served);
    assert_int_equal(pairs_all(&all, &count, d, &e), ERR_OK);
    assert_int_equal(count, d->train_count + d->valid_count + d->test_count);
    assert_int_equal(pairs_sort(all, count), count);
    assert_int_equal(model_convolve(m, all, count, &e), ERR_OK);
    assert_memory_equal(m->item_h, served, m->items * m->dim * sizeof *served);
    assert_int_equal(model_convolve(m, d->train, d->train_count, &e), ERR_OK);
    assert_memory_not_equal(m->item_h, served, m->items * m->dim * sizeof *served);
    mem_free(all);
    mem_free(served);
    double degree_u[120] = {0}, degree_i[80] = {0};
    for (size_t k = 0; k < d->train_count; k++) {
        degree_u[d->train[k].user] += 1;
        degree_i[d->train[k].item] += 1;
    }
    for (size_t k = 0; k < d->train_count;) {
        uint32_t items[80], user = d->train[k].user;
        float a[80];
        size_t n = 0;
        for (; k < d->train_count && d->train[k].user == user; k++, n++) {
            items[n] = d->train[k].item;
            a[n] = (float)(1 / sqrt(degree_u[user] * degree_i[items[n]]));
        }
        model_user_vector(m, m->user_e + user * m->dim, items, a, n, h);
        for (uint32_t j = 0; j < m->dim; j++) {
            best = fmaxf(best, fabsf(h[j]));
            assert_true(fabsf(h[j] - s.user_h[user * m->dim + j]) < 1e-5F);
        }
    }
    assert_true(best > 0.01F);
    scorer_fini(&s);
    model_free(m);
    dataset_free(d);
}

static void bad_options_and_bad_data_are_refused_by_name(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    train_hooks none = {0};
    model *m = NULL;
    err e = ERR_INIT;
    o.dim = 0;
    assert_int_equal(train_run(&m, d, &o, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "dim"));
    o = options();
    o.gamma_forward = NAN;
    e = (err)ERR_INIT;
    assert_int_equal(train_run(&m, d, &o, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "gamma-forward"));
    o = options();
    pair was = d->train[4];
    d->train[4].item = 80;
    e = (err)ERR_INIT;
    assert_int_equal(train_run(&m, d, &o, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "train[4]"));
    d->train[4] = was;
    d->valid[0] = d->train[7];
    e = (err)ERR_INIT;
    assert_int_equal(train_run(&m, d, &o, &none, &e), ERR_INVALID);
    size_t count = d->train_count;
    d->train_count = 0;
    e = (err)ERR_INIT;
    assert_int_equal(train_run(&m, d, &o, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "nothing to train on"));
    d->train_count = count;
    dataset_free(d);
}

static void every_failed_allocation_ends_a_training_cleanly(void **state)
{
    (void)state;
    toy_options t = {.users = 12,
                     .items = 9,
                     .pairs = 40,
                     .widths = {5, 4},
                     .valid_percent = 15,
                     .test_percent = 15,
                     .seed = 2};
    dataset *d = toy_new(&t);
    train_options o = options();
    o.epochs = 1;
    o.eval_every = 1;
    o.dim = 4;
    o.threads = 1;
    train_hooks none = {0};
    long n = 0;
    for (;; n++) {
        model *m = NULL;
        err e = ERR_INIT;
        mem_fail_at(n);
        err_code code = train_refit(&m, d, &o, &none, &e);
        mem_fail_at(-1);
        if (code == ERR_OK) {
            model_free(m);
            break;
        }
        assert_int_equal(code, ERR_NOMEM);
        assert_null(m);
    }
    assert_true(n > 50);
    dataset_free(d);
}

typedef struct trials_seen {
    int count;
    uint32_t epochs, stop_after; /* stop_after: number of trials; 0 never stops */
} trials_seen;

static void see_trial(void *ctx, const tune_trial *t, uint32_t epochs, uint32_t budget)
{
    trials_seen *s = ctx;
    s->count++;
    assert_true(epochs > s->epochs && epochs <= budget && t->value > 0);
    s->epochs = epochs;
}

static bool seen_enough(void *ctx)
{
    const trials_seen *s = ctx;
    return s->stop_after > 0 && (uint32_t)s->count >= s->stop_after;
}

static void
tuning_keeps_to_its_budget_and_leaves_a_setting_only_for_a_clearly_better_one(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    trials_seen seen = {0};
    tune_options t = {.budget_epochs = 160, .trial = see_trial, .ctx = &seen};
    tune_result *r = NULL, *again = NULL;
    err e = ERR_INIT;
    assert_int_equal(tune_run(&r, d, &o, &t, &e), ERR_OK);
    assert_int_equal(seen.count, r->count);
    assert_true(r->epochs <= 160 && r->epochs > 80);
    uint32_t longest = 0;
    bool plain = false, chosen = false, rates = false, dims = false;
    assert_true(r->trials[0].setting.options.without_fsc); /* from plain averaging */
    for (size_t i = 0; i < r->count; i++) {
        const tune_trial *x = &r->trials[i];
        rates = rates || x->setting.options.lr > o.lr;
        dims = dims || x->setting.options.dim == 2 * o.dim;
        longest = x->epochs > longest ? x->epochs : longest;
        plain = plain || x->setting.options.without_fsc;
        chosen = chosen || x->chosen;
    }
    assert_true(plain && chosen && rates && dims);
    for (size_t i = 0; i < r->count; i++) { /* finals decide */
        assert_true(r->trials[i].epochs < longest ||
                    r->trials[i].value <= r->value * TUNE_GAIN_MIN);
    }
    t.trial = NULL;
    assert_int_equal(tune_run(&again, d, &o, &t, &e), ERR_OK);
    assert_int_equal(again->count, r->count);
    assert_true(again->value == r->value);
    assert_memory_equal(&again->best, &r->best, sizeof r->best);
    tune_result_free(r);
    tune_result_free(again);
    dataset_free(d);
}

static void a_small_budget_is_kept_even_for_a_setting_that_no_list_has(void **state)
{
    (void)state;
    dataset *d = shop();
    train_options o = options();
    o.gamma_forward = o.gamma_backward = 0.3;
    o.weight_decay = 0.2;
    o.layers = 1;
    trials_seen seen = {0};
    tune_options t = {.budget_epochs = 40, .trial = see_trial, .ctx = &seen};
    tune_result *r = NULL;
    err e = ERR_INIT;
    assert_int_equal(tune_run(&r, d, &o, &t, &e), ERR_OK);
    assert_true(r->epochs > 20 && r->epochs <= 40);
    tune_result_free(r);
    t.budget_epochs = 5;
    seen = (trials_seen){0};
    assert_int_equal(tune_run(&r, d, &o, &t, &e), ERR_OK);
    assert_true(r->epochs == 5 && r->count >= 4 && r->value > 0);
    tune_result_free(r);
    dataset_free(d);
}

static void choosing_only_the_strengths_leaves_the_rest_and_can_be_stopped(void **state)
{
    (void)state;
    dataset *d = shop();
    d->valid_count = 0; /* one pair of each user is set aside */
    train_options o = options();
    trials_seen seen = {.stop_after = 3};
    tune_options t = {.budget_epochs = 60, .gamma_only = true, .trial = see_trial, .ctx = &seen};
    tune_result *r = NULL;
    err e = ERR_INIT;
    assert_int_equal(tune_run(&r, d, &o, &t, &e), ERR_OK);
    assert_true(r->best.options.weight_decay == o.weight_decay);
    assert_int_equal(r->best.options.layers, o.layers);
    assert_int_equal(r->best.neighbours[0], 5);
    tune_result_free(r);
    seen = (trials_seen){.stop_after = 3};
    t.cancelled = seen_enough;
    t.cancelled_ctx = &seen;
    assert_int_equal(tune_run(&r, d, &o, &t, &e), ERR_CANCELLED);
    assert_null(r);
    assert_int_equal(seen.count, 3);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_seed_does_not),
        cmocka_unit_test(a_resumed_training_gives_the_bytes_of_an_uninterrupted_one),
        cmocka_unit_test(a_training_goes_on_where_its_checkpoint_cannot_be_saved),
        cmocka_unit_test(a_refit_trains_on_everything_for_the_best_number_of_epochs_and_resumes),
        cmocka_unit_test(what_is_set_aside_of_a_user_depends_on_that_user_alone),
        cmocka_unit_test(a_refit_with_nothing_to_find_trains_once_for_all_epochs),
        cmocka_unit_test(a_checkpoint_of_other_data_options_or_bytes_is_refused),
        cmocka_unit_test(training_beats_popular_and_every_variant_runs),
        cmocka_unit_test(the_best_epoch_is_kept_and_patience_ends_the_run),
        cmocka_unit_test(a_shop_without_features_and_with_deleted_items_learns_too),
        cmocka_unit_test(the_tables_of_a_model_fit_each_other),
        cmocka_unit_test(bad_options_and_bad_data_are_refused_by_name),
        cmocka_unit_test(
            tuning_keeps_to_its_budget_and_leaves_a_setting_only_for_a_clearly_better_one),
        cmocka_unit_test(a_small_budget_is_kept_even_for_a_setting_that_no_list_has),
        cmocka_unit_test(choosing_only_the_strengths_leaves_the_rest_and_can_be_stopped),
        cmocka_unit_test(every_failed_allocation_ends_a_training_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
