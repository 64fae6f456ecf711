/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists for query texts against brute force over the same vectors.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"
#include "tests/support/shop.h"
#include "tests/support/shop_lists.h"

/* random_text makes the encoded form of a text: vectors of one or both modalities of the shop. */
static cold_item *random_text(const fixture *f)
{
    rng *r = &f->shop->random;
    float words[SHOP_TEXT], image[SHOP_IMAGE];
    for (size_t j = 0; j < SHOP_TEXT; j++) {
        words[j] = (float)rng_below(r, 2001) / 1000 - 1;
    }
    for (size_t j = 0; j < SHOP_IMAGE; j++) {
        image[j] = (float)rng_below(r, 2001) / 1000 - 1;
    }
    feature features[] = {
        {.modality = slice_of("text"), .dtype = FEATURE_F4, .width = SHOP_TEXT, .data = words},
        {.modality = slice_of("image"), .dtype = FEATURE_F4, .width = SHOP_IMAGE, .data = image}};
    cold_item *text = NULL;
    size_t count = 1 + rng_below(r, 2);
    assert_int_equal(coldstart_prepare(&text, f->hold.view, features, count, NULL), ERR_OK);
    return text;
}

static void recommend_by_words_equals_brute_force(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 61, &shop_plain);
    size_t alone = 0, with_session = 0;
    for (unsigned round = 0; round < 1500; round++) {
        shop_query_room room;
        recommend_query q = shop_query(f.shop, &room);
        cold_item *text = random_text(&f);
        q.by_text = true;
        q.text = text;
        alone += q.user == ROW_NONE && q.session_count == 0;
        with_session += q.session_count > 0;
        shop_check_list(&f, &q);
        cold_item_free(text);
        if (round % 20 == 0) {
            live_release(f.shop->live, &f.hold);
            shop_step(f.shop);
            live_acquire(f.shop->live, &f.hold);
        }
    }
    assert_true(alone > 50 && with_session > 50);
    fixture_close(&f);
}

/* part_of writes the part of a row of H that `by` selects. */
static void part_of(const base *b, const double *row, similar_by by, double *out)
{
    for (size_t j = 0; j < SHOP_DIM; j++) {
        double multimodal = 0;
        for (size_t k = 0; k < SHOP_DIM; k++) {
            multimodal += (double)b->parts->into[j * SHOP_DIM + k] * row[k];
        }
        out[j] = by == SIMILAR_ALL             ? row[j]
                 : by == SIMILAR_COLLABORATIVE ? row[j] - multimodal
                                               : multimodal;
    }
}

static double dot_of(const double *a, const double *b)
{
    double sum = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        sum += a[j] * b[j];
    }
    return sum;
}

/* typical_norm returns the mean norm of a part over the rows of the base. */
static double typical_norm(const base *b, similar_by by)
{
    double row[SHOP_DIM], part[SHOP_DIM], sum = 0;
    size_t counted = 0;
    for (size_t i = 0; i < b->items; i++) {
        for (size_t j = 0; j < SHOP_DIM; j++) {
            row[j] = (double)b->h[i * SHOP_DIM + j];
        }
        part_of(b, row, by, part);
        double norm = sqrt(dot_of(part, part));
        sum += norm;
        counted += norm > 0;
    }
    return sum / (double)counted;
}

/* likeness returns the cosine, times the root of the row's norm over the typical norm. If nobody
 * had taken the item when the generation was made, it counts with the typical norm as long as it
 * has few buyers. */
static double likeness(const view *v, uint32_t row, const double *own, const double *other,
                       double typical)
{
    double norm = sqrt(dot_of(other, other)), counts = norm, users = view_item_users(v, row);
    if (base_untaken(v->base, row) && norm < typical && users < 20) {
        counts += (typical - norm) * (1 - users / 20);
    }
    return dot_of(own, other) / (sqrt(dot_of(own, own)) * norm) * sqrt(counts / typical);
}

static size_t nearest(const fixture *f, const cold_item *text, similar_by by, const list_query *q,
                      shop_scored *out)
{
    const view *v = f->hold.view;
    double row[SHOP_DIM], own[SHOP_DIM], other[SHOP_DIM];
    size_t count = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        row[j] = (double)v->base->w[j] * (double)text->embedding[j];
    }
    part_of(v->base, row, by, own);
    double typical = typical_norm(v->base, by);
    for (uint32_t item = 0; item < f->shop->item_rows; item++) {
        const shop_item *it = &f->shop->items[item];
        float vector[SHOP_DIM];
        bool in = it->exists && !it->hidden && view_item_vector(v, item, vector) &&
                  (q->filter == NULL || shop_passes(f->shop, item, q->filter));
        for (size_t i = 0; i < q->exclude_count; i++) {
            in = in && q->exclude[i] != item;
        }
        if (in) {
            for (size_t j = 0; j < SHOP_DIM; j++) {
                row[j] = (double)vector[j];
            }
            part_of(v->base, row, by, other);
            out[count++] =
                (shop_scored){.row = item, .score = likeness(v, item, own, other, typical)};
        }
    }
    qsort(out, count, sizeof *out, shop_by_score);
    return count;
}

static void similar_by_words_equals_brute_force_under_filters(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 62, NULL);
    static shop_scored want[SHOP_ITEMS_MAX];
    size_t filtered = 0;
    for (unsigned round = 0; round < 300; round++) {
        shop_query_room room;
        recommend_query drawn = shop_query(f.shop, &room);
        cold_item *text = random_text(&f);
        similar_by by = (similar_by)(round % 3);
        list_query q = {.k = 15,
                        .exclude = drawn.exclude,
                        .exclude_count = drawn.exclude_count,
                        .filter = drawn.filter};
        size_t count = nearest(&f, text, by, &q, want);
        recommend_result got;
        assert_int_equal(similar_text(f.hold.view, text, by, &q, f.scratch, &got, NULL), ERR_OK);
        assert_int_equal(got.count, count < q.k ? count : q.k);
        assert_int_equal(got.fallback, FALLBACK_NONE);
        for (size_t i = 0; i < got.count; i++) {
            /* The collaborative part is a small difference of floats. */
            double off = fabs((double)got.hits[i].score - want[i].score);
            assert_true(off < (by == SIMILAR_COLLABORATIVE ? 2e-3 : 1e-4));
        }
        filtered += drawn.filter != NULL && count < f.shop->item_rows / 2;
        cold_item_free(text);
    }
    assert_true(filtered > 20);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recommend_by_words_equals_brute_force),
        cmocka_unit_test(similar_by_words_equals_brute_force_under_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
