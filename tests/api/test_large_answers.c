/* SPDX-License-Identifier: Apache-2.0 */
/* A request within the documented limits is answered, however large the records behind the answer
 * are. An answer that is too long is refused, naming its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/item_fields.h"
#include "tests/support/api_shop.h"

/* The shop's records together exceed a request's memory: 30 * 30 records of 240 KiB, 33 * 16
 * vectors of 256 KiB. A low limit on bodies keeps that memory small. The wide items just fit into
 * such a body. */
enum { BODY_BYTES_MAX = 6 << 20 };
enum { REQUESTS = 30, LONG_ITEMS = 30, WIDE_ITEMS = 33, WIDE_MODALITIES = 16 };

static int set_up(void **state)
{
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, &(api_limits){.body_bytes_max = BODY_BYTES_MAX});
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static void post(api_shop *s, const char *target, unsigned status, json_t *taken)
{
    char *body = json_dumps(taken, JSON_COMPACT);
    json_decref(taken);
    assert_int_equal(shop_call(s, "POST", target, body), status);
    free(body);
}

static void stock_long_items(api_shop *s)
{
    char text[ATTRIBUTE_TEXT_BYTES_MAX + 1] = "";
    memset(text, 'x', sizeof text - 1);
    json_t *attributes = json_object();
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "text-%d", i);
        json_object_set_new(attributes, name, json_string(text));
    }
    for (int i = 0; i < LONG_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "long-%d", i);
        post(s, "/items", 201,
             json_pack("{s:s,s:s,s:O}", "id", id, "title", "Long", "attributes", attributes));
    }
    json_decref(attributes);
}

static void a_batch_may_name_more_records_than_fit_into_a_requests_memory(void **state)
{
    api_shop *s = *state;
    stock_long_items(s);
    json_t *requests = json_array();
    for (int i = 0; i < REQUESTS; i++) {
        json_array_append_new(requests, json_pack("{s:s,s:i,s:[s]}", "user", "nobody", "k",
                                                  LONG_ITEMS, "fields", "title"));
    }
    post(s, "/recommend/batch", 200, json_pack("{s:o}", "requests", requests));
    assert_int_equal(shop_count(s, "results"), REQUESTS);
    assert_int_equal(shop_count(s, "results/29/items"), LONG_ITEMS);
    assert_string_equal(shop_text(s, "results/29/items/29/title"), "Long");
}

/* wide_features makes {"wide-0":{...},...} as text, because it is the same for every item and
 * megabytes long. */
static char *wide_features(void)
{
    size_t length = ((size_t)FEATURE_WIDTH_MAX * 4 + 2) / 3 * 4;
    char *b64 = malloc(length + 1);
    assert_non_null(b64);
    memset(b64, 'A', length);
    memcpy(b64 + length - 2, "==", 3);
    json_t *features = json_object();
    for (int i = 0; i < WIDE_MODALITIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "wide-%d", i);
        json_object_set_new(features, name, json_pack("{s:s,s:s}", "dtype", "<f4", "b64", b64));
    }
    char *text = json_dumps(features, JSON_COMPACT);
    json_decref(features);
    free(b64);
    return text;
}

/* The shop's answers end at 64 MiB. Sixteen vectors are more than 5 MiB of text. */
static void a_page_of_wide_features_ends_at_the_limit_of_answers_and_names_it(void **state)
{
    api_shop *s = *state;
    char *features = wide_features();
    size_t room = strlen(features) + 64;
    char *body = malloc(room);
    assert_non_null(body);
    for (int i = 0; i < WIDE_ITEMS; i++) {
        snprintf(body, room, "{\"id\":\"wide-%d\",\"features\":%s}", i, features);
        assert_int_equal(shop_call(s, "POST", "/items", body), 201);
    }
    free(body);
    free(features);
    assert_int_equal(shop_get(s, "/items?limit=2&fields=features"), 200);
    assert_int_equal(shop_count(s, "items"), 2);
    assert_int_equal(json_object_size(shop_at(s, "items/1/features")), WIDE_MODALITIES);
    assert_int_equal(shop_get(s, "/items?limit=1000&fields=features"), 413);
    assert_non_null(strstr(shop_text(s, "detail"), "answer_bytes_max"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_batch_may_name_more_records_than_fit_into_a_requests_memory),
        T(a_page_of_wide_features_ends_at_the_limit_of_answers_and_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
