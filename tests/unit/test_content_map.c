/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map between features against its definition, on random features and histories.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/content_map.h"

enum { ITEMS = 90, USERS = 60, TEXT = 6, IMAGE = 4, WIDTH = TEXT + IMAGE, PAIRS_MAX = USERS * 12 };

typedef struct drawn {
    float x[ITEMS * WIDTH];
    pair pairs[PAIRS_MAX];
    content_map_input in;
} drawn;

/* draw makes users who take items of one kind. The first feature of each item shows its kind. */
static void draw(drawn *d)
{
    rng r;
    rng_init(&r, 5, 0);
    d->in = (content_map_input){.x = d->x,
                                .items = ITEMS,
                                .width = WIDTH,
                                .pairs = d->pairs,
                                .modality_count = 2,
                                .widths = {TEXT, IMAGE},
                                .weight = {0.75F, 0.25F},
                                .share = 2};
    for (size_t i = 0; i < ITEMS; i++) {
        float raw[TEXT];
        for (size_t j = 0; j < TEXT; j++) {
            raw[j] = (float)rng_normal(&r) + (i % 3 == j ? 2 : 0);
        }
        (void)content_fold(raw, TEXT, d->x + i * WIDTH, TEXT);
        for (size_t j = 0; j < IMAGE; j++) {
            raw[j] = (float)rng_normal(&r);
        }
        if (i % 5 != 0) {
            (void)content_fold(raw, IMAGE, d->x + i * WIDTH + TEXT, IMAGE);
        }
    }
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t item = rng_below(&r, 9);
        for (int n = 0; n < 12 && item < ITEMS; n++) {
            d->pairs[d->in.pair_count++] = (pair){u, item, 1, 0};
            item += 3 * (1 + rng_below(&r, 4));
        }
    }
}

/* expect computes the matrices of the definition, element by element. */
static void expect(const drawn *d, double history[WIDTH][WIDTH], double own[WIDTH][WIDTH],
                   double items[WIDTH][WIDTH])
{
    double share[ITEMS] = {0};
    for (size_t at = 0, end = 0; at < d->in.pair_count; at = end) {
        double sum[WIDTH] = {0};
        while (end < d->in.pair_count && d->pairs[end].user == d->pairs[at].user) {
            end++;
        }
        for (size_t p = at; p < end; p++) {
            share[d->pairs[p].item] += 1 / (double)(end - at);
            for (size_t j = 0; j < WIDTH; j++) {
                sum[j] += (double)d->x[d->pairs[p].item * WIDTH + j];
            }
        }
        for (size_t a = 0; a < WIDTH; a++) {
            for (size_t b = 0; b < WIDTH; b++) {
                history[a][b] += sum[a] * sum[b] / (double)(end - at);
            }
        }
    }
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t a = 0; a < WIDTH; a++) {
            for (size_t b = 0; b < WIDTH; b++) {
                double both = (double)d->x[i * WIDTH + a] * (double)d->x[i * WIDTH + b];
                own[a][b] += share[i] * both;
                items[a][b] += both;
            }
        }
    }
}

/* (X'GX + 1) W (X'X + 10) equals X'GX without the items' own shares, times a constant. */
static void the_map_solves_its_equation(void **state)
{
    (void)state;
    static drawn d;
    draw(&d);
    content_map *map = NULL;
    assert_int_equal(content_map_fit(&map, &d.in, NULL), ERR_OK);
    assert_non_null(map);
    assert_int_equal(map->width, WIDTH);
    double history[WIDTH][WIDTH] = {{0}}, own[WIDTH][WIDTH] = {{0}}, items[WIDTH][WIDTH] = {{0}};
    expect(&d, history, own, items);
    double half[WIDTH][WIDTH] = {{0}}, largest = 0, unit = 0;
    for (size_t a = 0; a < WIDTH; a++) {
        for (size_t b = 0; b < WIDTH; b++) {
            for (size_t k = 0; k < WIDTH; k++) {
                half[a][b] += (history[a][k] + (a == k ? 1 : 0)) * (double)map->w[k * WIDTH + b];
            }
            largest = fmax(largest, fabs(history[a][b] - own[a][b]));
        }
    }
    for (int round = 0; round < 2; round++) {
        for (size_t a = 0; a < WIDTH; a++) {
            for (size_t b = 0; b < WIDTH; b++) {
                double got = 0, wanted = history[a][b] - own[a][b];
                for (size_t k = 0; k < WIDTH; k++) {
                    got += half[a][k] * (items[k][b] + (k == b ? 10 : 0));
                }
                unit = round == 0 && fabs(wanted) == largest ? got / wanted : unit;
                assert_true(round == 0 || fabs(got / unit - wanted) < 1e-4 * largest);
            }
        }
    }
    assert_true(unit > 0);
    content_map_free(map);
}

/* Over pairs of items the map's positive part is `share` times the squared cosines. */
static void the_map_has_its_share_of_a_link(void **state)
{
    (void)state;
    static drawn d;
    draw(&d);
    content_map *map = NULL;
    assert_int_equal(content_map_fit(&map, &d.in, NULL), ERR_OK);
    double content = 0, learnt = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t n = 0; n < ITEMS; n++) {
            const float *x = d.x + i * WIDTH, *y = d.x + n * WIDTH;
            double fits = 0, text = 0, image = 0;
            for (size_t a = 0; a < WIDTH; a++) {
                for (size_t b = 0; b < WIDTH; b++) {
                    fits += (double)x[a] * (double)map->w[a * WIDTH + b] * (double)y[b];
                }
                *(a < TEXT ? &text : &image) += (double)x[a] * (double)y[a];
            }
            double link = 0.75 * pow(fmax(text, 0), 2) + 0.25 * pow(fmax(image, 0), 2);
            content += i != n ? link * link : 0;
            learnt += i != n ? pow(fmax(fits, 0), 2) : 0;
        }
    }
    assert_true(fabs(sqrt(learnt / content) - 2) < 1e-3);
    content_map_free(map);
}

static void without_histories_or_features_there_is_no_map(void **state)
{
    (void)state;
    static drawn d;
    draw(&d);
    content_map *map = NULL;
    content_map_input none = d.in;
    none.pair_count = 0;
    assert_int_equal(content_map_fit(&map, &none, NULL), ERR_OK);
    assert_null(map);
    static float zeros[ITEMS * WIDTH];
    none = d.in;
    none.x = zeros;
    assert_int_equal(content_map_fit(&map, &none, NULL), ERR_OK);
    assert_null(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_solves_its_equation),
        cmocka_unit_test(the_map_has_its_share_of_a_link),
        cmocka_unit_test(without_histories_or_features_there_is_no_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
