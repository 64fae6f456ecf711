/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text written without a tree reads back unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/web/json_write.h"
#include "core/common/mem.h"
#include "core/common/rng.h"

static void every_float_reads_back_as_itself(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 11, 0);
    buffer b;
    buffer_init(&b, 1 << 20);
    for (int i = 0; i < 2000000; i++) {
        uint32_t bits = (uint32_t)rng_next(&r);
        float value;
        if (i % 2 == 0) { /* half of them in the range of scores */
            value = (float)(rng_normal(&r) * pow(10.0, (double)rng_below(&r, 16) - 8.0));
        } else {
            memcpy(&value, &bits, sizeof value);
        }
        buffer_reset(&b, SIZE_MAX);
        json_put_float(&b, value);
        buffer_put(&b, "", 1);
        if (!isfinite(value)) {
            assert_string_equal(b.at, "null");
        } else if (strtof(b.at, NULL) != value) {
            fail_msg("%a became %s", (double)value, b.at);
        }
    }
    buffer_fini(&b);
}

static void numbers_are_short_where_they_can_be(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0.0F, "0"},     {1.0F, "1"},        {-1.5F, "-1.5"},     {0.25F, "0.25"},
                 {100.0F, "100"}, {1e7F, "10000000"}, {12345.0F, "12345"}, {-0.0F, "0"}};
    buffer b;
    buffer_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buffer_reset(&b, SIZE_MAX);
        json_put_float(&b, cases[i].value);
        buffer_put(&b, "", 1);
        assert_string_equal(b.at, cases[i].text);
    }
    buffer_reset(&b, SIZE_MAX);
    json_put_signed(&b, INT64_MIN);
    json_put_comma(&b);
    json_put_unsigned(&b, UINT64_MAX);
    json_put_comma(&b);
    json_put_double(&b, 0.1);
    json_put_comma(&b);
    json_put_double(&b, NAN);
    buffer_put(&b, "", 1);
    assert_string_equal(b.at, "-9223372036854775808,18446744073709551615,0.1,null");
    buffer_fini(&b);
}

static void every_character_of_a_string_reads_back(void **state)
{
    (void)state;
    char text[130];
    buffer b;
    buffer_init(&b, 1 << 20);
    for (size_t i = 0; i < 128; i++) {
        text[i] = (char)i;
    }
    memcpy(text + 128, "\xc3\xa9", 2);
    buffer_put(&b, "{", 1);
    json_put_key(&b, "a");
    json_put_string(&b, (slice){text, sizeof text});
    json_put_key(&b, "b");
    json_put_bool(&b, true);
    buffer_put(&b, "}", 1);
    json_t *tree = json_loadb(b.at, b.length, JSON_ALLOW_NUL, NULL);
    assert_non_null(tree);
    assert_int_equal(json_string_length(json_object_get(tree, "a")), sizeof text);
    assert_memory_equal(json_string_value(json_object_get(tree, "a")), text, sizeof text);
    json_decref(tree);
    buffer_fini(&b);
}

static void a_buffer_stops_at_its_ceiling_and_remembers_it(void **state)
{
    (void)state;
    buffer b;
    err e = ERR_INIT;
    buffer_init(&b, 10);
    buffer_put(&b, "0123456789", 10);
    assert_int_equal(json_answer_check(&b, &e), ERR_OK);
    buffer_put(&b, "x", 1);
    buffer_put(&b, "", 0);
    assert_int_equal(json_answer_check(&b, &e), ERR_TOO_LARGE);
    assert_int_equal(b.length, 10);
    buffer_reset(&b, SIZE_MAX);
    assert_int_equal(json_answer_check(&b, NULL), ERR_OK);
    buffer_fini(&b);
    buffer_init(&b, 100000);
    mem_fail_at(0);
    buffer_put(&b, "x", 1);
    mem_fail_at(-1);
    assert_int_equal(json_answer_check(&b, NULL), ERR_NOMEM);
    buffer_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_float_reads_back_as_itself),
        cmocka_unit_test(numbers_are_short_where_they_can_be),
        cmocka_unit_test(every_character_of_a_string_reads_back),
        cmocka_unit_test(a_buffer_stops_at_its_ceiling_and_remembers_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
