/* SPDX-License-Identifier: Apache-2.0 */
/* Every intermediate result of the method is compared with the reference numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/model/interaction_graph.h"
#include "core/model/stepwise.h"
#include "core/train/eval/scorer.h"
#include "core/train/loop/prepare.h"
#include "core/train/method/bsc.h"
#include "core/train/method/knn.h"
#include "core/train/method/step.h"
#include "tests/support/golden.h"

static const double exact = 1e-4, gradient = 1e-3;

typedef struct setting {
    golden *g;
    prepared p;
    train_options o;
    float *e, *m, *v, *h, *scratch; /* (N, dim) */
    float *w, *f, *b, *scale;       /* (dim) */
    size_t floats, user_floats;
} setting;

static float *table(size_t floats)
{
    float *x = mem_table(floats, sizeof *x);
    assert_non_null(x);
    return x;
}

static int set_up(void **state)
{
    setting *s = mem_array(1, sizeof *s);
    assert_non_null(s);
    const char *name = *state;
    golden *g = golden_load(name);
    s->g = g;
    s->o = (train_options)TRAIN_OPTIONS_INIT;
    s->o.dim = (uint32_t)g->dim;
    s->o.layers = (uint32_t)g->layers;
    s->o.threads = 2;
    s->floats = (g->users + g->items) * g->dim;
    s->user_floats = g->users * g->dim;
    prepare_hooks none = {0};
    err e = ERR_INIT;
    if (prepare_run(&s->p, g->data, &s->o, &none, &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    s->e = table(s->floats);
    s->m = table(s->floats);
    s->v = table(s->floats);
    s->h = table(s->floats);
    s->scratch = table(s->floats);
    s->w = table(g->dim);
    s->f = table(g->dim);
    s->b = table(g->dim);
    s->scale = table(g->dim);
    stepwise_smoothing(g->gamma, g->dim, s->b);
    stepwise_layer(g->gamma, g->dim, s->f);
    stepwise_scale(s->f, g->dim, s->o.layers, s->w);
    stepwise_scale(s->b, g->dim, s->o.layers, s->scale);
    prepare_initial(&s->p, g->data, &s->o, s->e);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    setting *s = *state;
    prepared_fini(&s->p);
    golden_free(s->g);
    float *tables[] = {s->e, s->m, s->v, s->h, s->scratch, s->w, s->f, s->b, s->scale};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        mem_free(tables[i]);
    }
    mem_free(s);
    return 0;
}

static void whitening_gives_the_reference_means_projections_and_spreads(void **state)
{
    setting *s = *state;
    for (size_t m = 0; m < GOLDEN_MODALITIES; m++) {
        char path[64];
        const model_modality *x = &s->p.modalities[m];
        snprintf(path, sizeof path, "whitening_mean/%zu", m);
        golden_compare(s->g, path, x->mean, x->width, exact);
        snprintf(path, sizeof path, "whitening_projection/%zu", m);
        golden_compare(s->g, path, x->projection, x->width * s->g->dim, exact);
        size_t present = 0;
        for (size_t i = 0; i < s->g->items; i++) {
            present += isnan(x->content[i * s->g->dim]) ? 0 : 1;
        }
        float values[64];
        for (size_t j = 0; j < s->g->dim; j++) {
            values[j] = x->spread[j] * (float)sqrt((double)present / (double)s->g->dim);
        }
        snprintf(path, sizeof path, "singular_values/%zu", m);
        golden_compare(s->g, path, values, s->g->dim, exact);
    }
}

static void initial_tables_are_the_reference_ones(void **state)
{
    setting *s = *state;
    golden_compare(s->g, "user_init", s->e, s->user_floats, exact);
    golden_compare(s->g, "item_init", s->e + s->user_floats, s->floats - s->user_floats, exact);
}

static void neighbours_are_the_reference_ones_in_order(void **state)
{
    setting *s = *state;
    for (size_t m = 0; m < GOLDEN_MODALITIES; m++) {
        size_t k = s->g->neighbours[m], missing = 0;
        uint32_t *rows = mem_array(s->g->items * k, sizeof *rows);
        assert_non_null(rows);
        knn_options o = {.k = k, .threads = 2};
        err e = ERR_INIT;
        assert_int_equal(knn_exact(&s->g->data->modalities[m], &o, rows, NULL, &e), ERR_OK);
        char path[64];
        snprintf(path, sizeof path, "knn/%zu", m);
        const json_t *lists = json_array_get(json_object_get(s->g->root, "knn"), m);
        for (size_t i = 0; i < s->g->items; i++) {
            const json_t *list = json_array_get(lists, i);
            for (size_t n = 0; n < k; n++) {
                const json_t *number = json_array_get(list, n);
                uint32_t expected = json_is_integer(number) && json_integer_value(number) >= 0
                                        ? (uint32_t)json_integer_value(number)
                                        : UINT32_MAX;
                assert_int_equal(rows[i * k + n], expected);
                missing += expected == UINT32_MAX;
            }
        }
        assert_true(missing < s->g->items * k);
        mem_free(rows);
    }
}

static void item_graph_is_the_reference_one(void **state)
{
    setting *s = *state;
    size_t items = s->g->items;
    float *dense = table(items * items);
    for (size_t r = 0; r < items; r++) {
        for (size_t k = s->p.s->start[r]; k < s->p.s->start[r + 1]; k++) {
            dense[r * items + s->p.s->col[k]] = s->p.s->value[k];
        }
    }
    golden_compare(s->g, "item_graph", dense, items * items, exact);
    mem_free(dense);
}

static void strengths_are_the_reference_ones(void **state)
{
    setting *s = *state;
    golden_compare(s->g, "smoothing_b", s->b, s->g->dim, exact);
    golden_compare(s->g, "layer_f", s->f, s->g->dim, exact);
}

static void forward(setting *s)
{
    fsc op = {s->p.a, s->w, s->f, s->g->dim, s->o.layers, 2};
    (void)fsc_forward(&op, s->e, s->h, s->scratch);
}

static void forward_convolution_gives_the_reference_h(void **state)
{
    setting *s = *state;
    forward(s);
    golden_compare(s->g, "forward_user", s->h, s->user_floats, exact);
    golden_compare(s->g, "forward_item", s->h + s->user_floats, s->floats - s->user_floats, exact);
}

static stepper *new_stepper(setting *s, size_t batch)
{
    step_config c = {.a = s->p.a,
                     .s = s->p.s,
                     .users = s->g->users,
                     .items = s->g->items,
                     .dim = s->g->dim,
                     .layers = s->o.layers,
                     .w = s->w,
                     .f = s->f,
                     .b = s->b,
                     .lr = s->g->lr,
                     .weight_decay = s->g->weight_decay,
                     .batch_max = batch,
                     .threads = 2,
                     .embeddings = s->e,
                     .m = s->m,
                     .v = s->v};
    stepper *step = NULL;
    err e = ERR_INIT;
    assert_int_equal(stepper_new(&step, &c, &e), ERR_OK);
    return step;
}

static void read_rows(const setting *s, int step, const char *name, uint32_t *rows, size_t *count)
{
    char path[64];
    snprintf(path, sizeof path, "steps/%d/%s", step, name);
    golden_table t = golden_get(s->g, path);
    *count = t.count;
    for (size_t k = 0; k < t.count; k++) {
        rows[k] = (uint32_t)t.x[k];
    }
    mem_free(t.x);
}

/* compare_step checks a step through its effects, and so tests the fused passes themselves. The
 * moments before and after determine the raw gradient, and the rows of E before and after determine
 * the smoothed direction. */
static void compare_step(setting *s, int step, const float *m_before, const float *e_before)
{
    char path[64];
    float *got = table(s->floats);
    for (size_t i = 0; i < s->floats; i++) {
        got[i] = (float)(((double)s->m[i] - 0.9 * (double)m_before[i]) / 0.1);
    }
    snprintf(path, sizeof path, "steps/%d/grad_user", step);
    golden_compare(s->g, path, got, s->user_floats, gradient);
    snprintf(path, sizeof path, "steps/%d/grad_item", step);
    golden_compare(s->g, path, got + s->user_floats, s->floats - s->user_floats, gradient);
    double decay = 1 - s->g->lr * s->g->weight_decay;
    for (size_t i = 0; i < s->floats; i++) {
        got[i] = (float)(((double)e_before[i] * decay - (double)s->e[i]) / s->g->lr);
    }
    snprintf(path, sizeof path, "steps/%d/item_step_smoothed", step);
    golden_compare(s->g, path, got + s->user_floats, s->floats - s->user_floats, gradient);
    snprintf(path, sizeof path, "steps/%d/user", step);
    golden_compare(s->g, path, s->e, s->user_floats, gradient);
    snprintf(path, sizeof path, "steps/%d/item", step);
    golden_compare(s->g, path, s->e + s->user_floats, s->floats - s->user_floats, gradient);
    mem_free(got);
}

static void take_steps(setting *s)
{
    stepper *step = new_stepper(s, 64);
    float *m_before = table(s->floats), *e_before = table(s->floats);
    for (int k = 0; k < GOLDEN_STEPS; k++) {
        uint32_t users[64], positives[64], negatives[64];
        bpr_batch batch = {users, positives, negatives, 0};
        read_rows(s, k, "users", users, &batch.count);
        read_rows(s, k, "positives", positives, &batch.count);
        read_rows(s, k, "negatives", negatives, &batch.count);
        memcpy(m_before, s->m, s->floats * sizeof(float));
        memcpy(e_before, s->e, s->floats * sizeof(float));
        float loss = (float)stepper_run(step, &batch, (uint64_t)k + 1);
        char path[64];
        snprintf(path, sizeof path, "steps/%d/loss", k);
        golden_compare(s->g, path, &loss, 1, exact);
        compare_step(s, k, m_before, e_before);
    }
    mem_free(m_before);
    mem_free(e_before);
    stepper_free(step);
}

static void five_fused_steps_follow_the_reference(void **state)
{
    take_steps(*state);
}

typedef struct top_lists {
    const setting *s;
    golden_table expected;
    size_t users;
} top_lists;

static void compare_list(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                         const double *recall, const double *ndcg)
{
    (void)recall;
    (void)ndcg;
    top_lists *t = ctx;
    assert_int_equal(found, 5);
    for (size_t n = 0; n < 5; n++) {
        assert_int_equal(rows[n], (uint32_t)t->expected.x[user * 5 + n]);
    }
    t->users++;
}

static void after_five_steps_scores_lists_and_metrics_are_the_reference_ones(void **state)
{
    setting *s = *state;
    take_steps(s);
    forward(s);
    golden_compare(s->g, "final_forward_user", s->h, s->user_floats, gradient);
    golden_compare(s->g, "final_forward_item", s->h + s->user_floats, s->floats - s->user_floats,
                   gradient);
    scorer scores = {.user_h = s->h, .item_h = s->h + s->user_floats, .dim = s->g->dim};
    err e = ERR_INIT;
    assert_int_equal(scorer_init(&scores, s->g->data, 2, &e), ERR_OK);
    eval_lister lists = scorer_lister(&scores);
    top_lists t = {s, golden_get(s->g, "top5"), 0};
    eval_options o = EVAL_OPTIONS_INIT;
    o.at[0] = 1;
    o.at[1] = 5;
    o.at_count = 2;
    o.per_user = compare_list;
    o.per_user_ctx = &t;
    eval_metrics m;
    assert_int_equal(eval_run(&m, s->g->data, &o, &lists, &e), ERR_OK);
    scorer_fini(&scores);
    assert_true(t.users > 0);
    assert_int_equal(t.users, m.users);
    const float got[4] = {(float)m.recall[0], (float)m.recall[1], (float)m.ndcg[0],
                          (float)m.ndcg[1]};
    const char *const names[4] = {"metrics/recall@1", "metrics/recall@5", "metrics/ndcg@1",
                                  "metrics/ndcg@5"};
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)got[i] - golden_number(s->g, names[i])) < 1e-6);
    }
    mem_free(t.expected.x);
}

#define CASES(name)                                                                                \
    CASE(whitening_gives_the_reference_means_projections_and_spreads, name),                       \
        CASE(initial_tables_are_the_reference_ones, name),                                         \
        CASE(neighbours_are_the_reference_ones_in_order, name),                                    \
        CASE(item_graph_is_the_reference_one, name), CASE(strengths_are_the_reference_ones, name), \
        CASE(forward_convolution_gives_the_reference_h, name),                                     \
        CASE(five_fused_steps_follow_the_reference, name),                                         \
        CASE(after_five_steps_scores_lists_and_metrics_are_the_reference_ones, name)
#define CASE(test, name)                                                                           \
    {                                                                                              \
#test " (" name ")", test, set_up, tear_down, (void *)(uintptr_t)name                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {CASES("tiny"), CASES("small"), CASES("missing")};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
