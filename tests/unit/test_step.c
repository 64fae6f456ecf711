/* SPDX-License-Identifier: Apache-2.0 */
/* The fused training step against a plain one in double precision, and gradients against finite
 * differences of the loss. */
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
#include "core/common/types.h"
#include "core/model/fsc_reference.h"
#include "core/model/interaction_graph.h"
#include "core/model/stepwise.h"
#include "core/train/method/item_graph.h"
#include "core/train/method/step.h"
#include "tests/support/toy.h"

enum { BATCH = 24, TABLE_MAX = 64 * 100 };

/* A small problem with both graphs as dense matrices of doubles. */
typedef struct problem {
    size_t users, items, rows, dim;
    uint32_t layers;
    dataset *d;
    csr *a, *s;
    float *w, *f, *b, *scale;
    float *embeddings, *m, *v;
    uint32_t batch_users[BATCH], positives[BATCH], negatives[BATCH];
} problem;

static void random_neighbours(csr **s, size_t items)
{
    rng r;
    err e = ERR_INIT;
    rng_init(&r, 5, 0);
    uint32_t *rows = mem_array(items * 3, sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < items; i++) {
        for (size_t k = 0; k < 3; k++) {
            rows[i * 3 + k] = (uint32_t)((i + 1 + k * 2 + rng_below(&r, 2)) % items);
        }
    }
    neighbour_lists list = {.rows = rows, .k = 3};
    assert_int_equal(item_graph_new(s, &list, 1, items, 2, &e), ERR_OK);
    mem_free(rows);
}

static void problem_init(problem *p, size_t users, size_t items, size_t dim, uint32_t layers)
{
    toy_options o = {.users = users, .items = items, .pairs = users * 4, .seed = dim + layers};
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 17, dim);
    *p = (problem){.users = users, .items = items, .rows = users + items, .dim = dim};
    p->layers = layers;
    p->d = toy_new(&o);
    interaction_list list = {p->d->train, p->d->train_count, users, items};
    assert_int_equal(interaction_graph_new(&p->a, &list, 2, &e), ERR_OK);
    random_neighbours(&p->s, items);
    size_t floats = p->rows * dim;
    float **tables[] = {&p->w, &p->f, &p->b, &p->scale, &p->embeddings, &p->m, &p->v};
    for (size_t i = 0; i < 7; i++) {
        *tables[i] = mem_table(i < 4 ? dim : floats, sizeof(float));
        assert_non_null(*tables[i]);
    }
    stepwise_layer(0.3, dim, p->f);
    stepwise_smoothing(0.2, dim, p->b);
    stepwise_scale(p->f, dim, layers, p->w);
    stepwise_scale(p->b, dim, layers, p->scale);
    for (size_t i = 0; i < floats; i++) {
        p->embeddings[i] = (float)(0.3 * rng_normal(&r));
    }
    for (size_t k = 0; k < BATCH; k++) {
        const pair *x = &p->d->train[rng_below(&r, (uint32_t)p->d->train_count)];
        p->batch_users[k] = x->user;
        p->positives[k] = x->item;
        p->negatives[k] = bpr_negative(&r, p->a, users, x->user, NULL);
        assert_int_not_equal(p->negatives[k], ROW_NONE);
    }
}

static void problem_fini(problem *p)
{
    dataset_free(p->d);
    csr_free(p->a);
    csr_free(p->s);
    float *tables[] = {p->w, p->f, p->b, p->scale, p->embeddings, p->m, p->v};
    for (size_t i = 0; i < 7; i++) {
        mem_free(tables[i]);
    }
}

static void convolve(const csr *a, const float *x, const float *scale, uint32_t layers, size_t dim,
                     const double *in, double *out)
{
    fsc_reference op = {.a = a, .x = x, .scale = scale, .dim = dim, .layers = layers};
    assert_int_equal(fsc_reference_run(&op, in, out, NULL), ERR_OK);
}

static double plain_loss(const problem *p, const double *e)
{
    static double h[TABLE_MAX];
    convolve(p->a, p->f, p->w, p->layers, p->dim, e, h);
    double sum = 0;
    for (size_t k = 0; k < BATCH; k++) {
        const double *u = h + p->batch_users[k] * p->dim;
        const double *i = h + (p->users + p->positives[k]) * p->dim;
        const double *n = h + (p->users + p->negatives[k]) * p->dim;
        double s = 0;
        for (size_t j = 0; j < p->dim; j++) {
            s += u[j] * (i[j] - n[j]);
        }
        sum += log1p(exp(-s));
    }
    return sum / BATCH;
}

static double difference(const problem *p, double *e, size_t at)
{
    const double step = 1e-5, was = e[at];
    e[at] = was + step;
    double up = plain_loss(p, e);
    e[at] = was - step;
    double down = plain_loss(p, e);
    e[at] = was;
    return (up - down) / (2 * step);
}

static double run_step(problem *p, bool smooth, int threads)
{
    step_config c = {.a = p->a,
                     .s = smooth ? p->s : NULL,
                     .users = p->users,
                     .items = p->items,
                     .dim = p->dim,
                     .layers = p->layers,
                     .w = p->w,
                     .f = p->f,
                     .b = p->b,
                     .lr = 0.01,
                     .weight_decay = 0.5,
                     .batch_max = BATCH,
                     .threads = threads,
                     .embeddings = p->embeddings,
                     .m = p->m,
                     .v = p->v};
    stepper *s = NULL;
    err e = ERR_INIT;
    assert_int_equal(stepper_new(&s, &c, &e), ERR_OK);
    bpr_batch batch = {p->batch_users, p->positives, p->negatives, BATCH};
    double loss = stepper_run(s, &batch, 1);
    stepper_free(s);
    return loss;
}

/* check_step compares loss, gradient (derived from the moments) and the new E with the plain
 * computation. */
static void check_step(problem *p, bool smooth)
{
    static double e[TABLE_MAX], gradient[TABLE_MAX], direction[TABLE_MAX], moved[TABLE_MAX];
    size_t floats = p->rows * p->dim, item_at = p->users * p->dim;
    assert_true(floats <= TABLE_MAX);
    for (size_t i = 0; i < floats; i++) {
        e[i] = (double)p->embeddings[i];
    }
    double expected = plain_loss(p, e);
    double largest = 0;
    for (size_t i = 0; i < floats; i++) {
        gradient[i] = difference(p, e, i);
        largest = fmax(largest, fabs(gradient[i]));
    }
    double loss = run_step(p, smooth, 2);
    assert_true(fabs(loss - expected) < 1e-5 * expected);
    assert_true(largest > 1e-4);
    for (size_t i = 0; i < floats; i++) {
        double got = (double)p->m[i] / 0.1;
        if (fabs(got - gradient[i]) > 1e-3 * largest) {
            fail_msg("dim %zu, layers %u, row %zu, column %zu: gradient %g, by differences %g",
                     p->dim, p->layers, i / p->dim, i % p->dim, got, gradient[i]);
        }
        /* From here on use the step's own gradient: Adam's first direction is little more than its
         * sign, which must not depend on the last digit. */
        direction[i] = got / (fabs(got) + 1e-8);
    }
    memcpy(moved, direction, sizeof moved);
    if (smooth) {
        convolve(p->s, p->b, p->scale, p->layers, p->dim, direction + item_at, moved + item_at);
    }
    for (size_t i = 0; i < floats; i++) {
        double after = e[i] * (1 - 0.01 * 0.5) - 0.01 * moved[i];
        assert_true(fabs(after - (double)p->embeddings[i]) < 2e-5);
    }
}

static void a_fused_step_is_the_plain_one_for_any_width_and_depth(void **state)
{
    (void)state;
    static const size_t dims[] = {64, 1, 7, 16, 33, 80};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (uint32_t layers = 0; layers <= 4; layers++) {
            problem p;
            problem_init(&p, 14, 19, dims[i], layers);
            check_step(&p, true);
            problem_fini(&p);
        }
    }
}

static void a_step_is_right_with_more_users_than_items_and_without_smoothing(void **state)
{
    (void)state;
    problem p;
    problem_init(&p, 30, 11, 20, 3);
    check_step(&p, true);
    problem_fini(&p);
    problem_init(&p, 30, 11, 20, 3);
    check_step(&p, false);
    problem_fini(&p);
}

static void a_row_with_hundreds_of_neighbours_is_right(void **state)
{
    (void)state;
    problem p;
    problem_init(&p, 600, 6, 10, 2);
    assert_true(p.a->start[601] - p.a->start[600] > 256);
    check_step(&p, true);
    problem_fini(&p);
}

static void steps_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    problem one, three;
    problem_init(&one, 4000, 900, 64, 3); /* enough work that three threads are used */
    problem_init(&three, 4000, 900, 64, 3);
    run_step(&one, true, 1);
    run_step(&three, true, 3);
    assert_memory_equal(one.embeddings, three.embeddings, one.rows * one.dim * sizeof(float));
    problem_fini(&one);
    problem_fini(&three);
}

static void a_negative_is_never_seen_nor_deleted_and_any_other_item_can_be_drawn(void **state)
{
    (void)state;
    problem p;
    problem_init(&p, 10, 12, 4, 1);
    uint64_t gone = 1u << 3 | 1u << 7;
    bool drawn[12] = {false};
    rng r;
    rng_init(&r, 3, 0);
    for (int n = 0; n < 5000; n++) {
        uint32_t item = bpr_negative(&r, p.a, p.users, 2, &gone);
        assert_true(pairs_find(p.d->train, p.d->train_count, 2, item) == SIZE_MAX);
        assert_true(item != 3 && item != 7);
        drawn[item] = true;
    }
    for (uint32_t item = 0; item < 12; item++) {
        bool open =
            item != 3 && item != 7 && pairs_find(p.d->train, p.d->train_count, 2, item) == SIZE_MAX;
        assert_int_equal(drawn[item], open);
    }
    uint64_t all = UINT64_MAX;
    assert_int_equal(bpr_negative(&r, p.a, p.users, 2, &all), ROW_NONE);
    problem_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fused_step_is_the_plain_one_for_any_width_and_depth),
        cmocka_unit_test(a_step_is_right_with_more_users_than_items_and_without_smoothing),
        cmocka_unit_test(a_row_with_hundreds_of_neighbours_is_right),
        cmocka_unit_test(steps_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(a_negative_is_never_seen_nor_deleted_and_any_other_item_can_be_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
