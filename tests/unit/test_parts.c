/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split of a score into its two parts, on tables whose parts are known.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/state/parts.h"

enum { DIM = 12, ITEMS = 3000 };

static model *random_model(rng *r, size_t modalities)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = DIM;
    model *m = NULL;
    assert_int_equal(model_new(&m, &o, 1, ITEMS, modalities, NULL), ERR_OK);
    for (size_t n = 0; n < modalities; n++) {
        assert_int_equal(model_modality_alloc(m, n, "text", 4, NULL), ERR_OK);
        for (size_t i = 0; i < (size_t)ITEMS * DIM; i++) {
            m->modalities[n].content[i] = (float)rng_normal(r);
        }
    }
    return m;
}

static void the_direction_that_content_does_not_predict_is_the_collaborative_one(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 5, 0);
    model *m = random_model(&r, 1);
    float *h = mem_array((size_t)ITEMS * DIM, sizeof *h);
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t j = 0; j < DIM; j++) {
            /* Content at various lengths, except in dimension 3. */
            float own = j == 3 ? (float)rng_normal(&r) : m->modalities[0].content[i * DIM + j];
            h[i * DIM + j] = own * (1 + (float)j);
        }
    }
    parts *p = NULL;
    assert_int_equal(parts_new(&p, m, h, NULL), ERR_OK);
    for (size_t a = 0; a < DIM; a++) {
        for (size_t b = 0; b < DIM; b++) {
            float should = a == b && a != 3 ? 1 : 0;
            assert_true(fabsf(p->into[a * DIM + b] - should) < (a == b ? 0.02F : 0.4F));
        }
    }
    float one[DIM] = {0}, made[DIM];
    one[3] = 1;
    parts_row(p, false, one, made);
    assert_true(fabsf(made[3] - 1) < 0.02F);
    parts_free(p);
    mem_free(h);
    model_free(m);
}

/* check_split splits scores on tables where H varies in the first `live` dimensions, and where
 * content has `rank` dimensions and shows in the dimensions of H below `shown`. */
static void check_split(size_t live, size_t rank, size_t shown, size_t apart)
{
    rng r;
    rng_init(&r, 9, live);
    model *m = random_model(&r, 1);
    float *h = mem_array((size_t)ITEMS * DIM, sizeof *h);
    for (size_t i = 0; i < ITEMS; i++) {
        float *content = m->modalities[0].content + i * DIM;
        for (size_t j = 0; j < DIM; j++) {
            float own = j < live ? (float)rng_normal(&r) : 0;
            content[j] = j < rank ? content[j] : 0;
            h[i * DIM + j] = own + (j < shown ? content[j] : 0);
        }
    }
    parts *p = NULL;
    assert_int_equal(parts_new(&p, m, h, NULL), ERR_OK);
    double kept[2] = {0}, trace = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        for (int part = 0; part < 2; part++) {
            float row[DIM];
            parts_row(p, part == 1, h + i * DIM, row);
            for (size_t j = 0; j < DIM; j++) {
                kept[part] += (double)row[j] * (double)row[j] / ITEMS;
            }
        }
    }
    for (size_t j = 0; j < live; j++) {
        trace += (double)p->into[j * DIM + j];
    }
    assert_true(kept[0] > 0.5 && kept[1] > 0.5); /* of the order of a direction's variance */
    assert_true(fabs(trace - (double)(live - apart)) < 1e-3); /* this many are multimodal */
    parts_free(p);
    mem_free(h);
    model_free(m);
}

static void only_live_directions_are_split_and_content_gets_no_more_than_its_rank(void **state)
{
    (void)state;
    check_split(DIM, DIM, DIM, 1);
    check_split(7, DIM, 7, 1); /* the other five would be the worst predicted ones */
    check_split(7, 3, 3, 4);
    check_split(DIM, 2, 2, DIM - 2);
    check_split(2, DIM, 1, 1);
}

/* <h, x> = <m, x> + <h - m, x>, and a row's two components sum to the row. */
static void the_two_parts_sum_to_the_whole_and_a_projection_repeats_itself(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 6, 0);
    model *m = random_model(&r, 1);
    float *h = mem_array((size_t)ITEMS * DIM, sizeof *h);
    for (size_t i = 0; i < (size_t)ITEMS * DIM; i++) {
        h[i] = (float)rng_normal(&r) + 0.5F * m->modalities[0].content[i];
    }
    parts *p = NULL;
    assert_int_equal(parts_new(&p, m, h, NULL), ERR_OK);
    for (size_t i = 0; i < 50; i++) {
        const float *x = h + i * DIM;
        float first[DIM], second[DIM], again[DIM], other[DIM], partner[DIM];
        parts_row(p, true, x, first);
        parts_row(p, false, x, second);
        parts_row(p, true, first, again);
        parts_row(p, true, h + (i + 50) * DIM, partner);
        parts_multimodal(p, x, other);
        double left = 0, right = 0;
        for (size_t j = 0; j < DIM; j++) {
            assert_true(fabsf(first[j] + second[j] - x[j]) < 1e-5F);
            assert_true(fabsf(first[j] - again[j]) < 1e-4F);
            left += (double)other[j] * (double)h[(i + 50) * DIM + j];
            right += (double)x[j] * (double)partner[j];
        }
        assert_true(fabs(left - right) < 1e-3);
    }
    parts_free(p);
    mem_free(h);
    model_free(m);
}

static void a_model_without_content_is_split_by_the_weights_of_the_convolution(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 7, 0);
    model *m = random_model(&r, 0);
    float *h = mem_array((size_t)ITEMS * DIM, sizeof *h);
    parts *p = NULL;
    assert_int_equal(parts_new(&p, m, h, NULL), ERR_OK);
    for (size_t a = 0; a < DIM; a++) {
        for (size_t b = 0; b < DIM; b++) {
            assert_true(p->into[a * DIM + b] == (a == b ? m->w[a] : 0));
        }
    }
    parts_free(p);
    mem_free(h);
    model_free(m);
}

static void survives_every_allocation_failure(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 8, 0);
    model *m = random_model(&r, 1);
    float *h = mem_copy(m->modalities[0].content, (size_t)ITEMS * DIM * sizeof *h);
    err_code code = ERR_NOMEM;
    long nth = 0;
    for (; code != ERR_OK; nth++) {
        parts *p = NULL;
        mem_fail_at(nth);
        code = parts_new(&p, m, h, NULL);
        mem_fail_at(-1);
        assert_true((code == ERR_OK) == (p != NULL));
        parts_free(p);
    }
    assert_true(nth > 9);
    mem_free(h);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_direction_that_content_does_not_predict_is_the_collaborative_one),
        cmocka_unit_test(the_two_parts_sum_to_the_whole_and_a_projection_repeats_itself),
        cmocka_unit_test(only_live_directions_are_split_and_content_gets_no_more_than_its_rank),
        cmocka_unit_test(a_model_without_content_is_split_by_the_weights_of_the_convolution),
        cmocka_unit_test(survives_every_allocation_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
