/* SPDX-License-Identifier: Apache-2.0 */
/* Whitening, neighbours and graphs on random features, against their definitions. */
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
#include "core/model/interaction_graph.h"
#include "core/model/stepwise.h"
#include "core/train/method/knn.h"
#include "core/train/method/whiten.h"

static float *random_table(size_t rows, size_t width, size_t rank, uint64_t seed)
{
    rng r;
    rng_init(&r, seed, 0);
    float *x = mem_array(rows * width, sizeof *x);
    float *basis = mem_array(rank * width, sizeof *basis);
    assert_true(x != NULL && basis != NULL);
    for (size_t i = 0; i < rank * width; i++) {
        basis[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t k = 0; k < rank; k++) {
            float weight = (float)(rng_normal(&r) * (double)(1 + rank - k));
            for (size_t j = 0; j < width; j++) {
                x[i * width + j] += weight * basis[k * width + j];
            }
        }
        for (size_t j = 0; j < width; j++) {
            x[i * width + j] += 3; /* a mean to be subtracted */
        }
    }
    mem_free(basis);
    return x;
}

/* bunches draws rows around `count` random directions. */
static float *bunches(size_t rows, size_t width, size_t count, uint64_t seed)
{
    rng r;
    rng_init(&r, seed, 0);
    float *x = mem_array(rows * width, sizeof *x);
    float *centre = mem_array(count * width, sizeof *centre);
    assert_true(x != NULL && centre != NULL);
    for (size_t i = 0; i < count * width; i++) {
        centre[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < width; j++) {
            x[i * width + j] = centre[i % count * width + j] + (float)(0.3 * rng_normal(&r));
        }
    }
    mem_free(centre);
    return x;
}

typedef struct whitened {
    whitening w;
    size_t rows, width, dim;
} whitened;

static whitened whiten(const float *x, size_t rows, size_t width, size_t dim)
{
    whitened t = {.rows = rows, .width = width, .dim = dim};
    t.w.mean = mem_table(width, sizeof(float));
    t.w.projection = mem_table(width * dim, sizeof(float));
    t.w.spread = mem_table(dim, sizeof(float));
    t.w.content = mem_table(rows * dim, sizeof(float));
    feature_table table = {x, rows, width};
    feature_source source = feature_source_table("text", &table, 5);
    err e = ERR_INIT;
    assert_int_equal(whiten_run(&source, dim, 2, &t.w, &e), ERR_OK);
    return t;
}

static void whitened_free(whitened *t)
{
    mem_free(t->w.mean);
    mem_free(t->w.projection);
    mem_free(t->w.spread);
    mem_free(t->w.content);
}

/* check_whitened asserts that W^T W = n/d I on the first `rank` columns, that the other columns are
 * zeros, and that W = (x - mean) P. */
static void check_whitened(const whitened *t, const float *x, size_t rank)
{
    assert_int_equal(t->w.rank, rank);
    double scale = (double)t->w.present / (double)t->dim;
    for (size_t a = 0; a < t->dim; a++) {
        double largest = 0;
        for (size_t b = 0; b < t->dim; b++) {
            double sum = 0;
            for (size_t i = 0; i < t->rows; i++) {
                double u = (double)t->w.content[i * t->dim + a];
                double v = (double)t->w.content[i * t->dim + b];
                sum += isnan(u) ? 0 : u * v;
                largest = !isnan(u) && fabs(u) > fabs(largest) ? u : largest;
            }
            double expected = a == b && a < rank ? scale : 0;
            assert_true(fabs(sum - expected) < 2e-4 * scale);
        }
        assert_true(a >= rank || largest > 0); /* the sign rule */
    }
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t c = 0; c < t->dim; c++) {
            double sum = 0;
            for (size_t j = 0; j < t->width; j++) {
                sum += ((double)x[i * t->width + j] - (double)t->w.mean[j]) *
                       (double)t->w.projection[j * t->dim + c];
            }
            double got = (double)t->w.content[i * t->dim + c];
            assert_true(isnan(sum) ? isnan(got) : fabs(sum - got) < 1e-3);
        }
    }
}

static void whitened_columns_are_orthogonal_and_of_equal_length(void **state)
{
    (void)state;
    float *x = random_table(300, 40, 40, 1);
    whitened t = whiten(x, 300, 40, 16);
    check_whitened(&t, x, 16);
    whitened_free(&t);
    mem_free(x);
}

static void columns_beyond_the_rank_are_zero(void **state)
{
    (void)state;
    float *x = random_table(200, 30, 6, 2);
    whitened t = whiten(x, 200, 30, 16);
    check_whitened(&t, x, 6);
    assert_true(t.w.spread[5] > 0 && t.w.spread[6] == 0);
    whitened_free(&t);
    t = whiten(x, 200, 30, 40); /* wider than the features */
    check_whitened(&t, x, 6);
    whitened_free(&t);
    mem_free(x);
}

static void missing_rows_stay_missing_and_do_not_count(void **state)
{
    (void)state;
    float *x = random_table(120, 10, 10, 3);
    for (size_t i = 0; i < 120; i += 7) {
        for (size_t j = 0; j < 10; j++) {
            x[i * 10 + j] = NAN;
        }
    }
    whitened t = whiten(x, 120, 10, 8);
    assert_int_equal(t.w.present, 120 - 18);
    check_whitened(&t, x, 8);
    whitened_free(&t);
    for (size_t i = 0; i < 120 * 10; i++) {
        x[i] = NAN;
    }
    t = whiten(x, 120, 10, 8); /* nobody has it */
    assert_int_equal(t.w.present, 0);
    assert_true(isnan(t.w.content[5]) && t.w.projection[3] == 0);
    whitened_free(&t);
    mem_free(x);
}

static void a_row_with_some_nan_or_infinity_is_refused_with_its_place(void **state)
{
    (void)state;
    float *x = random_table(50, 6, 6, 4);
    x[13 * 6 + 2] = INFINITY;
    feature_table table = {x, 50, 6};
    feature_source source = feature_source_table("text", &table, 5);
    float mean[6], projection[24], spread[4], content[200];
    whitening w = {mean, projection, spread, content, 0, 0};
    err e = ERR_INIT;
    assert_int_equal(whiten_run(&source, 4, 1, &w, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "row 13, number 2"));
    mem_free(x);
}

static double cosine(const float *x, const float *y, size_t width)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t j = 0; j < width; j++) {
        xy += (double)x[j] * (double)y[j];
        xx += (double)x[j] * (double)x[j];
        yy += (double)y[j] * (double)y[j];
    }
    return xy / sqrt(xx * yy);
}

/* check_neighbours compares the neighbours with those of brute force, up to similarities that
 * floats cannot distinguish. */
static void check_neighbours(const float *x, size_t rows, size_t width, size_t memory)
{
    enum { K = 4 };
    feature_table table = {x, rows, width};
    feature_source source = feature_source_table("text", &table, K);
    uint32_t *found = mem_array(rows * K, sizeof *found);
    float *similarity = mem_array(rows * K, sizeof *similarity);
    assert_true(found != NULL && similarity != NULL);
    knn_options o = {.k = K, .threads = 2, .memory_bytes = memory};
    err e = ERR_INIT;
    assert_int_equal(knn_exact(&source, &o, found, similarity, &e), ERR_OK);
    for (size_t i = 0; i < rows; i += 13) {
        double last = 2;
        for (size_t n = 0; n < K; n++) {
            uint32_t row = found[i * K + n];
            assert_true(row < rows && row != i);
            double c = cosine(x + i * width, x + row * width, width);
            assert_true(fabs(c - (double)similarity[i * K + n]) < 1e-5);
            assert_true(c <= last + 1e-5);
            last = c;
        }
        size_t better = 0;
        for (size_t j = 0; j < rows; j++) {
            better += j != i && cosine(x + i * width, x + j * width, width) > last + 1e-5;
        }
        assert_true(better < K);
    }
    mem_free(found);
    mem_free(similarity);
}

static void neighbours_are_those_of_brute_force_in_whatever_memory(void **state)
{
    (void)state;
    float *x = random_table(2600, 20, 20, 5);
    check_neighbours(x, 2600, 20, 0);
    check_neighbours(x, 2600, 20, 4 * 512 * 20 * sizeof(float)); /* runs of two blocks */
    check_neighbours(x, 2600, 20, 1);                            /* of one */
    check_neighbours(x, 40, 20, 0);
    mem_free(x);
}

static void beyond_a_size_most_neighbours_are_found_through_clusters(void **state)
{
    (void)state;
    enum { ROWS = 6000, WIDTH = 16, K = 5 };
    float *x = bunches(ROWS, WIDTH, 200, 9);
    memset(x + 77 * WIDTH, 0, WIDTH * sizeof *x);
    feature_table table = {x, ROWS, WIDTH};
    feature_source source = feature_source_table("text", &table, K);
    static uint32_t exact[ROWS * K], found[ROWS * K];
    knn_options o = {.k = K, .threads = 2, .exact_rows_max = 1000, .recall_min = 0.9};
    err e = ERR_INIT;
    assert_int_equal(knn_exact(&source, &o, exact, NULL, &e), ERR_OK);
    assert_int_equal(knn_search(&source, &o, found, NULL, &e), ERR_OK);
    size_t same = 0;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t n = 0; n < K; n++) {
            assert_true(found[i * K + n] != i && found[i * K + n] != 77);
            assert_true(i != 77 || found[i * K + n] == ROW_NONE);
            for (size_t m = 0; m < K; m++) {
                same += i != 77 && found[i * K + n] == exact[i * K + m];
            }
        }
    }
    assert_true(same > (size_t)(0.85 * ROWS * K));
    assert_true(same < (size_t)ROWS * K); /* otherwise this was the exact search */
    mem_free(x);
}

static void features_that_do_not_cluster_are_searched_exactly(void **state)
{
    (void)state;
    enum { ROWS = 3000, WIDTH = 32, K = 5 };
    float *x = bunches(ROWS, WIDTH, ROWS, 9); /* every row is a cluster of its own */
    feature_table table = {x, ROWS, WIDTH};
    feature_source source = feature_source_table("text", &table, K);
    static uint32_t exact[ROWS * K], found[ROWS * K];
    knn_options o = {.k = K, .threads = 2, .exact_rows_max = 1000};
    err e = ERR_INIT;
    assert_int_equal(knn_exact(&source, &o, exact, NULL, &e), ERR_OK);
    assert_int_equal(knn_search(&source, &o, found, NULL, &e), ERR_OK);
    assert_memory_equal(exact, found, sizeof exact);
    mem_free(x);
}

static void equal_features_tie_to_the_lower_row_and_empty_rows_are_nobodys(void **state)
{
    (void)state;
    enum { ROWS = 1100, WIDTH = 9, K = 6 };
    float *x = random_table(ROWS, WIDTH, WIDTH, 6);
    for (size_t i = 0; i < ROWS; i++) {
        if (i % 100 == 0) { /* eleven rows in three blocks are equal */
            memcpy(x + i * WIDTH, x, WIDTH * sizeof *x);
        } else if (i % 100 == 1) {
            memset(x + i * WIDTH, 0, WIDTH * sizeof *x);
        } else if (i % 100 == 2) {
            for (size_t j = 0; j < WIDTH; j++) {
                x[i * WIDTH + j] = NAN;
            }
        }
    }
    feature_table table = {x, ROWS, WIDTH};
    feature_source source = feature_source_table("text", &table, K);
    static uint32_t found[ROWS * K];
    knn_options o = {.k = K, .threads = 2};
    err e = ERR_INIT;
    assert_int_equal(knn_exact(&source, &o, found, NULL, &e), ERR_OK);
    for (size_t i = 0; i < ROWS; i += 100) {
        uint32_t expected = 0;
        for (size_t n = 0; n < K; n++, expected += 100) {
            expected += expected == i ? 100 : 0;
            assert_int_equal(found[i * K + n], expected);
        }
    }
    for (size_t i = 0; i < ROWS * K; i++) {
        size_t row = i / K;
        bool empty = row % 100 == 1 || row % 100 == 2;
        assert_int_equal(found[i] == ROW_NONE, empty);
        assert_true(empty || (found[i] % 100 != 1 && found[i] % 100 != 2));
    }
    mem_free(x);
}

static void edges_weigh_by_both_degrees_which_are_sums_of_weights(void **state)
{
    (void)state;
    pair pairs[] = {{0, 0, 1, 0}, {0, 2, 0.5F, 0}, {1, 2, 2, 0}};
    interaction_list list = {pairs, 3, 3, 4};
    csr *a = NULL;
    err e = ERR_INIT;
    assert_int_equal(interaction_graph_new(&a, &list, 1, &e), ERR_OK);
    assert_int_equal(a->nnz, 6);
    assert_int_equal(a->start[1], 2); /* user 0 */
    assert_int_equal(a->col[1], 3 + 2);
    assert_true(fabs((double)a->value[1] - 0.5 / sqrt(1.5 * 2.5)) < 1e-6);
    assert_int_equal(a->start[3], 3); /* user 2 has nothing */
    assert_int_equal(a->start[5], 4); /* item 1 neither */
    assert_int_equal(a->col[4], 0);
    assert_int_equal(a->col[5], 1);
    assert_true(fabs((double)a->value[5] - 2 / sqrt(2 * 2.5)) < 1e-6);
    csr_free(a);
}

static void strengths_hold_at_their_limits(void **state)
{
    (void)state;
    float b[8], f[8], scale[8];
    stepwise_smoothing(0, 8, b);
    stepwise_layer(0, 8, f);
    stepwise_scale(b, 8, 3, scale);
    for (int j = 0; j < 8; j++) {
        assert_true(b[j] == 1 && f[j] == 0 && scale[j] == 0.25F); /* where the formula is 0/0 */
    }
    stepwise_smoothing(0.2, 8, b);
    assert_true(fabsf(b[0] - 0.1F) < 1e-7F);
    for (int j = 1; j < 8; j++) {
        assert_true(b[j] > b[j - 1] && b[j] < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitened_columns_are_orthogonal_and_of_equal_length),
        cmocka_unit_test(columns_beyond_the_rank_are_zero),
        cmocka_unit_test(missing_rows_stay_missing_and_do_not_count),
        cmocka_unit_test(a_row_with_some_nan_or_infinity_is_refused_with_its_place),
        cmocka_unit_test(neighbours_are_those_of_brute_force_in_whatever_memory),
        cmocka_unit_test(beyond_a_size_most_neighbours_are_found_through_clusters),
        cmocka_unit_test(features_that_do_not_cluster_are_searched_exactly),
        cmocka_unit_test(equal_features_tie_to_the_lower_row_and_empty_rows_are_nobodys),
        cmocka_unit_test(edges_weigh_by_both_degrees_which_are_sums_of_weights),
        cmocka_unit_test(strengths_hold_at_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
