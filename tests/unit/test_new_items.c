/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items that training has not seen: placed by their features, moved by their first buyers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/serve/state/base_tables.h"
#include "core/serve/state/coldstart_fit.h"
#include "core/serve/state/view_tables.h"
#include "core/serve/update/propagate.h"
#include "tests/support/shop.h"

/* An item posted now is in the delta and findable, has neighbours, and its vector is limited in
 * length. */
static void a_new_item_is_placed_from_whatever_features_it_has(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 30, NULL);
    shop *s = f.shop;
    const view *v = f.hold.view;
    float x[SHOP_TEXT] = {3, -1, 2};
    feature text = {
        .modality = slice_of("text"), .dtype = FEATURE_F4, .width = SHOP_TEXT, .data = x};
    feature odd = {.modality = slice_of("sound"), .dtype = FEATURE_F4, .width = 3, .data = x};
    feature wide = {.modality = slice_of("text"), .dtype = FEATURE_F4, .width = 5, .data = x};
    cold_item *cold = NULL;
    assert_int_equal(coldstart_prepare(&cold, v, (feature[]){text, odd}, 2, NULL), ERR_OK);
    assert_int_equal(cold->used, 1);
    assert_int_equal(cold->missing, 2);
    assert_true(cold->neighbour_count > 0);
    assert_int_equal(cold->generation, 1);
    for (size_t i = 1; i < cold->neighbour_count; i++) {
        assert_true(cold->neighbours[i].similarity <= cold->neighbours[i - 1].similarity);
    }
    cold_item_free(cold);
    assert_int_equal(coldstart_prepare(&cold, v, &odd, 1, NULL), ERR_OK);
    assert_int_equal(cold->used, 0);
    cold_item_free(cold);
    err e = ERR_INIT;
    assert_int_equal(coldstart_prepare(&cold, v, &wide, 1, &e), ERR_INVALID);
    assert_string_equal(e.text, "features.text: expected 12 numbers, not 5");
    assert_null(cold);
    for (size_t j = 0; j < SHOP_TEXT; j++) {
        x[j] = 1e6F;
    }
    assert_int_equal(coldstart_prepare(&cold, v, &text, 1, NULL), ERR_OK);
    double largest = 0, norm = 0;
    for (size_t i = 0; i < v->base->trained; i++) {
        double square = 0;
        for (size_t j = 0; j < SHOP_DIM; j++) {
            square += pow((double)v->base->embeddings[i * SHOP_DIM + j], 2);
        }
        largest = fmax(largest, square);
    }
    for (size_t j = 0; j < SHOP_DIM; j++) {
        norm += pow((double)cold->embedding[j], 2);
    }
    assert_true(norm <= largest * 1.0001);
    cold_item_free(cold);
    (void)s;
    fixture_close(&f);
}

static float links_of(const later_list *list, uint32_t target)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->entries[i].target == target) {
            return list->entries[i].weight;
        }
    }
    return 0;
}

/* With the features as given, an item's twin is its first neighbour by each of them. Users who have
 * the twin see the new item rise by the affinity, which counts as multimodal. */
static void a_new_items_twin_is_its_first_neighbour_and_its_owners_see_it_rise(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 35, &shop_plain);
    shop *s = f.shop;
    size_t items = s->item_rows;
    float *text = mem_array(items * SHOP_TEXT, sizeof *text);
    for (size_t i = 0; i < items; i++) {
        for (size_t j = 0; j < SHOP_TEXT; j++) {
            text[i * SHOP_TEXT + j] = s->items[i].has_text ? s->items[i].text[j] : NAN;
        }
    }
    feature_table table = {text, items, SHOP_TEXT};
    feature_source source = feature_source_table("text", &table, 5);
    base_options options = {.generation = 2, .sources = &source, .source_count = 1};
    base *b = NULL;
    assert_int_equal(base_new(&b, shop_model(s, 2), &options, NULL), ERR_OK);
    live_release(s->live, &f.hold);
    assert_int_equal(live_activate(s->live, b, ++s->seq, NULL), ERR_OK);
    uint32_t twin = 0, item = shop_add_item(s);
    while (!s->items[twin].exists || !s->items[twin].has_text) {
        twin++;
    }
    s->items[item] = s->items[twin];
    s->items[item].hidden = s->items[item].has_image = false;
    shop_put_item(s, item, true);
    live_acquire(s->live, &f.hold);
    const later_list *list = view_later_list(f.hold.view, item);
    assert_non_null(list);
    for (size_t i = 0; i < list->count; i++) {
        bool is_twin = list->entries[i].target == twin;
        assert_true(i == 0 || list->entries[i].target > list->entries[i - 1].target);
        assert_true(list->entries[i].weight < 5.0F / 6 + 1e-5F);
        assert_true(!is_twin || list->entries[i].weight > 5.0F / 6 - 1e-5F);
    }
    assert_true(links_of(list, twin) > 0);
    uint32_t owner = 0;
    while (!s->users[owner].exists || s->users[owner].edge_count == SHOP_EDGES_MAX) {
        owner++;
    }
    recommend_query q = RECOMMEND_QUERY_INIT;
    q.user = owner;
    q.k = 1000;
    q.include_seen = q.explain = true;
    float multimodal[2] = {0, 0}, scores[2] = {0, 0};
    for (int n = 0; n < 2; n++) {
        recommend_result got;
        session_item session = {twin, 1};
        q.session = &session;
        q.session_count = n == 1 ? 1 : 0;
        assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
        for (size_t i = 0; i < got.count; i++) {
            if (got.hits[i].row == item) {
                float h[SHOP_DIM], user[SHOP_DIM], plain_score = 0;
                assert_true(view_item_vector(f.hold.view, item, h));
                assert_true(recommend_user_vector(f.hold.view, owner, q.session, q.session_count,
                                                  f.scratch, user));
                for (size_t j = 0; j < SHOP_DIM; j++) {
                    plain_score += h[j] * user[j];
                }
                scores[n] = got.hits[i].score - plain_score;
                multimodal[n] = got.hits[i].multimodal;
                break;
            }
        }
    }
    assert_true(scores[1] > scores[0] + 1e-3F);
    assert_true(multimodal[1] > multimodal[0]);
    mem_free(text);
    fixture_close(&f);
}

/* alike is the cosine of two items' features by one modality, 0 if one of them lacks it. */
static double alike(const float *x, const float *y, size_t width)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t j = 0; j < width; j++) {
        xy += (double)x[j] * (double)y[j];
        xx += (double)x[j] * (double)x[j];
        yy += (double)y[j] * (double)y[j];
    }
    return xx > 0 && yy > 0 ? fmax(xy / sqrt(xx * yy), 0) : 0;
}

/* mapped is x' W y of two items' features, a missing modality being zeros. */
static double mapped(const content_map *map, const shop_item *x, const shop_item *y)
{
    enum { WIDTH = SHOP_TEXT + SHOP_IMAGE };
    float unit[2][WIDTH] = {{0}};
    const shop_item *sides[] = {x, y};
    for (int n = 0; n < 2; n++) {
        if (sides[n]->has_text) {
            (void)content_fold(sides[n]->text, SHOP_TEXT, unit[n], SHOP_TEXT);
        }
        if (sides[n]->has_image) {
            (void)content_fold(sides[n]->image, SHOP_IMAGE, unit[n] + SHOP_TEXT, SHOP_IMAGE);
        }
    }
    double sum = 0;
    for (size_t a = 0; a < WIDTH; a++) {
        for (size_t b = 0; b < WIDTH; b++) {
            sum += (double)unit[0][a] * (double)map->w[a * WIDTH + b] * (double)unit[1][b];
        }
    }
    return fmax(sum, 0);
}

/* check_links asserts that every trained item that is more similar to the new one than the weakest
 * link has a link, with the weight by its features. Only the error of the codes can cause
 * exceptions. */
static void check_links(const shop *s, const cold_item *cold, const shop_item *made,
                        const coldstart *c)
{
    double weakest = cold->links->count == COLD_LINKS_MAX ? INFINITY : 0;
    for (size_t n = 0; n < cold->links->count; n++) {
        weakest = fmin(weakest, (double)cold->links->entries[n].weight);
    }
    assert_true(cold->links->count > 0);
    for (size_t i = 0, at = 0; i < c->items; i++) {
        const shop_item *other = &s->items[i];
        double text = other->has_text ? alike(made->text, other->text, SHOP_TEXT) : 0;
        bool images = made->has_image && other->has_image;
        double image = images ? alike(made->image, other->image, SHOP_IMAGE) : 0;
        double weight = (double)c->weight[0] * text * text + (double)c->weight[1] * image * image;
        weight += c->fitting != NULL ? mapped(c->fitting, other, made) : 0;
        if (at < cold->links->count && cold->links->entries[at].target == i) {
            assert_true(fabs((double)cold->links->entries[at].weight - weight) < 1e-5);
            at++;
        } else {
            assert_true(weight < weakest + 0.03);
        }
    }
}

/* random_map gives the model a map with the widths of the shop's features. */
static void random_map(shop *s, model *m)
{
    enum { WIDTH = SHOP_TEXT + SHOP_IMAGE };
    m->map = mem_array(1, sizeof *m->map);
    *m->map = (content_map){WIDTH, mem_table(WIDTH * WIDTH, sizeof(float))};
    for (size_t i = 0; i < WIDTH * WIDTH; i++) {
        m->map->w[i] = 0.3F * (float)rng_normal(&s->random);
    }
    m->links->choice.beta[LINKS_CONTENT] = 0.2F;
}

/* check_together asserts that items that are prepared together get the same result as each alone,
 * and that their links are those that brute force finds. */
static void check_together(bool with_map)
{
    fixture f;
    fixture_open(&f, 36, &shop_plain);
    shop *s = f.shop;
    s->linked = with_map;
    while (s->item_rows < SHOP_ITEMS_MAX) {
        (void)shop_add_item(s);
    }
    size_t items = s->item_rows;
    float *text = mem_array(items * SHOP_TEXT, sizeof *text);
    float *image = mem_array(items * SHOP_IMAGE, sizeof *image);
    for (size_t i = 0; i < items; i++) {
        for (size_t j = 0; j < SHOP_TEXT; j++) {
            text[i * SHOP_TEXT + j] = s->items[i].has_text ? s->items[i].text[j] : NAN;
        }
        for (size_t j = 0; j < SHOP_IMAGE; j++) {
            image[i * SHOP_IMAGE + j] = s->items[i].has_image ? s->items[i].image[j] : NAN;
        }
    }
    feature_table tables[] = {{text, items, SHOP_TEXT}, {image, items, SHOP_IMAGE}};
    feature_source sources[] = {feature_source_table("text", &tables[0], 5),
                                feature_source_table("image", &tables[1], 1)};
    base_options options = {.generation = 2, .sources = sources, .source_count = 2};
    base *b = NULL;
    model *m = shop_model(s, 2);
    if (with_map) {
        random_map(s, m);
    }
    assert_int_equal(base_new(&b, m, &options, NULL), ERR_OK);
    assert_int_equal(b->shared->cold->fitting != NULL, with_map);
    enum { MADE = COLD_BATCH + 9 };
    shop_item made[MADE];
    feature features[MADE][2];
    cold_request requests[MADE];
    for (size_t i = 0; i < MADE; i++) {
        made[i] = s->items[i];
        made[i].has_text = true;
        made[i].has_image = i % 3 != 0;
        for (size_t j = 0; j < SHOP_TEXT; j++) {
            made[i].text[j] = (float)rng_normal(&s->random);
        }
        for (size_t j = 0; j < SHOP_IMAGE; j++) {
            made[i].image[j] = (float)rng_normal(&s->random);
        }
        features[i][0] = (feature){.modality = slice_of("text"),
                                   .dtype = FEATURE_F4,
                                   .width = SHOP_TEXT,
                                   .data = made[i].text};
        features[i][1] = (feature){.modality = slice_of("image"),
                                   .dtype = FEATURE_F4,
                                   .width = SHOP_IMAGE,
                                   .data = made[i].image};
        requests[i] = (cold_request){features[i], made[i].has_image ? 2 : 1, NULL};
    }
    const coldstart *c = b->shared->cold;
    assert_int_equal(coldstart_embed_many(requests, MADE, c, NULL), ERR_OK);
    for (size_t i = 0; i < MADE; i++) {
        cold_item *alone = NULL, *one = requests[i].item;
        check_links(s, one, &made[i], c);
        assert_int_equal(coldstart_embed(&alone, c, features[i], requests[i].count, NULL), ERR_OK);
        assert_int_equal(alone->links->count, one->links->count);
        assert_memory_equal(alone->links->entries, one->links->entries,
                            one->links->count * sizeof one->links->entries[0]);
        assert_memory_equal(alone->embedding, one->embedding, SHOP_DIM * sizeof *one->embedding);
        assert_int_equal(alone->neighbour_count, one->neighbour_count);
        assert_memory_equal(alone->neighbours, one->neighbours,
                            one->neighbour_count * sizeof *one->neighbours);
        cold_item_free(alone);
        cold_item_free(one);
    }
    base_release(b);
    mem_free(text);
    mem_free(image);
    fixture_close(&f);
}

static void the_links_of_items_posted_together_are_those_of_their_features(void **state)
{
    (void)state;
    check_together(false);
}

static void a_map_between_features_adds_to_the_links(void **state)
{
    (void)state;
    check_together(true);
}

/* A vector prepared at admission is used unless the item has more features, or the generation is
 * another one. */
static void a_prepared_vector_is_used_only_if_it_is_the_items_own(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 34, NULL);
    shop *s = f.shop;
    uint32_t row = shop_add_item(s);
    s->items[row].has_text = s->items[row].has_image = true;
    shop_change_room room;
    change c = shop_item_change(s, row, true, &room);
    cold_item *whole = NULL, *half = NULL;
    live_release(s->live, &f.hold);
    live_acquire(s->live, &f.hold);
    assert_int_equal(coldstart_prepare(&whole, f.hold.view, room.features, 2, NULL), ERR_OK);
    assert_int_equal(coldstart_prepare(&half, f.hold.view, room.features, 1, NULL), ERR_OK);
    whole->embedding[0] += 7; /* to see which vector was used */
    const cold_item *tried[] = {whole, half, whole};
    for (int n = 0; n < 3; n++) {
        whole->generation = n == 2 ? 99 : 1;
        room.item.prepared = tried[n];
        change_list list = {&c, 1, ++s->seq};
        assert_int_equal(live_apply(s->live, &list, NULL), ERR_OK);
        live_release(s->live, &f.hold);
        live_acquire(s->live, &f.hold);
        const float *embedding = view_vector(f.hold.view, row, VECTOR_E);
        assert_true(fabsf(embedding[0] - whole->embedding[0] + (n == 0 ? 0 : 7)) < 1e-5F);
    }
    cold_item_free(whole);
    cold_item_free(half);
    fixture_close(&f);
}

/* The first view that shows a prepared list holds it. A reader may still see that view when the
 * same item is placed again, so the later view has a copy with a serial of its own. */
static void a_prepared_list_is_held_by_one_view_and_copied_for_the_next(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 34, NULL);
    shop *s = f.shop;
    uint32_t row = shop_add_item(s);
    s->items[row].has_text = s->items[row].has_image = true;
    shop_change_room room;
    change c = shop_item_change(s, row, true, &room);
    cold_item *cold = NULL;
    assert_int_equal(coldstart_prepare(&cold, f.hold.view, room.features, 2, NULL), ERR_OK);
    const later_list *seen[2];
    live_hold holds[2];
    for (int n = 0; n < 2; n++) {
        room.item.prepared = cold;
        change_list list = {&c, 1, ++s->seq};
        assert_int_equal(live_apply(s->live, &list, NULL), ERR_OK);
        live_acquire(s->live, &holds[n]);
        seen[n] = view_later_list(holds[n].view, row);
    }
    assert_ptr_equal(seen[0], cold->links);
    assert_ptr_not_equal(seen[1], seen[0]);
    cold_item_free(cold);
    assert_true(seen[0]->count > 0 && seen[0]->serial > 0 && seen[1]->serial > seen[0]->serial);
    assert_int_equal(seen[1]->count, seen[0]->count);
    assert_memory_equal(seen[1]->entries, seen[0]->entries,
                        seen[0]->count * sizeof seen[0]->entries[0]);
    live_release(s->live, &holds[0]);
    live_release(s->live, &holds[1]);
    fixture_close(&f);
}

/* A file or an older store can contain numbers whose squares overflow. */
static void features_too_large_to_measure_count_as_missing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 36, NULL);
    shop *s = f.shop;
    uint32_t row = shop_add_item(s);
    shop_item *item = &s->items[row];
    item->hidden = false;
    item->has_text = item->has_image = true;
    for (size_t j = 0; j < SHOP_TEXT; j++) {
        item->text[j] = j % 2 == 0 ? 3e38F : -3e38F;
    }
    shop_change_room room;
    (void)shop_item_change(s, row, true, &room);
    live_release(s->live, &f.hold);
    live_acquire(s->live, &f.hold);
    cold_item *cold = NULL;
    assert_int_equal(coldstart_prepare(&cold, f.hold.view, room.features, 2, NULL), ERR_OK);
    assert_int_equal(cold->used, 2);
    assert_int_equal(cold->missing, 1);
    for (size_t j = 0; j < SHOP_DIM; j++) {
        assert_true(isfinite(cold->embedding[j]));
    }
    cold_item_free(cold);
    assert_int_equal(coldstart_prepare(&cold, f.hold.view, &room.features[1], 1, NULL), ERR_OK);
    assert_int_equal(cold->used, 0);
    cold_item_free(cold);
    fixture_close(&f);
}

/* Whatever the reason: it would spoil every row that is summed with it. */
static void a_row_that_is_not_finite_is_never_placed(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 37, NULL);
    shop *s = f.shop;
    uint32_t row = shop_add_item(s);
    s->items[row].has_text = s->items[row].has_image = true;
    shop_change_room room;
    change c = shop_item_change(s, row, true, &room);
    cold_item *cold = NULL;
    float vector[SHOP_DIM];
    live_release(s->live, &f.hold);
    live_acquire(s->live, &f.hold);
    assert_int_equal(coldstart_prepare(&cold, f.hold.view, room.features, 2, NULL), ERR_OK);
    cold->embedding[3] = NAN;
    room.item.prepared = cold;
    change_list list = {&c, 1, ++s->seq};
    assert_int_equal(live_apply(s->live, &list, NULL), ERR_OK);
    live_release(s->live, &f.hold);
    live_acquire(s->live, &f.hold);
    assert_false(view_item_vector(f.hold.view, row, vector));
    cold_item_free(cold);
    fixture_close(&f);
}

static void features_that_change_after_training_do_not_move_what_was_learnt(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 31, NULL);
    shop *s = f.shop;
    uint32_t row = 0;
    float before[SHOP_DIM], after[SHOP_DIM];
    while (!s->items[row].exists || !view_item_vector(f.hold.view, row, before)) {
        row++;
    }
    live_release(s->live, &f.hold);
    for (size_t j = 0; j < SHOP_TEXT; j++) {
        s->items[row].text[j] += 5;
    }
    s->items[row].has_text = true;
    shop_put_item(s, row, true);
    live_acquire(s->live, &f.hold);
    assert_true(view_item_vector(f.hold.view, row, after));
    assert_memory_equal(before, after, sizeof before);
    fixture_close(&f);
}

static size_t place_in_list(const fixture *f, uint32_t user, uint32_t item)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    q.user = user;
    q.k = 1000;
    q.include_seen = true;
    assert_int_equal(recommend(f->hold.view, &q, f->scratch, &got, NULL), ERR_OK);
    for (size_t i = 0; i < got.count; i++) {
        if (got.hits[i].row == item) {
            return got.hits[i].popular ? SIZE_MAX : i;
        }
    }
    return SIZE_MAX;
}

/* Its buyers get it first, and the result of the write is close to that of the background run. */
static void an_item_without_features_is_personal_after_its_first_interactions(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 33, &shop_plain);
    shop *s = f.shop;
    live_release(s->live, &f.hold);
    uint32_t item = shop_add_item(s);
    s->items[item].hidden = s->items[item].has_text = s->items[item].has_image = false;
    shop_put_item(s, item, true);
    live_acquire(s->live, &f.hold);
    assert_int_equal(place_in_list(&f, 0, item), SIZE_MAX);
    for (uint32_t user = 0; user < 3; user++) {
        live_release(s->live, &f.hold);
        size_t edges = s->users[user].edge_count;
        shop_edge(s, user, item, 0);
        assert_int_equal(s->users[user].edge_count, edges + 1);
        live_acquire(s->live, &f.hold);
    }
    float touched[SHOP_DIM], exact[SHOP_DIM];
    assert_true(view_item_vector(f.hold.view, item, touched));
    double sum = 0;
    for (uint32_t user = 0; user < 3; user++) {
        size_t place = place_in_list(&f, user, item);
        assert_true(place < s->item_rows);
        sum += (double)place;
    }
    print_message("mean place %.0f of %zu\n", sum / 3, s->item_rows);
    assert_true(sum / 3 < 0.4 * (double)s->item_rows);
    propagate_options once = {.threads = 1};
    base *b = NULL;
    bool swapped = false;
    assert_int_equal(propagate_run(&b, f.hold.view, &once, NULL), ERR_OK);
    live_release(s->live, &f.hold);
    assert_int_equal(live_swap(s->live, b, &swapped, NULL), ERR_OK);
    live_acquire(s->live, &f.hold);
    assert_true(view_item_vector(f.hold.view, item, exact));
    double dot = 0, one = 0, other = 0;
    for (size_t j = 0; j < SHOP_DIM; j++) {
        dot += (double)touched[j] * (double)exact[j];
        one += (double)touched[j] * (double)touched[j];
        other += (double)exact[j] * (double)exact[j];
    }
    print_message("touched against exact: cosine %.3f, lengths %.3f %.3f\n",
                  dot / sqrt(one * other), sqrt(one), sqrt(other));
    assert_true(dot / sqrt(one * other) > 0.8);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_item_is_placed_from_whatever_features_it_has),
        cmocka_unit_test(a_new_items_twin_is_its_first_neighbour_and_its_owners_see_it_rise),
        cmocka_unit_test(the_links_of_items_posted_together_are_those_of_their_features),
        cmocka_unit_test(a_map_between_features_adds_to_the_links),
        cmocka_unit_test(a_prepared_vector_is_used_only_if_it_is_the_items_own),
        cmocka_unit_test(a_prepared_list_is_held_by_one_view_and_copied_for_the_next),
        cmocka_unit_test(features_too_large_to_measure_count_as_missing),
        cmocka_unit_test(a_row_that_is_not_finite_is_never_placed),
        cmocka_unit_test(features_that_change_after_training_do_not_move_what_was_learnt),
        cmocka_unit_test(an_item_without_features_is_personal_after_its_first_interactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
