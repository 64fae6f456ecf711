/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of search and training against their plain forms in the *_reference.c files, which
 * are the definitions in a few loops. To learn what a kernel computes, read those.
 * test_reference_lists.c has the kernels that make lists.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/common/types.h"
#include "core/model/fsc.h"
#include "core/model/fsc_reference.h"
#include "core/model/interaction_graph.h"
#include "core/model/stepwise.h"
#include "core/search/quantise.h"
#include "core/search/quantise_reference.h"
#include "core/search/scan_reference.h"
#include "core/train/method/item_graph.h"
#include "core/train/method/knn.h"
#include "core/train/method/knn_reference.h"
#include "core/train/method/step_reference.h"
#include "core/train/method/whiten.h"
#include "core/train/method/whiten_reference.h"
#include "core/words/subspace.h"
#include "core/words/words_fit.h"
#include "core/words/words_parts.h"
#include "core/words/words_reference.h"
#include "tests/support/toy.h"

static float *normal_table(rng *r, size_t floats)
{
    float *x = mem_table(floats, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < floats; i++) {
        x[i] = (float)rng_normal(r);
    }
    return x;
}

/* --- search --- */

static void check_scan(rng *r, size_t dim)
{
    enum { ROWS = 131, K = 17 };
    float *x = normal_table(r, ROWS * dim), *q = normal_table(r, dim);
    memcpy(x + 40 * dim, x + 7 * dim, dim * sizeof *x); /* equal scores */
    uint32_t list[ROWS];
    float scores[ROWS], listed[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        list[i] = rng_below(r, ROWS);
    }
    scan_rows(x, ROWS, dim, q, scores);
    scan_list(x, list, ROWS, q, dim, listed);
    for (size_t i = 0; i < ROWS; i++) {
        float plain = scan_dot_reference(x + i * dim, q, dim);
        assert_memory_equal(&scores[i], &plain, sizeof plain);
        assert_memory_equal(&listed[i], &scores[list[i]], sizeof plain);
    }
    uint64_t skip[3] = {rng_next(r), rng_next(r) | rng_next(r), 0};
    scan_table table = {.x = x, .rows = ROWS, .dim = dim, .skip = skip, .first_row = 5};
    topk_hit hits[K], plain[K];
    topk best;
    topk_init(&best, hits, K);
    scan_topk(&table, q, &best);
    size_t count = topk_finish(&best);
    assert_int_equal(count, scan_topk_reference(&table, q, K, plain));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hits[i].row, plain[i].row);
        assert_memory_equal(&hits[i].score, &plain[i].score, sizeof(float));
    }
    mem_free(x);
    mem_free(q);
}

static void a_score_has_the_bits_of_the_plain_sum(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 1, 0);
    for (size_t dim = 1; dim <= 150; dim++) {
        check_scan(&r, dim);
    }
}

typedef struct estimates {
    float estimate[64], margin[64];
} estimates;

static float take_all(void *ctx, const codes_found *found)
{
    estimates *all = ctx;
    for (unsigned i = 0; i < QUANTISE_BLOCK; i++) {
        all->estimate[found->block * QUANTISE_BLOCK + i] = found->estimate[i];
        all->margin[found->block * QUANTISE_BLOCK + i] = found->margin;
    }
    return -INFINITY;
}

static void check_codes(rng *r, codes_kernel kernel, size_t dim)
{
    enum { ROWS = 64 };
    float *x = normal_table(r, ROWS * dim), *q = normal_table(r, dim);
    int8_t *code = mem_array(dim + QUANTISE_GROUP, 1);
    assert_non_null(code);
    codes *c = NULL;
    codes_layout layout = {.rows = ROWS, .dim = dim, .places = ROWS, .kernel = kernel};
    codes_query query = {.code = code};
    estimates all;
    assert_int_equal(codes_new(&c, x, &layout, NULL), ERR_OK);
    codes_query_make(&query, q, dim);
    codes_range range = {.count = codes_blocks(c), .threshold = -INFINITY};
    codes_scan(c, &query, &range, take_all, &all);
    for (size_t i = 0; i < ROWS; i++) {
        quantise_bound plain = quantise_reference(x + i * dim, q, dim);
        double unit = 1 / (double)query.inverse, margin = (double)all.margin[i] * unit;
        /* What float scales lose for numbers of size 1. A level more or less would be 1e-2. */
        if (!(fabs((double)all.estimate[i] * unit - plain.estimate) < 1e-6 * (double)dim)) {
            fail_msg("kernel %d, dim %zu, row %zu: estimate %.9g, the plain form has %.9g",
                     (int)kernel, dim, i, (double)all.estimate[i] * unit, plain.estimate);
        }
        /* The kernel uses the largest margin of the block's rows. */
        assert_true(margin >= plain.margin * (1 - 1e-6));
        double score = 0;
        for (size_t j = 0; j < dim; j++) {
            score += (double)x[i * dim + j] * (double)q[j];
        }
        assert_true(fabs(score - plain.estimate) <= plain.margin * (1 + 1e-9) + 1e-12);
    }
    codes_free(c);
    mem_free(code);
    mem_free(x);
    mem_free(q);
}

static void estimates_of_codes_and_their_bounds_are_the_plain_ones(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 2, 0);
    for (codes_kernel kernel = 0; kernel < CODES_KERNELS; kernel++) {
        for (size_t dim = 1; dim <= 140 && codes_kernel_works(kernel); dim += 3) {
            check_codes(&r, kernel, dim);
        }
    }
}

/* --- convolution and training --- */

enum { USERS = 23, ITEMS = 31, NODES = USERS + ITEMS, DIM_MAX = 80, BATCH = 19 };

typedef struct world {
    dataset *d;
    csr *a, *s;
    size_t dim;
    uint32_t layers;
    float w[DIM_MAX], f[DIM_MAX], b[DIM_MAX];
} world;

static void world_init(world *x, size_t dim, uint32_t layers)
{
    enum { NEIGHBOURS = 3 };
    toy_options o = {.users = USERS, .items = ITEMS, .pairs = 100, .seed = dim};
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 3, dim);
    *x = (world){.dim = dim, .layers = layers};
    x->d = toy_new(&o);
    interaction_list list = {x->d->train, x->d->train_count, USERS, ITEMS};
    assert_int_equal(interaction_graph_new(&x->a, &list, 2, &e), ERR_OK);
    uint32_t rows[ITEMS * NEIGHBOURS];
    for (uint32_t i = 0; i < ITEMS * NEIGHBOURS; i++) {
        rows[i] = (i / NEIGHBOURS + 1 + 2 * (i % NEIGHBOURS) + rng_below(&r, 2)) % ITEMS;
    }
    neighbour_lists lists = {.rows = rows, .k = NEIGHBOURS};
    assert_int_equal(item_graph_new(&x->s, &lists, 1, ITEMS, 2, &e), ERR_OK);
    stepwise_layer(0.3, dim, x->f);
    stepwise_smoothing(0.2, dim, x->b);
    stepwise_scale(x->f, dim, layers, x->w);
}

static void world_fini(world *x)
{
    dataset_free(x->d);
    csr_free(x->a);
    csr_free(x->s);
}

static void close_to(const float *got, const double *plain, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - plain[i]) <= tolerance)) {
            fail_msg("number %zu is %.9g, the plain form has %.9g", i, (double)got[i], plain[i]);
        }
    }
}

static void widen(const float *from, double *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (double)from[i];
    }
}

static void a_convolution_is_the_sum_of_its_powers(void **state)
{
    (void)state;
    static double in[NODES * DIM_MAX], out[NODES * DIM_MAX];
    static const size_t dims[] = {1, 7, 8, 33, 64, 80};
    rng r;
    rng_init(&r, 4, 0);
    for (size_t n = 0; n < sizeof dims / sizeof dims[0]; n++) {
        for (uint32_t layers = 0; layers <= 4; layers++) {
            world x;
            world_init(&x, dims[n], layers);
            size_t floats = NODES * x.dim;
            float *e = normal_table(&r, floats), *h = normal_table(&r, floats);
            float *scratch = normal_table(&r, floats);
            fsc op = {.a = x.a, .w = x.w, .f = x.f, .dim = x.dim, .layers = layers, .threads = 2};
            fsc_reference plain = {
                .a = x.a, .x = x.f, .scale = x.w, .dim = x.dim, .layers = layers};
            widen(e, in, floats);
            (void)fsc_forward(&op, e, h, scratch);
            assert_int_equal(fsc_reference_run(&plain, in, out, NULL), ERR_OK);
            close_to(h, out, floats, 1e-5);
            mem_free(e);
            mem_free(h);
            mem_free(scratch);
            world_fini(&x);
        }
    }
}

/* check_steps runs three steps, because the direction of the first one is little more than the
 * gradient's sign. */
static void check_steps(world *x, bool smooth)
{
    static double e[NODES * DIM_MAX], m[NODES * DIM_MAX], v[NODES * DIM_MAX];
    size_t floats = NODES * x->dim;
    rng r;
    rng_init(&r, 5, x->dim);
    float *tables[3];
    for (size_t t = 0; t < 3; t++) {
        tables[t] = normal_table(&r, floats);
        for (size_t i = 0; i < floats; i++) {
            /* Moments as after many steps, so that no direction depends on the last digit of a
             * gradient. */
            tables[t][i] *= t == 0 ? 0.3F : 1e-2F;
            tables[t][i] = t == 2 ? tables[t][i] * tables[t][i] + 1e-5F : tables[t][i];
        }
    }
    step_config c = {.a = x->a,
                     .s = smooth ? x->s : NULL,
                     .users = USERS,
                     .items = ITEMS,
                     .dim = x->dim,
                     .layers = x->layers,
                     .w = x->w,
                     .f = x->f,
                     .b = x->b,
                     .lr = 0.01,
                     .weight_decay = 0.5,
                     .batch_max = BATCH,
                     .threads = 2,
                     .embeddings = tables[0],
                     .m = tables[1],
                     .v = tables[2]};
    step_tables plain = {e, m, v};
    widen(tables[0], e, floats);
    widen(tables[1], m, floats);
    widen(tables[2], v, floats);
    stepper *fused = NULL;
    assert_int_equal(stepper_new(&fused, &c, NULL), ERR_OK);
    for (uint64_t time = 1; time <= 3; time++) {
        uint32_t users[BATCH], positives[BATCH], negatives[BATCH];
        for (size_t k = 0; k < BATCH; k++) {
            users[k] = rng_below(&r, USERS);
            positives[k] = rng_below(&r, ITEMS);
            negatives[k] = rng_below(&r, ITEMS);
        }
        bpr_batch batch = {users, positives, negatives, BATCH};
        double loss = 0;
        assert_int_equal(step_reference(&c, &batch, 1000 + time, &plain, &loss, NULL), ERR_OK);
        assert_true(fabs(stepper_run(fused, &batch, 1000 + time) - loss) < 1e-5 * loss);
    }
    close_to(tables[0], e, floats, 1e-5);
    close_to(tables[1], m, floats, 1e-6);
    close_to(tables[2], v, floats, 1e-7);
    stepper_free(fused);
    for (size_t t = 0; t < 3; t++) {
        mem_free(tables[t]);
    }
}

static void fused_steps_are_the_plain_ones(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 7, 64, 80};
    for (size_t n = 0; n < sizeof dims / sizeof dims[0]; n++) {
        for (uint32_t layers = 0; layers <= 4; layers++) {
            world x;
            world_init(&x, dims[n], layers);
            check_steps(&x, true);
            check_steps(&x, false);
            world_fini(&x);
        }
    }
}

/* --- neighbours --- */

static void neighbours_are_those_of_comparing_every_pair(void **state)
{
    (void)state;
    enum { ROWS = 700, WIDTH = 24, K = 5 };
    rng r;
    rng_init(&r, 6, 0);
    float *x = normal_table(&r, ROWS * WIDTH);
    /* it has no neighbours and is a neighbour of none */
    memset(x + 3 * WIDTH, 0, WIDTH * sizeof *x);
    for (size_t j = 0; j < WIDTH; j++) {
        x[4 * WIDTH + j] = NAN;
    }
    feature_table table = {x, ROWS, WIDTH};
    feature_source source = feature_source_table("text", &table, K);
    knn_options o = {.k = K, .threads = 2};
    uint32_t *found = mem_array(ROWS * K, sizeof *found);
    assert_non_null(found);
    assert_int_equal(knn_exact(&source, &o, found, NULL, NULL), ERR_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t plain[K];
        knn_reference(x, ROWS, WIDTH, row, K, plain);
        assert_memory_equal(found + row * K, plain, sizeof plain);
    }
    mem_free(found);
    mem_free(x);
}

/* --- whitening --- */

static void check_whitening(const float *x, size_t rows, size_t width, size_t dim)
{
    enum { FLOATS_MAX = 200 * 24 };
    static float projection[FLOATS_MAX], content[FLOATS_MAX], mean[24], spread[24];
    static double plain_content[FLOATS_MAX], plain_mean[24], plain_spread[24];
    assert_true(rows <= 200 && width <= 24 && dim <= 24);
    feature_table table = {x, rows, width};
    feature_source source = feature_source_table("text", &table, 7); /* rows of a read */
    whitening got = {.mean = mean, .projection = projection, .spread = spread, .content = content};
    whiten_reference plain = {.x = x,
                              .rows = rows,
                              .width = width,
                              .dim = dim,
                              .mean = plain_mean,
                              .spread = plain_spread,
                              .content = plain_content};
    assert_int_equal(whiten_run(&source, dim, 1, &got, NULL), ERR_OK);
    assert_int_equal(whiten_reference_run(&plain, NULL), ERR_OK);
    assert_int_equal(got.rank, plain.rank);
    close_to(mean, plain_mean, width, 1e-6);
    close_to(spread, plain_spread, dim, 1e-5);
    for (size_t i = 0; i < rows * dim; i++) {
        assert_int_equal(isnan(content[i]), isnan(plain_content[i]));
        if (!isnan(content[i])) {
            close_to(content + i, plain_content + i, 1, 1e-4);
        }
    }
}

static void whitened_features_are_those_of_the_whole_table_in_double_precision(void **state)
{
    (void)state;
    enum { ROWS = 200, WIDTH = 15 };
    rng r;
    rng_init(&r, 7, 0);
    float *x = normal_table(&r, ROWS * WIDTH);
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        x[i] = x[i] * (float)(1 + i % WIDTH) + 0.3F; /* eigenvalues far apart */
    }
    check_whitening(x, ROWS, WIDTH, 8);
    for (size_t row = 0; row < ROWS; row++) {
        x[row * WIDTH + 4] = x[row * WIDTH + 9]; /* the rank becomes WIDTH - 1 */
        for (size_t j = 0; j < WIDTH && row % 9 == 2; j++) {
            x[row * WIDTH + j] = NAN; /* a missing row */
        }
    }
    check_whitening(x, ROWS, WIDTH, 8);
    check_whitening(x, ROWS, WIDTH, 20); /* wider than the features */
    mem_free(x);
}

/* --- words --- */

static void singular_vectors_are_the_eigenvectors_of_the_gram_matrix(void **state)
{
    (void)state;
    enum { ROWS = 90, COLS = 40, EACH = 6, WIDTH = 5 };
    rng r;
    rng_init(&r, 8, 0);
    csr *a = NULL;
    assert_int_equal(csr_new(&a, ROWS, COLS, ROWS * EACH, NULL), ERR_OK);
    for (uint32_t row = 0; row <= ROWS; row++) {
        a->start[row] = (size_t)row * EACH;
        for (uint32_t k = 0; row < ROWS && k < EACH; k++) {
            a->col[row * EACH + k] = k * 6 + rng_below(&r, 6); /* ascending */
            a->value[row * EACH + k] = (float)rng_uniform(&r) * (float)(8 - k) * (float)(8 - k);
        }
    }
    subspace_options o = {.width = WIDTH, .columns = 32, .rounds = 8, .seed = 3, .threads = 2};
    float *x = mem_table(COLS * o.columns, sizeof *x);
    double *plain = mem_array((size_t)COLS * COLS, sizeof *plain);
    assert_true(x != NULL && plain != NULL);
    assert_int_equal(subspace_run(a, &o, x, NULL), ERR_OK);
    assert_int_equal(subspace_reference(a, plain, NULL), ERR_OK);
    for (size_t c = 0; c < WIDTH; c++) {
        double cosine = 0, square = 0;
        for (size_t j = 0; j < COLS; j++) {
            double number = (double)x[j * o.columns + c];
            cosine += number * plain[c * COLS + j];
            square += number * number;
        }
        assert_true(fabs(square - 1) < 1e-4 && fabs(cosine) > 1 - 1e-4); /* of either sign */
    }
    mem_free(plain);
    mem_free(x);
    csr_free(a);
}

/* Enough terms that their space has more columns than a kernel adds at once. */
enum { TITLES = 150, TITLE_WORDS = 5, VOCABULARY = 400 };

static char titles[TITLES][TITLE_WORDS * 8 + 1];

static err_code each_title(void *ctx, words_visit visit, void *visit_ctx, err *e)
{
    (void)ctx;
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < TITLES; i++) {
        words_document d = {.title = slice_of(titles[i])};
        code = visit(visit_ctx, &d, e);
    }
    return code;
}

static bool is_rare(const void *ctx, uint64_t hash)
{
    const word_space *w = ctx;
    size_t term = words_find(w, hash);
    return term == SIZE_MAX || w->item_counts[term] < WORDS_RARE_ITEMS;
}

static void a_texts_vector_is_the_weighted_sum_of_its_terms(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 9, 0);
    for (size_t i = 0; i < TITLES; i++) {
        for (size_t k = 0, at = 0; k < TITLE_WORDS; k++) {
            at += (size_t)snprintf(titles[i] + at, sizeof titles[i] - at, "word%u ",
                                   rng_below(&r, VOCABULARY));
        }
    }
    words_source source = {each_title, NULL};
    words_fit_options o = {.threads = 1};
    word_space *w = NULL;
    words_scratch *s = NULL;
    bag *b = NULL;
    assert_int_equal(words_fit(&w, &source, &o, NULL), ERR_OK);
    assert_int_equal(words_scratch_new(&s, NULL), ERR_OK);
    assert_int_equal(bag_new(&b, NULL), ERR_OK);
    for (size_t i = 0; i < TITLES; i++) {
        float got[WORDS_WIDTH];
        double plain[WORDS_WIDTH];
        words_document d = {.title = slice_of(titles[i])};
        size_t count = 0;
        bag_fill(b, &d, &(bag_options){w->version, is_rare, w});
        const bag_term *terms = bag_terms(b, &count);
        assert_true(words_encode(w, &d, s, got) > 0);
        words_encode_reference(w, terms, count, plain);
        close_to(got, plain, WORDS_WIDTH, 1e-5);
    }
    bag_free(b);
    words_scratch_free(s);
    words_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_has_the_bits_of_the_plain_sum),
        cmocka_unit_test(estimates_of_codes_and_their_bounds_are_the_plain_ones),
        cmocka_unit_test(a_convolution_is_the_sum_of_its_powers),
        cmocka_unit_test(fused_steps_are_the_plain_ones),
        cmocka_unit_test(neighbours_are_those_of_comparing_every_pair),
        cmocka_unit_test(whitened_features_are_those_of_the_whole_table_in_double_precision),
        cmocka_unit_test(singular_vectors_are_the_eigenvectors_of_the_gram_matrix),
        cmocka_unit_test(a_texts_vector_is_the_weighted_sum_of_its_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
