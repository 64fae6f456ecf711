/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Similar items against brute force: every item scored one by one in double, by the formula of
 * core/serve/query/similar.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/propagate.h"
#include "tests/support/shop.h"
#include "tests/support/shop_links.h"
#include "tests/support/shop_lists.h"

static void part_of(const base *b, int by, const float *h, double *out)
{
    for (size_t j = 0; j < SHOP_DIM; j++) {
        double m = 0;
        for (size_t k = 0; k < SHOP_DIM; k++) {
            m += (double)b->parts->into[j * SHOP_DIM + k] * (double)h[k];
        }
        out[j] = by == SIMILAR_ALL             ? (double)h[j]
                 : by == SIMILAR_COLLABORATIVE ? (double)h[j] - m
                                               : m;
    }
}

static double dot(const double *x, const double *y)
{
    double sum = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        sum += x[j] * y[j];
    }
    return sum;
}

/* measure returns the similarity to `own` of a part that has length `norm` and counts as if it had
 * `counts`. */
static double measure(const base *b, const double *own, const double *part, double norm,
                      double counts, double typical)
{
    double along = dot(own, part) / norm, longer = counts / typical;
    return norm > 0 ? along * (base_bare(b) ? longer : sqrt(longer)) : 0;
}

/* look writes the vector that the parts of other items are compared with: the item's part at length
 * 1, and without features half the mean user in addition. It returns false for a part of length 0.
 */
static bool look(const base *b, int by, const float *h, double *own)
{
    double mean[SHOP_DIM];
    part_of(b, by, h, own);
    double length = sqrt(dot(own, own));
    if (!(length > 1e-9)) {
        return false;
    }
    shop_mean_user(b, mean);
    for (size_t j = 0; j < SHOP_DIM; j++) {
        own[j] = own[j] / length + (base_bare(b) ? mean[j] / 2 : 0);
    }
    return true;
}

/* What the base's rows determine: the mean norm of a part, and the spread of the similarity to
 * `own`. */
typedef struct scale {
    double typical, spread;
} scale;

static scale scale_of(const base *b, int by, const double *own)
{
    scale s = {0, 0};
    double sum = 0, squares = 0, n = (double)b->items, part[SHOP_DIM];
    size_t counted = 0;
    for (size_t i = 0; i < b->items; i++) {
        part_of(b, by, b->h + i * SHOP_DIM, part);
        double norm = sqrt(dot(part, part));
        s.typical += norm;
        counted += norm > 0;
    }
    s.typical /= (double)counted;
    for (size_t i = 0; i < b->items; i++) {
        part_of(b, by, b->h + i * SHOP_DIM, part);
        double norm = sqrt(dot(part, part));
        double near = measure(b, own, part, norm, norm, s.typical);
        sum += near;
        squares += near * near;
    }
    s.spread = sqrt(squares / n - sum / n * (sum / n));
    return s;
}

/* near_of returns the similarity of a row, without links. */
static double near_of(const view *v, int by, uint32_t row, const double *own, scale s)
{
    float h[SHOP_DIM];
    double part[SHOP_DIM], users = view_item_users(v, row);
    view_item_vector(v, row, h);
    part_of(v->base, by, h, part);
    double norm = sqrt(dot(part, part)), counts = norm;
    if (base_untaken(v->base, row) && norm < s.typical && users < 20) {
        counts += (s.typical - norm) * (1 - users / 20);
    }
    return measure(v->base, own, part, norm, counts, s.typical);
}

static size_t expected(const fixture *f, uint32_t item, int by, const list_query *q,
                       shop_scored *out)
{
    const view *v = f->hold.view;
    static shop_link_part added[SHOP_ITEMS_MAX];
    float h[SHOP_DIM], other[SHOP_DIM];
    double own[SHOP_DIM];
    size_t count = 0;
    memset(added, 0, sizeof added);
    if (!view_item_vector(v, item, h)) {
        return 0;
    }
    if (!look(v->base, by, h, own)) {
        return 0;
    }
    scale s = scale_of(v->base, by, own);
    if (v->base->links != NULL) {
        shop_own one = {item, 1, 0};
        shop_link_sums(v, &one, 1, SHOP_SIMILAR, added);
    }
    for (uint32_t row = 0; row < f->shop->item_rows; row++) {
        if (row == item || !view_item_vector(v, row, other) ||
            (view_item_flags(v, row) & ITEM_HIDDEN) != 0 ||
            (q->filter != NULL && !shop_passes(f->shop, row, q->filter))) {
            continue;
        }
        double together = by != SIMILAR_MULTIMODAL ? added[row].of[LINKS_COLLABORATIVE] : 0;
        double alike = by != SIMILAR_COLLABORATIVE ? added[row].of[LINKS_CONTENT] : 0;
        out[count++] = (shop_scored){
            .row = row, .score = near_of(v, by, row, own, s) + s.spread * (together + alike)};
    }
    qsort(out, count, sizeof *out, shop_by_score);
    return count;
}

/* check compares the lists of a third of the items, and returns the number of hits compared. */
static size_t check(fixture *f)
{
    static shop_scored want[SHOP_ITEMS_MAX];
    size_t compared = 0;
    for (uint32_t item = rng_below(&f->shop->random, 3); item < f->shop->item_rows; item += 3) {
        for (int by = SIMILAR_ALL; by <= SIMILAR_MULTIMODAL; by++) {
            shop_filter_room room;
            filter filtered = shop_filter(f->shop, &room);
            list_query q = {.k = 15, .offset = rng_below(&f->shop->random, 9)};
            q.filter = rng_below(&f->shop->random, 2) == 0 ? &filtered : NULL;
            size_t all = expected(f, item, by, &q, want),
                   count = all > q.offset ? all - q.offset : 0;
            recommend_result got;
            assert_int_equal(
                similar(f->hold.view, item, (similar_by)by, &q, f->scratch, &got, NULL), ERR_OK);
            assert_int_equal(got.count, count < 15 ? count : 15);
            for (size_t i = 0; i < got.count; i++) {
                /* The collaborative part is a small difference of floats. */
                double off = fabs((double)got.hits[i].score - want[q.offset + i].score);
                assert_true(off < (by == SIMILAR_COLLABORATIVE ? 5e-3 : 5e-4));
                compared++;
            }
        }
    }
    return compared;
}

static void similar_equals_brute_force_by_every_part(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 29, NULL);
    assert_true(check(&f) > 500);
    fixture_close(&f);
}

/* While items are added and removed, before and after a background run. */
static void check_while_changing(fixture *f)
{
    for (int round = 0; round < 4; round++) {
        base *b = NULL;
        bool swapped = false;
        assert_true(check(f) > 500);
        assert_int_equal(propagate_run(&b, f->hold.view, &(propagate_options){.threads = 1}, NULL),
                         ERR_OK);
        live_release(f->shop->live, &f->hold);
        if (round % 2 == 1) {
            assert_int_equal(live_swap(f->shop->live, b, &swapped, NULL), ERR_OK);
            assert_true(swapped);
        } else {
            base_release(b);
        }
        for (int i = 0; i < 30; i++) {
            shop_step(f->shop);
        }
        live_acquire(f->shop->live, &f->hold);
    }
}

static void similar_items_with_links_equal_brute_force(void **state)
{
    (void)state;
    fixture f;
    fixture_open_linked(&f, 74);
    check_while_changing(&f);
    assert_true(f.hold.view->later_serial > 5);
    fixture_close(&f);
}

static void similar_items_without_features_equal_brute_force(void **state)
{
    (void)state;
    fixture f;
    fixture_open_bare(&f, 79);
    check_while_changing(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(similar_equals_brute_force_by_every_part),
        cmocka_unit_test(similar_items_with_links_equal_brute_force),
        cmocka_unit_test(similar_items_without_features_equal_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
