/* SPDX-License-Identifier: Apache-2.0 */
/* utf8, base64, timestamp and interaction_types: small parsers that all inputs share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/base64.h"
#include "core/common/interaction_types.h"
#include "core/common/rng.h"
#include "core/common/timestamp.h"
#include "core/common/utf8.h"

static bool valid(const char *text)
{
    return utf8_valid(slice_of(text));
}

static void utf8_accepts_every_length_of_character_and_nul(void **state)
{
    (void)state;
    assert_true(valid(""));
    assert_true(valid("plain"));
    assert_true(valid("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_true(valid("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(utf8_valid((slice){"a\0b", 3}));
}

static void utf8_refuses_overlong_forms_surrogates_and_cut_characters(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xff",
                                      "a\xc3z",
                                      "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(valid(bad[i]));
    }
}

static void utf8_cut_never_splits_a_character(void **state)
{
    (void)state;
    assert_int_equal(utf8_cut(slice_of("a\xe2\x82\xac"), 3).length, 1);
    assert_int_equal(utf8_cut(slice_of("a\xe2\x82\xac"), 4).length, 4);
    assert_int_equal(utf8_cut(slice_of("abc"), 2).length, 2);
}

static void base64_gives_back_any_bytes(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1, 0);
    for (size_t bytes = 0; bytes < 100; bytes++) {
        unsigned char data[100];
        unsigned char back[100];
        char text[140];
        for (size_t i = 0; i < bytes; i++) {
            data[i] = (unsigned char)rng_below(&random, 256);
        }
        base64_encode(data, bytes, text);
        slice coded = {text, base64_encoded_length(bytes)};
        assert_int_equal(base64_decoded_length(coded), bytes);
        assert_true(base64_decode(coded, back));
        assert_memory_equal(data, back, bytes);
    }
}

static void base64_knows_the_rfc_s_vectors(void **state)
{
    (void)state;
    char text[8];
    base64_encode("fooba", 5, text);
    assert_memory_equal(text, "Zm9vYmE=", 8);
    base64_encode("foob", 4, text);
    assert_memory_equal(text, "Zm9vYg==", 8);
}

static void base64_refuses_what_has_another_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {"Zm9vYh==", "Zm9vYmF=", "Zm9v\n", "Zm9",  "Zm=v",
                                      "Z===",     "====",     "Zm9*",   "Zm-_", "=m9v"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char out[16];
        assert_false(base64_decode(slice_of(bad[i]), out));
    }
}

static int64_t parsed(const char *text)
{
    int64_t seconds = INT64_MIN;
    err_code code = timestamp_parse(slice_of(text), &seconds, NULL);
    return code == ERR_OK ? seconds : INT64_MIN;
}

static void timestamps_are_read_in_every_form(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parsed("2024-02-29T12:34:56Z"), 1709210096);
    assert_int_equal(parsed("2024-02-29T13:34:56+01:00"), 1709210096);
    assert_int_equal(parsed("2024-02-29t12:34:56.789z"), 1709210096);
    assert_int_equal(parsed("1969-12-31 23:59:59Z"), -1);
    assert_int_equal(parsed("1709210096"), 1709210096);
    assert_int_equal(parsed("1709210096.75"), 1709210096);
    assert_int_equal(parsed("1.7e9"), 1700000000);
}

static void timestamps_of_no_day_or_form_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2023-02-29T00:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01",
                                      "2024-01-01T00:00:00Zx",
                                      "2024-01-01T00:00:00.Z",
                                      "nan",
                                      "inf",
                                      "0x10",
                                      " 5",
                                      "5 ",
                                      "1e300",
                                      "yesterday"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parsed(bad[i]), INT64_MIN);
    }
}

static void timestamps_survive_being_written(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 2, 0);
    for (int i = 0; i < 2000; i++) {
        int64_t seconds = (int64_t)(rng_next(&random) % 315569520000u) - 62167219200;
        char text[TIMESTAMP_TEXT_MAX];
        timestamp_format(seconds, text);
        assert_int_equal(parsed(text), seconds);
    }
}

static void timestamps_far_ahead_are_refused_and_milliseconds_are_named(void **state)
{
    (void)state;
    err e = ERR_INIT;
    int64_t now = 1700000000;
    assert_int_equal(timestamp_check(now + 86400, now, NULL), ERR_OK);
    assert_int_equal(timestamp_check(now + 86401, now, NULL), ERR_INVALID);
    assert_int_equal(timestamp_check(now * 1000, now, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "milliseconds"));
}

static void the_built_in_types_mean_what_the_contract_says(void **state)
{
    (void)state;
    static interaction_types types;
    assert_int_equal(interaction_types_parse(&types, INTERACTION_TYPES_DEFAULT, NULL), ERR_OK);
    assert_int_equal(interaction_types_find(&types, slice_of("purchase"))->flags,
                     EDGE_IN_GRAPH | EDGE_SEEN);
    assert_int_equal(interaction_types_find(&types, slice_of("cart"))->flags, EDGE_IN_GRAPH);
    assert_int_equal(interaction_types_find(&types, slice_of("view"))->flags, EDGE_IN_GRAPH);
    assert_int_equal(interaction_types_find(&types, slice_of("dismiss"))->flags, EDGE_SEEN);
    assert_null(interaction_types_find(&types, slice_of("gift")));
}

static void bad_types_are_refused_with_the_entry(void **state)
{
    (void)state;
    static interaction_types types;
    static const char *const bad[] = {"",
                                      "purchase",
                                      "purchase=",
                                      "purchase=maybe",
                                      "purchase=edge+edge",
                                      "purchase=edge:0",
                                      "purchase=edge:nan",
                                      "purchase=edge:1001",
                                      "purchase=edge,",
                                      "purchase=edge,purchase=seen",
                                      "view=edge",
                                      "pur chase=edge"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(interaction_types_parse(&types, bad[i], NULL), ERR_INVALID);
    }
    assert_int_equal(
        interaction_types_parse(&types, "purchase=seen+edge:2.5,like=none,x-1.y=seen", NULL),
        ERR_OK);
    assert_true(types.list[0].weight == 2.5F);
    assert_int_equal(types.list[1].flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_accepts_every_length_of_character_and_nul),
        cmocka_unit_test(utf8_refuses_overlong_forms_surrogates_and_cut_characters),
        cmocka_unit_test(utf8_cut_never_splits_a_character),
        cmocka_unit_test(base64_gives_back_any_bytes),
        cmocka_unit_test(base64_knows_the_rfc_s_vectors),
        cmocka_unit_test(base64_refuses_what_has_another_spelling),
        cmocka_unit_test(timestamps_are_read_in_every_form),
        cmocka_unit_test(timestamps_of_no_day_or_form_are_refused),
        cmocka_unit_test(timestamps_survive_being_written),
        cmocka_unit_test(timestamps_far_ahead_are_refused_and_milliseconds_are_named),
        cmocka_unit_test(the_built_in_types_mean_what_the_contract_says),
        cmocka_unit_test(bad_types_are_refused_with_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
