/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that an encoder made belong to the text that they were made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four headers before it */
#include <cmocka.h>

#include "storage/log/op.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"
#include "storage/records/items.h"
#include "tests/support/store_fixture.h"

enum { WIDTH = 3 };

/* encoded makes the op with one vector, or a refusal, for an item with this title. */
static op *encoded(const char *id, const char *title, uint32_t width)
{
    static const float vector[WIDTH + 1] = {1, 2, 3, 4};
    char text[ITEM_TEXT_BYTES_MAX];
    op *o = NULL;
    stored_item it = {.title = slice_of(title)};
    assert_int_equal(op_new(&o, OP_ITEMS_ENCODED, 1 << 16, NULL), ERR_OK);
    op_item *item = arena_alloc(&o->memory, 1, sizeof *item);
    feature *f = arena_alloc(&o->memory, 1, sizeof *f);
    *f = (feature){.modality = slice_of("text"),
                   .dtype = FEATURE_F4,
                   .width = width,
                   .data = width > 0 ? vector : NULL};
    *item = (op_item){.id = slice_of(id),
                      .text_hash = item_text_hash(text, item_text_write(&it, text)),
                      .features = f,
                      .feature_count = 1};
    o->items = item;
    o->count = 1;
    return o;
}

static bool waits(store *s, const char *id, uint64_t *updated, size_t *features)
{
    store_read *r = NULL;
    arena a;
    stored_item it;
    uint32_t row = 0;
    const feature *list = NULL;
    char text[ITEM_TEXT_BYTES_MAX];
    size_t length = 0;
    arena_init(&a, 1 << 20);
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of(id), &row, NULL), ERR_OK);
    assert_int_equal(item_get(r, row, &a, &it, NULL), ERR_OK);
    assert_int_equal(features_get(r, row, &a, &list, features, NULL), ERR_OK);
    feature_origin origin = FEATURE_ABSENT;
    assert_int_equal(feature_origin_get(r, row, 0, &origin, NULL), ERR_OK);
    bool pending = item_text_pending(&it, origin, text, &length);
    *updated = it.updated_seq;
    store_read_end(r);
    arena_fini(&a);
    return pending;
}

static void a_vector_is_taken_only_for_the_text_it_was_made_from(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    uint64_t updated = 0;
    size_t features = 0;
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "warm jacket", NULL, 0), NULL),
                     ERR_OK);
    assert_true(waits(s, "a", &updated, &features));
    assert_int_equal(apply_now(s, encoded("a", "another text", WIDTH), NULL), ERR_CONFLICT);
    assert_true(waits(s, "a", &updated, &features));
    assert_int_equal(features, 0);
    assert_int_equal(apply_now(s, encoded("a", "warm jacket", WIDTH), NULL), ERR_OK);
    assert_false(waits(s, "a", &updated, &features));
    assert_int_equal(features, 1);
    assert_int_equal(updated, 1);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "cold hat", NULL, 0), NULL),
                     ERR_OK);
    assert_true(waits(s, "a", &updated, &features));
    assert_int_equal(apply_now(s, encoded("a", "cold hat", WIDTH + 1), NULL), ERR_INVALID);
    assert_int_equal(apply_now(s, encoded("gone", "cold hat", WIDTH), NULL), ERR_NOT_FOUND);
    store_close(s);
    temp_remove(folder);
}

static void a_refused_text_waits_no_more_until_it_changes(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    uint64_t updated = 0;
    size_t features = 0;
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "bad", NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(s, encoded("a", "bad", 0), NULL), ERR_OK);
    assert_false(waits(s, "a", &updated, &features));
    assert_int_equal(features, 0);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "good", NULL, 0), NULL), ERR_OK);
    assert_true(waits(s, "a", &updated, &features));
    store_close(s);
    temp_remove(folder);
}

static void a_text_that_goes_takes_its_vector_along(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    uint64_t updated = 0;
    size_t features = 0;
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "warm", NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(s, encoded("a", "warm", WIDTH), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "", NULL, 0), NULL), ERR_OK);
    assert_true(waits(s, "a", &updated, &features));
    assert_int_equal(features, 1);
    assert_int_equal(apply_now(s, encoded("a", "", 0), NULL), ERR_OK);
    assert_false(waits(s, "a", &updated, &features));
    assert_int_equal(features, 0);
    store_close(s);
    temp_remove(folder);
}

static void a_given_vector_is_left_alone(void **state)
{
    (void)state;
    static const float given[WIDTH] = {3, 2, 1};
    char folder[TEMP_PATH_MAX];
    uint64_t updated = 0;
    size_t features = 0;
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "warm", given, WIDTH), NULL),
                     ERR_OK);
    assert_false(waits(s, "a", &updated, &features));
    /* the encoder was asked before the vector was given */
    assert_int_equal(apply_now(s, encoded("a", "warm", WIDTH), NULL), ERR_CONFLICT);
    assert_int_equal(apply_now(s, encoded("a", "warm", 0), NULL), ERR_CONFLICT);
    assert_false(waits(s, "a", &updated, &features));
    assert_int_equal(features, 1);
    store_close(s);
    temp_remove(folder);
}

static void a_vector_given_after_an_encoded_one_stays_when_the_text_changes(void **state)
{
    (void)state;
    static const float given[WIDTH] = {3, 2, 1};
    char folder[TEMP_PATH_MAX];
    uint64_t updated = 0;
    size_t features = 0;
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "warm", NULL, 0), NULL), ERR_OK);
    assert_int_equal(apply_now(s, encoded("a", "warm", WIDTH), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "warm", given, WIDTH), NULL),
                     ERR_OK);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", "cold", NULL, 0), NULL), ERR_OK);
    assert_false(waits(s, "a", &updated, &features));
    assert_int_equal(apply_now(s, encoded("a", "cold", WIDTH), NULL), ERR_CONFLICT);
    assert_int_equal(features, 1);
    store_close(s);
    temp_remove(folder);
}

static void its_op_is_read_back_and_checked(void **state)
{
    (void)state;
    arena a;
    slice bytes;
    err e = ERR_INIT;
    op *o = encoded("a", "warm", WIDTH), *back = NULL;
    arena_init(&a, 1 << 20);
    assert_int_equal(op_encode(o, &a, &bytes, NULL), ERR_OK);
    assert_int_equal(op_decode(&back, bytes, NULL), ERR_OK);
    assert_int_equal(back->kind, OP_ITEMS_ENCODED);
    assert_true(back->items[0].text_hash == o->items[0].text_hash);
    assert_int_equal(back->items[0].features[0].width, WIDTH);
    assert_memory_equal(back->items[0].features[0].data, o->items[0].features[0].data,
                        WIDTH * sizeof(float));
    op_free(back);
    ((op_item *)o->items)->text_hash = 0;
    assert_int_equal(op_check(o, &e), ERR_INVALID);
    op_free(o);
    arena_fini(&a);
}

static void a_text_is_plain_bounded_and_whole(void **state)
{
    (void)state;
    char out[ITEM_TEXT_BYTES_MAX];
    slice category = slice_of("Jackets");
    attribute brand = {.name = slice_of("brand"), .kind = ATTRIBUTE_TEXT, .text = slice_of("Fell")};
    stored_item it = {.title = slice_of("Warm  <b>jacket</b>"),
                      .description = slice_of("<p>Fish &amp; caf\xC3\xA9\n</p>"),
                      .categories = &category,
                      .category_count = 1,
                      .attributes = &brand,
                      .attribute_count = 1};
    size_t length = item_text_write(&it, out);
    assert_true(slice_equal((slice){out, length},
                            slice_of("Warm jacket\nFish & caf\xC3\xA9\nJackets\nFell")));
    static char large[3 * 20000];
    for (size_t i = 0; i < sizeof large; i += 3) {
        memcpy(large + i, "\xE5\x86\xAC", 3);
    }
    it = (stored_item){.description = {large, sizeof large}};
    length = item_text_write(&it, out);
    assert_true(length <= ITEM_TEXT_BYTES_MAX && length > ITEM_TEXT_BYTES_MAX - 3);
    assert_int_equal(length % 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_is_taken_only_for_the_text_it_was_made_from),
        cmocka_unit_test(a_refused_text_waits_no_more_until_it_changes),
        cmocka_unit_test(a_text_that_goes_takes_its_vector_along),
        cmocka_unit_test(a_given_vector_is_left_alone),
        cmocka_unit_test(a_vector_given_after_an_encoded_one_stays_when_the_text_changes),
        cmocka_unit_test(its_op_is_read_back_and_checked),
        cmocka_unit_test(a_text_is_plain_bounded_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
