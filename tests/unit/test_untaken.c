/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items without interactions: a training gives them the row of E and the links that a service gives
 * a new item with the same features, and leaves all other items alone.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/state/untaken.h"
#include "core/train/loop/train.h"

enum { USERS = 300, ITEMS = 240, GROUP = 6, TEXT = 20, IMAGE = 6 };

typedef struct kinds {
    dataset *d;
    float text[ITEMS * TEXT], image[ITEMS * IMAGE];
    feature_table tables[2];
} kinds;

/* untaken tells whether nobody took an item: the last item of every group. Some of these items lack
 * one modality, some both. */
static bool untaken(size_t item)
{
    return item % GROUP == GROUP - 1;
}

static void make_features(kinds *k, rng *r)
{
    float centre[TEXT] = {0};
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t j = 0; j < TEXT; j++) {
            centre[j] = i % GROUP == 0 ? (float)rng_normal(r) : centre[j];
            float x = centre[j] + 0.3F * (float)rng_normal(r);
            k->text[i * TEXT + j] = untaken(i) && i % 4 == 1 ? NAN : x;
        }
        for (size_t j = 0; j < IMAGE; j++) {
            k->image[i * IMAGE + j] = untaken(i) && i % 5 == 1 ? NAN : (float)rng_normal(r);
        }
    }
    k->tables[0] = (feature_table){k->text, ITEMS, TEXT};
    k->tables[1] = (feature_table){k->image, ITEMS, IMAGE};
}

static void add(pair *pairs, size_t *count, uint32_t user, uint32_t item)
{
    pairs[(*count)++] = (pair){user, item, 1, 0};
}

/* kinds_open makes a shop whose items of a group have similar texts. A user takes items of some
 * groups, and next another item of one of them, so content predicts more than other users do. */
static void kinds_open(kinds *k)
{
    rng r;
    rng_init(&r, 11, 0);
    make_features(k, &r);
    assert_int_equal(dataset_new(&k->d, USERS, ITEMS, NULL), ERR_OK);
    dataset *d = k->d;
    d->modalities = mem_array(2, sizeof *d->modalities);
    d->train = mem_array(USERS * 4, sizeof *d->train);
    d->valid = mem_array(USERS, sizeof *d->valid);
    assert_true(d->modalities != NULL && d->train != NULL && d->valid != NULL);
    d->modalities[0] = feature_source_table("text", &k->tables[0], 5);
    d->modalities[1] = feature_source_table("image", &k->tables[1], 1);
    d->modality_count = 2;
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t group = rng_below(&r, ITEMS / GROUP), at = rng_below(&r, GROUP - 1);
        for (uint32_t n = 0; n < 4; n++) {
            uint32_t other = (group + n * 7) % (ITEMS / GROUP);
            add(d->train, &d->train_count, u, other * GROUP + at);
        }
        add(d->valid, &d->valid_count, u, group * GROUP + (at + 1) % (GROUP - 1));
    }
    d->train_count = pairs_sort(d->train, d->train_count);
}

static model *trained(const kinds *k, bool places)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = 8;
    o.batch = 256;
    o.epochs = 2;
    o.eval_every = 1;
    o.lr = 0.001;
    o.threads = 2;
    o.without_mi = true; /* weak vectors, so that links have much to add */
    model *m = NULL;
    train_hooks h = {.place = places ? untaken_place : NULL};
    err e = ERR_INIT;
    assert_int_equal(train_run(&m, k->d, &o, &h, &e), ERR_OK);
    return m;
}

/* service_of makes the cold start of a service that does not know these items. */
static coldstart *service_of(const kinds *k, const model *m, kinds *without)
{
    *without = *k;
    without->tables[0].x = without->text;
    without->tables[1].x = without->image;
    feature_source sources[] = {feature_source_table("text", &without->tables[0], 5),
                                feature_source_table("image", &without->tables[1], 1)};
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t j = 0; untaken(i) && j < TEXT; j++) {
            without->text[i * TEXT + j] = NAN;
        }
        for (size_t j = 0; untaken(i) && j < IMAGE; j++) {
            without->image[i * IMAGE + j] = NAN;
        }
    }
    coldstart *c = NULL;
    coldstart_options options = {.sources = sources, .source_count = 2};
    assert_int_equal(coldstart_new(&c, m, &options, NULL), ERR_OK);
    return c;
}

static cold_item *posted(const kinds *k, const coldstart *c, size_t item)
{
    feature f[2];
    size_t count = 0;
    cold_item *made = NULL;
    if (!isnan(k->text[item * TEXT])) {
        f[count++] = (feature){.modality = slice_of("text"),
                               .dtype = FEATURE_F4,
                               .width = TEXT,
                               .data = k->text + item * TEXT};
    }
    if (!isnan(k->image[item * IMAGE])) {
        f[count++] = (feature){.modality = slice_of("image"),
                               .dtype = FEATURE_F4,
                               .width = IMAGE,
                               .data = k->image + item * IMAGE};
    }
    assert_int_equal(coldstart_embed(&made, c, f, count, NULL), ERR_OK);
    return made;
}

/* check_links compares all links of an item, in both directions, with those that a service
 * makes. */
static void check_links(const item_links *l, uint32_t row, const cold_item *want, float lift)
{
    for (uint32_t other = 0, at = 0; other < ITEMS; other++) {
        float weight = 0;
        if (at < want->links->count && want->links->entries[at].target == other) {
            weight = lift * want->links->entries[at++].weight;
        }
        float to = links_weight(l, LINKS_CONTENT, other, row);
        float from = links_weight(l, LINKS_CONTENT, row, other);
        assert_true(fabsf(to - weight) < 1e-4F && fabsf(from - weight) < 1e-4F);
        assert_true((weight > 1e-3F) == (to > 0) || weight < 1e-3F);
    }
}

static void untaken_items_are_placed_as_new_ones_are(void **state)
{
    (void)state;
    kinds *k = mem_array(2, sizeof *k);
    kinds_open(k);
    model *raw = trained(k, false), *m = trained(k, true);
    assert_non_null(raw->links);
    assert_true(raw->links->choice.beta[LINKS_CONTENT] > 0 && raw->map != NULL);
    coldstart *c = service_of(k, raw, k + 1);
    assert_true(coldstart_fitted(c));
    float lift = links_lift(&raw->links->choice, true);
    size_t linked = 0, bare = 0;
    for (uint32_t row = 0; row < ITEMS; row++) {
        const float *e = m->item_e + row * m->dim, *before = raw->item_e + row * m->dim;
        cold_item *want = untaken(row) ? posted(k, c, row) : NULL;
        if (want == NULL || want->used == 0) {
            assert_memory_equal(e, before, m->dim * sizeof *e);
            bare += want != NULL;
            cold_item_free(want);
            continue;
        }
        for (size_t j = 0; j < m->dim; j++) {
            assert_true(fabsf(e[j] - lift * want->embedding[j]) < 1e-6F);
            assert_true(fabsf(m->item_h[row * m->dim + j] - m->w[j] * e[j]) < 1e-6F);
        }
        check_links(m->links, row, want, lift);
        linked += want->links->count;
        cold_item_free(want);
    }
    assert_true(linked > 1000 && bare > 0);
    for (uint32_t a = 0; a < ITEMS; a++) {
        for (uint32_t b = 0; b < ITEMS && !untaken(a); b++) {
            float was = links_weight(raw->links, LINKS_CONTENT, a, b);
            float is = links_weight(m->links, LINKS_CONTENT, a, b);
            assert_true(untaken(b) || fabsf(was - is) < 1e-4F);
        }
    }
    coldstart_free(c);
    model_free(raw);
    model_free(m);
    dataset_free(k->d);
    mem_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untaken_items_are_placed_as_new_ones_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
