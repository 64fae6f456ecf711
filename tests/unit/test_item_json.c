/* SPDX-License-Identifier: Apache-2.0 */
/* item_json and interaction_json: every problem is reported with its pointer; nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "storage/exchange/interaction_json.h"
#include "storage/exchange/item_json.h"

enum { NOW = 1700000000 };

static arena memory;
static char told[4096];

static void note(void *ctx, const char *pointer, const char *detail)
{
    (void)ctx;
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s=%s|", pointer, detail);
}

static err_code read_item(const char *text, item_json_mode mode, const char *id, op_item *out)
{
    json_error_t why;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (document == NULL) {
        fail_msg("%s: %s", text, why.text);
    }
    arena_reset(&memory);
    told[0] = '\0';
    item_json_options how = {
        .mode = mode, .id = slice_of(id), .now = NOW, .memory = &memory, .report = note};
    err_code code = item_json_read(document, &how, out, NULL);
    json_decref(document);
    return code;
}

static void expect(slice got, const char *text)
{
    assert_int_equal(got.length, strlen(text));
    assert_memory_equal(got.at, text, got.length);
}

static void a_whole_item_is_read(void **state)
{
    (void)state;
    op_item it;
    assert_int_equal(
        read_item("{\"id\":\"sku-1\",\"title\":\"Tent\",\"categories\":[\"a\",\"b\",\"a\"],"
                  "\"attributes\":{\"price\":9.5,\"brand\":\"X\",\"new\":true,\"tags\":[\"t\"],"
                  "\"n\":3},\"created\":\"2023-01-01T00:00:00Z\",\"hidden\":true,"
                  "\"features\":{\"text\":[1,0.5],\"image\":{\"dtype\":\"<f2\",\"b64\":\"ADwAwA==\""
                  "},\"audio\":null}}",
                  ITEM_JSON_PUT, NULL, &it),
        ERR_OK);
    expect(it.id, "sku-1");
    expect(it.title, "Tent");
    assert_int_equal(it.category_count, 2);
    assert_int_equal(it.attribute_count, 5);
    assert_int_equal(it.created, 1672531200);
    assert_true(it.hidden);
    assert_int_equal(it.given, OP_TITLE | OP_CATEGORIES | OP_ATTRIBUTES | OP_CREATED | OP_HIDDEN |
                                   OP_FEATURES);
    assert_int_equal(it.feature_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const feature *f = &it.features[i];
        if (slice_equal(f->modality, slice_of("text"))) {
            const float want[2] = {1.0F, 0.5F};
            assert_int_equal(f->dtype, FEATURE_F4);
            assert_memory_equal(f->data, want, sizeof want);
        } else if (slice_equal(f->modality, slice_of("image"))) {
            assert_int_equal(f->dtype, FEATURE_F2);
            assert_int_equal(f->width, 2);
            assert_memory_equal(f->data, "\x00\x3c\x00\xc0", 4);
        } else {
            assert_null(f->data);
        }
    }
}

static void a_path_gives_the_id_and_the_document_may_repeat_it(void **state)
{
    (void)state;
    op_item it;
    assert_int_equal(read_item("{}", ITEM_JSON_PUT, "a/b", &it), ERR_OK);
    expect(it.id, "a/b");
    assert_int_equal(read_item("{\"id\":\"a/b\"}", ITEM_JSON_PUT, "a/b", &it), ERR_OK);
    assert_int_equal(read_item("{\"id\":\"c\"}", ITEM_JSON_PUT, "a/b", &it), ERR_INVALID);
    assert_string_equal(told, "/id=differs from the id in the path|");
}

static void null_in_a_whole_item_is_the_same_as_no_such_member(void **state)
{
    (void)state;
    op_item it;
    assert_int_equal(read_item("{\"id\":\"x\",\"title\":null,\"description\":null,\"created\":null,"
                               "\"categories\":null,\"attributes\":null,\"hidden\":null}",
                               ITEM_JSON_PUT, NULL, &it),
                     ERR_OK);
    assert_int_equal(it.given, 0);
    assert_int_equal(read_item("{\"id\":\"x\",\"attributes\":{\"a\":null,\"b\":1,\"c\":null},"
                               "\"features\":null}",
                               ITEM_JSON_PUT, NULL, &it),
                     ERR_OK);
    assert_int_equal(it.given, OP_ATTRIBUTES | OP_NO_FEATURES);
    assert_int_equal(it.attribute_count, 1);
    expect(it.attributes[0].name, "b");
    assert_int_equal(read_item("{\"id\":null}", ITEM_JSON_PUT, NULL, &it), ERR_INVALID);
}

static void a_patch_removes_by_null(void **state)
{
    (void)state;
    op_item it;
    assert_int_equal(read_item("{\"title\":null,\"categories\":null,\"attributes\":{\"a\":null},"
                               "\"hidden\":null,\"features\":null}",
                               ITEM_JSON_PATCH, "x", &it),
                     ERR_OK);
    assert_null(it.title.at);
    assert_int_equal(it.category_count, 0);
    assert_int_equal(it.attributes[0].kind, ATTRIBUTE_REMOVED);
    assert_false(it.hidden);
    assert_int_equal(it.given,
                     OP_TITLE | OP_CATEGORIES | OP_ATTRIBUTES | OP_HIDDEN | OP_NO_FEATURES);
    assert_int_equal(read_item("{\"attributes\":null}", ITEM_JSON_PATCH, "x", &it), ERR_OK);
    assert_int_equal(it.given, OP_NO_ATTRIBUTES);
}

static void every_problem_is_told_with_its_pointer(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[]", "=expected an object, not a list|"},
        {"{}", "/id=missing|"},
        {"{\"id\":\"\"}", "/id=expected 1 to 256 bytes, not 0|"},
        {"{\"id\":7}", "/id=expected a string, not a number|"},
        {"{\"id\":\"x\",\"titel\":\"y\"}", "/titel=unknown member"},
        {"{\"id\":\"x\",\"a/b~c\":1}", "/a~1b~0c=unknown member"},
        {"{\"id\":\"x\",\"title\":[null]}", "/title=expected a string, not a list|"},
        {"{\"id\":\"x\",\"categories\":\"a\"}", "/categories=expected a list of strings"},
        {"{\"id\":\"x\",\"categories\":[\"a\",1,\"\"]}",
         "/categories/1=expected a string, not a number|/categories/2=expected 1 to 256 bytes"},
        {"{\"id\":\"x\",\"attributes\":{\"a\":{}}}", "/attributes/a=expected a string, a number"},
        {"{\"id\":\"x\",\"attributes\":{\"a\":{}}}", "/attributes/a=expected a string, a number"},
        {"{\"id\":\"x\",\"attributes\":{\"a\":[1]}}", "/attributes/a/0=expected a string"},
        {"{\"id\":\"x\",\"attributes\":{\"ean\":9007199254740993}}",
         "/attributes/ean=expected a whole number up to 9007199254740992, not 9007199254740993: "
         "use a"},
        {"{\"id\":\"x\",\"attributes\":{\"a\":9007199254740992,\"b\":-9007199254740993}}",
         "/attributes/b=expected a whole number up to"},
        {"{\"id\":\"x\",\"attributes\":{\"\":1}}", "/attributes/=expected a name of 1 to 128"},
        {"{\"id\":\"x\",\"attributes\":[]}", "/attributes=expected an object, not a list|"},
        {"{\"id\":\"x\",\"created\":true}", "/created=expected RFC 3339 or epoch seconds"},
        {"{\"id\":\"x\",\"created\":\"soon\"}", "/created=expected RFC 3339"},
        {"{\"id\":\"x\",\"created\":1700000000000}", "/created=1700000000000 looks like milli"},
        {"{\"id\":\"x\",\"created\":1700086401}", "more than a day ahead"},
        {"{\"id\":\"x\",\"hidden\":1}", "/hidden=expected true or false, not a number|"},
        {"{\"id\":\"x\",\"features\":[]}", "/features=expected an object, not a list|"},
        {"{\"id\":\"x\",\"features\":{\"t\":[]}}",
         "/features/t=expected 1 to 65536 numbers, not 0"},
        {"{\"id\":\"x\",\"features\":{\"t\":[1,\"2\"]}}", "/features/t/1=expected a number, not a"},
        {"{\"id\":\"x\",\"features\":{\"t\":[1e39]}}",
         "/features/t/0=1e+39, allowed -1e+15 to 1e+15|"},
        {"{\"id\":\"x\",\"features\":{\"t\":[1e15,-1.1e15]}}",
         "/features/t/1=-1.1e+15, allowed -1e+15 to 1e+15|"},
        {"{\"id\":\"x\",\"features\":{\"t\":1}}", "/features/t=expected a list of numbers"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f8\",\"b64\":\"AAAA\"}}}",
         "/features/t/dtype=expected \"<f2\" or \"<f4\"|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\"}}}",
         "/features/t/b64=expected base64"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AACAPw==\","
         "\"text_hash\":\"0x00000000000001\"}}}",
         "/features/t/text_hash=expected 16 hexadecimal digits"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AACAPw==\","
         "\"text_hash\":\"0000000000000000\"}}}",
         "/features/t/text_hash=expected 16 hexadecimal digits"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AACAPw==\","
         "\"text_hash\":7}}}",
         "/features/t/text_hash=expected 16 hexadecimal digits"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AAA\"}}}",
         "/features/t/b64=not valid base64|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"A*AA\"}}}",
         "/features/t/b64=expected a multiple of 4 bytes, not 3|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AAC*fw==\"}}}",
         "/features/t/b64=not valid base64|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"AADAfw==\"}}}",
         "/features/t/b64=number 0 is nan, allowed -1e+15 to 1e+15|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f4\",\"b64\":\"mXaW/g==\"}}}",
         "/features/t/b64=number 0 is -1e+38, allowed -1e+15 to 1e+15|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f2\",\"b64\":\"AAAAfA==\"}}}",
         "/features/t/b64=number 1 is inf, allowed -1e+15 to 1e+15|"},
        {"{\"id\":\"x\",\"features\":{\"t\":{\"dtype\":\"<f2\",\"b64\":\"AAA=\",\"z\":1}}}",
         "/features/t/z=unknown member"},
        {"{\"title\":1,\"hidden\":2}", "/title=expected a string, not a number|/hidden="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_item it;
        assert_int_equal(read_item(cases[i].text, ITEM_JSON_PUT, NULL, &it), ERR_INVALID);
        if (strstr(told, cases[i].told) == NULL) {
            fail_msg("%s: expected \"%s\" in \"%s\"", cases[i].text, cases[i].told, told);
        }
    }
}

static void limits_are_counted(void **state)
{
    (void)state;
    op_item it;
    char text[2048] = "{\"id\":\"";
    memset(text + 7, 'i', 257);
    strcpy(text + 7 + 257, "\"}");
    assert_int_equal(read_item(text, ITEM_JSON_PUT, NULL, &it), ERR_INVALID);
    assert_string_equal(told, "/id=expected 1 to 256 bytes, not 257|");
    strcpy(text + 7 + 256, "\"}");
    assert_int_equal(read_item(text, ITEM_JSON_PUT, NULL, &it), ERR_OK);
    strcpy(text, "{\"id\":\"x\",\"categories\":[");
    for (int i = 0; i < 65; i++) {
        snprintf(text + strlen(text), 16, "%s\"%d\"", i > 0 ? "," : "", i);
    }
    strcat(text, "]}");
    assert_int_equal(read_item(text, ITEM_JSON_PUT, NULL, &it), ERR_INVALID);
    assert_string_equal(told, "/categories=expected at most 64 entries, not 65|");
}

static void an_item_survives_being_written(void **state)
{
    (void)state;
    op_item it;
    op_item again;
    const char *text =
        "{\"id\":\"s/1\",\"title\":\"T\\u00e9\",\"categories\":[\"a\"],\"attributes\":{\"b\":true,"
        "\"f\":0.1,\"i\":20,\"l\":[\"x\",\"y\"],\"t\":\"z\"},\"created\":\"2023-01-01T00:00:00Z\","
        "\"hidden\":false,\"features\":{\"m\":{\"dtype\":\"<f4\",\"b64\":\"AACAPwAAAEA=\"}}}";
    assert_int_equal(read_item(text, ITEM_JSON_PUT, NULL, &it), ERR_OK);
    stored_item stored = {.id = it.id,
                          .title = it.title,
                          .categories = it.categories,
                          .category_count = it.category_count,
                          .attributes = it.attributes,
                          .attribute_count = it.attribute_count,
                          .created = it.created,
                          .hidden = it.hidden};
    json_t *document = NULL;
    assert_int_equal(item_json_new(&document, &stored, ITEM_JSON_ALL, it.features, 1, NULL),
                     ERR_OK);
    json_t *original = json_loads(text, 0, NULL);
    assert_true(json_equal(document, original));
    item_json_options how = {.now = NOW, .memory = &memory, .report = note};
    assert_int_equal(item_json_read(document, &how, &again, NULL), ERR_OK);
    assert_true(slice_equal(again.title, it.title));
    json_decref(document);
    json_decref(original);
}

/* A vector with a text_hash is read for an import, and left out of an API's write. */
static void an_encoders_vector_keeps_the_hash_of_its_text(void **state)
{
    (void)state;
    const char *text = "{\"id\":\"a\",\"categories\":[],\"attributes\":{},"
                       "\"created\":\"2023-01-01T00:00:00Z\",\"hidden\":false,\"features\":{"
                       "\"g\":{\"dtype\":\"<f4\",\"b64\":\"AACAPwAAAEA=\"},"
                       "\"m\":{\"dtype\":\"<f4\",\"b64\":\"AACAPwAAAEA=\","
                       "\"text_hash\":\"00ff000000000001\"}}}";
    op_item it;
    json_t *document = json_loads(text, 0, NULL), *written = NULL;
    item_json_options how = {.now = NOW, .memory = &memory, .report = note, .encoded = true};
    arena_reset(&memory);
    assert_int_equal(item_json_read(document, &how, &it, NULL), ERR_OK);
    assert_int_equal(it.feature_count, 2);
    assert_false(it.features[0].encoded);
    assert_true(it.features[1].encoded);
    assert_true(it.text_hash == 0x00ff000000000001);
    stored_item stored = {.id = it.id, .created = it.created, .encoded_hash = it.text_hash};
    assert_int_equal(item_json_new(&written, &stored, ITEM_JSON_ALL, it.features, 2, NULL), ERR_OK);
    assert_true(json_equal(document, written));
    how.encoded = false;
    assert_int_equal(item_json_read(document, &how, &it, NULL), ERR_OK);
    assert_int_equal(it.feature_count, 1);
    expect(it.features[0].modality, "g");
    assert_true(it.text_hash == 0);
    json_decref(document);
    json_decref(written);
}

static err_code read_interaction(const char *text, bool with_split, op_interaction *out)
{
    static interaction_types types;
    assert_int_equal(interaction_types_parse(&types, INTERACTION_TYPES_DEFAULT, NULL), ERR_OK);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    assert_non_null(document);
    arena_reset(&memory);
    told[0] = '\0';
    interaction_json_options how = {
        .types = &types, .now = NOW, .with_split = with_split, .memory = &memory, .report = note};
    err_code code = interaction_json_read(document, &how, out, NULL);
    json_decref(document);
    return code;
}

static void an_interaction_gets_what_its_type_says(void **state)
{
    (void)state;
    op_interaction x;
    assert_int_equal(read_interaction("{\"user\":\"u\",\"item\":\"i\"}", false, &x), ERR_OK);
    expect(x.type, "purchase");
    assert_int_equal(x.flags, EDGE_IN_GRAPH | EDGE_SEEN);
    assert_int_equal(x.time, NOW);
    assert_int_equal(read_interaction("{\"user\":\"u\",\"item\":\"i\",\"type\":\"dismiss\","
                                      "\"timestamp\":\"2023-01-01T00:00:00Z\",\"weight\":2}",
                                      false, &x),
                     ERR_OK);
    assert_int_equal(x.flags, EDGE_SEEN);
    assert_int_equal(x.time, 1672531200);
    assert_true(x.weight == 2.0F);
}

static void every_problem_of_an_interaction_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"3", "=expected an object|"},
        {"{}", "/user=missing|/item=missing|"},
        {"{\"user\":1,\"item\":\"\"}", "/user=expected a string|/item=expected 1 to 256 bytes"},
        {"{\"user\":\"u\",\"item\":\"i\",\"x/y\":1}", "/x~1y=unknown member"},
        {"{\"user\":\"u\",\"item\":\"i\",\"split\":\"test\"}", "/split=unknown member"},
        {"{\"user\":\"u\",\"item\":\"i\",\"type\":\"gift\"}",
         "/type=unknown type; expected one of"},
        {"{\"user\":\"u\",\"item\":\"i\",\"type\":2}", "/type=expected a string|"},
        {"{\"user\":\"u\",\"item\":\"i\",\"weight\":0}", "/weight=expected a number above 0"},
        {"{\"user\":\"u\",\"item\":\"i\",\"weight\":1e-60}", "/weight=expected a number above 0"},
        {"{\"user\":\"u\",\"item\":\"i\",\"weight\":\"1\"}", "/weight=expected a number above 0"},
        {"{\"user\":\"u\",\"item\":\"i\",\"timestamp\":[]}", "/timestamp=expected RFC 3339"},
        {"{\"user\":\"u\",\"item\":\"i\",\"timestamp\":1800000000}", "/timestamp=2027-01-15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_interaction x;
        assert_int_equal(read_interaction(cases[i].text, false, &x), ERR_INVALID);
        if (strstr(told, cases[i].told) == NULL) {
            fail_msg("%s: expected \"%s\" in \"%s\"", cases[i].text, cases[i].told, told);
        }
    }
}

static void an_interaction_survives_being_written(void **state)
{
    (void)state;
    op_interaction x;
    const char *text = "{\"user\":\"u\",\"item\":\"i\",\"type\":\"view\",\"timestamp\":"
                       "\"2023-01-01T00:00:00Z\",\"weight\":0.5,\"split\":\"valid\",\"edge\":false,"
                       "\"seen\":true}";
    assert_int_equal(read_interaction(text, true, &x), ERR_OK);
    assert_int_equal(x.flags, EDGE_SEEN);
    assert_int_equal(x.split, 1);
    json_t *document = NULL;
    assert_int_equal(interaction_json_new(&document, &x, true, NULL), ERR_OK);
    json_t *original = json_loads(text, 0, NULL);
    assert_true(json_equal(document, original));
    json_decref(document);
    json_decref(original);
}

static int start(void **state)
{
    (void)state;
    arena_init(&memory, 16 * 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_fini(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_item_is_read),
        cmocka_unit_test(a_path_gives_the_id_and_the_document_may_repeat_it),
        cmocka_unit_test(null_in_a_whole_item_is_the_same_as_no_such_member),
        cmocka_unit_test(a_patch_removes_by_null),
        cmocka_unit_test(every_problem_is_told_with_its_pointer),
        cmocka_unit_test(limits_are_counted),
        cmocka_unit_test(an_item_survives_being_written),
        cmocka_unit_test(an_encoders_vector_keeps_the_hash_of_its_text),
        cmocka_unit_test(an_interaction_gets_what_its_type_says),
        cmocka_unit_test(every_problem_of_an_interaction_is_told),
        cmocka_unit_test(an_interaction_survives_being_written),
    };
    return cmocka_run_group_tests(tests, start, end);
}
