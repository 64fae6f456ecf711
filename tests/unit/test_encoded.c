/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that an encoder made belong to the text that they were made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four headers before it. */
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

/* A store of its own for each test, and what `waits` last found of an item. */
typedef struct encoded_state {
    char folder[TEMP_PATH_MAX];
    store *store;
    uint64_t updated;
    size_t features;
    float vector[WIDTH]; /* the first feature's numbers */
} encoded_state;

static int open_state(void **state)
{
    encoded_state *x = test_calloc(1, sizeof *x);
    temp_folder(x->folder);
    x->store = open_store(x->folder);
    *state = x;
    return 0;
}

static int close_state(void **state)
{
    encoded_state *x = *state;
    store_close(x->store);
    temp_remove(x->folder);
    test_free(x);
    return 0;
}

/* put writes the item "a", with a vector if `vector` is not NULL. */
static void put(encoded_state *x, const char *title, const float *vector)
{
    uint32_t width = vector != NULL ? WIDTH : 0;
    assert_int_equal(
        apply_now(x->store, op_put_item(OP_ITEMS_PUT, "a", title, vector, width), NULL), ERR_OK);
}

/* answer applies the encoder's answer for an item. */
static err_code answer(encoded_state *x, const char *id, const char *title, uint32_t width)
{
    return apply_now(x->store, encoded(id, title, width), NULL);
}

/* waits tells whether the item "a" waits for the encoder. */
static bool waits(encoded_state *x)
{
    store_read *r = NULL;
    arena a;
    stored_item it;
    uint32_t row = 0;
    const feature *list = NULL;
    char text[ITEM_TEXT_BYTES_MAX];
    size_t length = 0;
    arena_init(&a, 1 << 20);
    assert_int_equal(store_read_begin(x->store, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("a"), &row, NULL), ERR_OK);
    assert_int_equal(item_get(r, row, &a, &it, NULL), ERR_OK);
    assert_int_equal(features_get(r, row, &a, &list, &x->features, NULL), ERR_OK);
    feature_origin origin = FEATURE_ABSENT;
    assert_int_equal(feature_origin_get(r, row, 0, &origin, NULL), ERR_OK);
    bool pending = item_text_pending(&it, origin, text, &length);
    x->updated = it.updated_seq;
    memset(x->vector, 0, sizeof x->vector);
    if (x->features > 0) {
        memcpy(x->vector, list[0].data, sizeof x->vector);
    }
    store_read_end(r);
    arena_fini(&a);
    return pending;
}

static void a_vector_is_taken_only_for_the_text_it_was_made_from(void **state)
{
    encoded_state *x = *state;
    put(x, "warm jacket", NULL);
    assert_true(waits(x));
    assert_int_equal(answer(x, "a", "another text", WIDTH), ERR_CONFLICT);
    assert_true(waits(x));
    assert_int_equal(x->features, 0);
    assert_int_equal(answer(x, "a", "warm jacket", WIDTH), ERR_OK);
    assert_false(waits(x));
    assert_int_equal(x->features, 1);
    assert_int_equal(x->updated, 1);
    put(x, "cold hat", NULL);
    assert_true(waits(x));
    assert_int_equal(answer(x, "a", "cold hat", WIDTH + 1), ERR_INVALID);
    assert_int_equal(answer(x, "gone", "cold hat", WIDTH), ERR_NOT_FOUND);
}

static void a_refused_text_waits_no_more_until_it_changes(void **state)
{
    encoded_state *x = *state;
    put(x, "bad", NULL);
    assert_int_equal(answer(x, "a", "bad", 0), ERR_OK);
    assert_false(waits(x));
    assert_int_equal(x->features, 0);
    put(x, "good", NULL);
    assert_true(waits(x));
}

static void a_text_that_goes_takes_its_vector_along(void **state)
{
    encoded_state *x = *state;
    put(x, "warm", NULL);
    assert_int_equal(answer(x, "a", "warm", WIDTH), ERR_OK);
    put(x, "", NULL);
    assert_true(waits(x));
    assert_int_equal(x->features, 1);
    assert_int_equal(answer(x, "a", "", 0), ERR_OK);
    assert_false(waits(x));
    assert_int_equal(x->features, 0);
}

static const float given[WIDTH] = {3, 2, 1};

static void a_given_vector_is_left_alone(void **state)
{
    encoded_state *x = *state;
    put(x, "warm", given);
    assert_false(waits(x));
    /* the encoder was asked before the vector was given */
    assert_int_equal(answer(x, "a", "warm", WIDTH), ERR_CONFLICT);
    assert_int_equal(answer(x, "a", "warm", 0), ERR_CONFLICT);
    assert_false(waits(x));
    assert_memory_equal(x->vector, given, sizeof given);
}

static void a_vector_given_after_an_encoded_one_stays_when_the_text_changes(void **state)
{
    encoded_state *x = *state;
    put(x, "warm", NULL);
    assert_int_equal(answer(x, "a", "warm", WIDTH), ERR_OK);
    put(x, "warm", given);
    put(x, "cold", NULL);
    assert_int_equal(answer(x, "a", "cold", WIDTH), ERR_CONFLICT);
    assert_false(waits(x));
    assert_memory_equal(x->vector, given, sizeof given);
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
        cmocka_unit_test_setup_teardown(a_vector_is_taken_only_for_the_text_it_was_made_from,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(a_refused_text_waits_no_more_until_it_changes, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(a_text_that_goes_takes_its_vector_along, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(a_given_vector_is_left_alone, open_state, close_state),
        cmocka_unit_test_setup_teardown(
            a_vector_given_after_an_encoded_one_stays_when_the_text_changes, open_state,
            close_state),
        cmocka_unit_test(its_op_is_read_back_and_checked),
        cmocka_unit_test(a_text_is_plain_bounded_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
