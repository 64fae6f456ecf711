/* SPDX-License-Identifier: Apache-2.0 */
/* Items as a client sees them: create, replace, patch, delete, read, page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_shop.h"

static int set_up(void **state)
{
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, NULL);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static void an_item_that_was_posted_is_read_back_as_it_was(void **state)
{
    api_shop *s = *state;
    assert_int_equal(
        shop_call(s, "POST", "/items",
                  "{\"id\":\"a\",\"title\":\"T\",\"categories\":[\"x\",\"y\"],"
                  "\"attributes\":{\"price\":9.95,\"new\":true,\"tags\":[\"p\"]},"
                  "\"created\":\"2023-01-02T03:04:05Z\",\"features\":{\"text\":[1,2.5]}}"),
        201);
    assert_string_equal(s->response.location, "/items/a");
    assert_string_equal(shop_text(s, "id"), "a");
    assert_true(json_is_null(shop_at(s, "model")));
    assert_string_equal(shop_text(s, "embedding/unused/0"), "text");
    assert_int_equal(shop_number(s, "seq"), 1);

    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_string_equal(shop_text(s, "title"), "T");
    assert_string_equal(shop_text(s, "categories/1"), "y");
    assert_float_equal(shop_number(s, "attributes/price"), 9.95, 0);
    assert_non_null(memmem(s->response.body.at, s->response.body.length, ":9.95,", 6));
    assert_true(json_is_true(shop_at(s, "attributes/new")));
    assert_string_equal(shop_text(s, "attributes/tags/0"), "p");
    assert_string_equal(shop_text(s, "created"), "2023-01-02T03:04:05Z");
    assert_true(json_is_false(shop_at(s, "hidden")));
    assert_int_equal(shop_number(s, "updated_seq"), 1);
    assert_int_equal(shop_number(s, "seq"), 1);
    assert_null(shop_at(s, "features"));

    assert_int_equal(shop_get(s, "/items/a?fields=features"), 200);
    assert_non_null(shop_at(s, "features/text"));
    assert_null(shop_at(s, "title"));
}

static void a_description_is_kept_patched_and_listed_when_asked_for(void **state)
{
    api_shop *s = *state;
    char most[DESCRIPTION_BYTES_MAX + 64];
    assert_int_equal(
        shop_call(s, "POST", "/items", "{\"id\":\"a\",\"title\":\"T\",\"description\":\"Long.\"}"),
        201);
    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_string_equal(shop_text(s, "description"), "Long.");
    assert_int_equal(shop_get(s, "/items/a?fields=title"), 200);
    assert_null(shop_at(s, "description"));
    assert_int_equal(shop_call(s, "PATCH", "/items/a", "{\"title\":\"U\"}"), 200);
    assert_int_equal(shop_get(s, "/items?fields=description"), 200);
    assert_string_equal(shop_text(s, "items/0/description"), "Long.");
    assert_int_equal(shop_get(s, "/latest?fields=description"), 200);
    assert_string_equal(shop_text(s, "items/0/description"), "Long.");
    assert_int_equal(shop_call(s, "PATCH", "/items/a", "{\"description\":null}"), 200);
    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_true(json_is_null(shop_at(s, "description")));
    assert_int_equal(shop_call(s, "PUT", "/items/a", "{\"description\":\"\"}"), 200);
    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_string_equal(shop_text(s, "description"), "");
    assert_int_equal(shop_call(s, "PUT", "/items/a", "{}"), 200);
    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_true(json_is_null(shop_at(s, "description")));
    for (size_t over = 0; over < 2; over++) {
        int begun = snprintf(most, sizeof most, "{\"description\":\"");
        memset(most + begun, 'd', DESCRIPTION_BYTES_MAX + over);
        snprintf(most + begun + DESCRIPTION_BYTES_MAX + over, 3, "\"}");
        assert_int_equal(shop_call(s, "PUT", "/items/a", most), over == 0 ? 200 : 400);
    }
    assert_string_equal(shop_text(s, "errors/0/pointer"), "/description");
    assert_string_equal(shop_text(s, "errors/0/detail"), "expected 0 to 65536 bytes, not 65537");
}

static void a_second_post_of_an_id_is_a_conflict_and_changes_nothing(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"a\",\"title\":\"first\"}"), 201);
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"a\",\"title\":\"second\"}"), 409);
    assert_string_equal(s->response.content_type, "application/problem+json");
    assert_string_equal(shop_text(s, "type"), "urn:stair:problem:conflict");
    assert_string_equal(shop_text(s, "request_id"), "test-request");
    assert_int_equal(shop_seq(s), 1);
    shop_get(s, "/items/a");
    assert_string_equal(shop_text(s, "title"), "first");
}

static void ids_of_any_character_work_in_paths(void **state)
{
    api_shop *s = *state;
    static const struct {
        const char *path, *json;
    } ids[] = {{"/items/a%2Fb", "a/b"},   {"/items/%C3%A9%20%3F", "\xc3\xa9 ?"},
               {"/items/100%25", "100%"}, {"/items/..", ".."},
               {"/items/a+b", "a+b"},     {"/items/delete", "delete"}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(shop_call(s, "PUT", ids[i].path, "{\"title\":\"x\"}"), 201);
        assert_string_equal(shop_text(s, "id"), ids[i].json);
        char location[1024];
        snprintf(location, sizeof location, "%s", s->response.location);
        assert_int_equal(shop_get(s, location), 200);
        assert_string_equal(shop_text(s, "id"), ids[i].json);
        assert_int_equal(shop_call(s, "DELETE", ids[i].path, NULL), 200);
        assert_int_equal(shop_get(s, ids[i].path), 404);
    }
    /* U+0000 is an ordinary character and must not end an id. */
    assert_int_equal(shop_call(s, "PUT", "/items/a%00b", "{}"), 201);
    assert_int_equal(shop_get(s, "/items/a"), 404);
    assert_int_equal(shop_get(s, "/items/a%00b"), 200);
    assert_int_equal(json_string_length(shop_at(s, "id")), 3);
}

static void put_replaces_all_but_features_and_created(void **state)
{
    api_shop *s = *state;
    shop_call(s, "POST", "/items",
              "{\"id\":\"a\",\"title\":\"T\",\"categories\":[\"x\"],\"attributes\":{\"p\":1},"
              "\"hidden\":true,\"features\":{\"text\":[1,2],\"image\":[3]}}");
    assert_int_equal(shop_call(s, "PUT", "/items/a", "{\"features\":{\"image\":null}}"), 200);
    shop_get(s, "/items/a?fields=title,categories,attributes,hidden,features");
    assert_true(json_is_null(shop_at(s, "title")));
    assert_true(json_is_false(shop_at(s, "hidden")));
    assert_true(json_is_array(shop_at(s, "categories")) && shop_count(s, "categories") == 0);
    assert_non_null(shop_at(s, "features/text"));
    assert_null(shop_at(s, "features/image"));
}

static void a_whole_item_may_say_null_for_what_it_does_not_have(void **state)
{
    api_shop *s = *state;
    static const char nulls[] =
        "\"title\":null,\"description\":null,\"categories\":null,\"created\":null,"
        "\"hidden\":null,\"features\":null,\"attributes\":";
    char body[512];
    snprintf(body, sizeof body, "{\"id\":\"a\",%snull}", nulls);
    assert_int_equal(shop_call(s, "POST", "/items", body), 201);
    snprintf(body, sizeof body, "{\"items\":[{\"id\":\"b\",%s{\"p\":null,\"q\":2}}]}", nulls);
    assert_int_equal(shop_call(s, "POST", "/items", body), 200);
    shop_get(s, "/items/b?fields=title,description,categories,created,hidden,attributes,features");
    assert_true(json_is_null(shop_at(s, "title")) && json_is_null(shop_at(s, "description")));
    assert_true(json_is_false(shop_at(s, "hidden")) && shop_count(s, "categories") == 0);
    assert_null(shop_at(s, "attributes/p"));
    assert_int_equal(shop_number(s, "attributes/q"), 2);
    assert_null(shop_at(s, "features/text"));

    /* Like a put without the member, null leaves `created` unchanged; null in features removes all
     * vectors. */
    shop_call(
        s, "PUT", "/items/a",
        "{\"title\":\"T\",\"created\":\"2023-01-01T00:00:00Z\",\"features\":{\"text\":[1,2]}}");
    snprintf(body, sizeof body, "{%s{}}", nulls);
    assert_int_equal(shop_call(s, "PUT", "/items/a", body), 200);
    shop_get(s, "/items/a?fields=title,created,features");
    assert_true(json_is_null(shop_at(s, "title")));
    assert_string_equal(shop_text(s, "created"), "2023-01-01T00:00:00Z");
    assert_null(shop_at(s, "features/text"));
}

static void patch_merges_and_null_removes(void **state)
{
    api_shop *s = *state;
    shop_call(s, "POST", "/items",
              "{\"id\":\"a\",\"title\":\"T\",\"attributes\":{\"p\":1,\"q\":\"x\"}}");
    assert_int_equal(shop_send(s, &(shop_request){.method = "PATCH",
                                                  .target = "/items/a",
                                                  .content_type = "application/merge-patch+json",
                                                  .body = "{\"title\":null,\"hidden\":true,"
                                                          "\"attributes\":{\"p\":null,\"r\":2}}"}),
                     200);
    shop_get(s, "/items/a");
    assert_true(json_is_null(shop_at(s, "title")));
    assert_true(json_is_true(shop_at(s, "hidden")));
    assert_null(shop_at(s, "attributes/p"));
    assert_string_equal(shop_text(s, "attributes/q"), "x");
    assert_int_equal(shop_number(s, "attributes/r"), 2);
    assert_int_equal(shop_call(s, "PATCH", "/items/none", "{\"hidden\":true}"), 404);
}

static void entries_of_a_batch_do_not_fail_each_other(void **state)
{
    api_shop *s = *state;
    shop_call(s, "POST", "/items", "{\"id\":\"a\",\"features\":{\"text\":[1,2]}}");
    assert_int_equal(shop_call(s, "POST", "/items",
                               "{\"items\":[{\"id\":\"b\"},{\"id\":\"a\"},"
                               "{\"id\":\"c\",\"features\":{\"text\":[1]}}]}"),
                     200);
    assert_int_equal(shop_number(s, "accepted"), 1);
    assert_int_equal(shop_number(s, "results/0/status"), 201);
    assert_int_equal(shop_number(s, "results/1/status"), 409);
    assert_int_equal(shop_number(s, "results/2/status"), 400);
    assert_non_null(strstr(shop_text(s, "results/2/detail"), "2"));
    assert_int_equal(shop_number(s, "seq"), 2);
    assert_int_equal(shop_get(s, "/items/c"), 404);

    assert_int_equal(shop_call(s, "POST", "/items", "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"),
                     409);
    assert_int_equal(shop_number(s, "accepted"), 0);
    assert_string_equal(shop_text(s, "errors/1/pointer"), "/items/1/id");
    assert_int_equal(shop_call(s, "POST", "/items/delete", "{\"ids\":[\"a\",\"zzz\"]}"), 200);
    assert_int_equal(shop_number(s, "results/1/status"), 404);
    assert_int_equal(shop_get(s, "/items/a"), 404);
    assert_int_equal(shop_call(s, "PATCH", "/items",
                               "{\"items\":[{\"id\":\"b\",\"hidden\":true},{\"id\":\"q\"}]}"),
                     200);
    assert_int_equal(shop_call(s, "PUT", "/items", "{\"items\":[{\"id\":\"b\"},{\"id\":\"d\"}]}"),
                     200);
    assert_int_equal(shop_number(s, "results/0/status"), 200);
    assert_int_equal(shop_number(s, "results/1/status"), 201);
}

static void a_body_of_the_wrong_shape_is_refused_whole_with_all_pointers(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/items",
                               "{\"items\":[{\"id\":\"ok\"},{\"id\":\"a\",\"title\":5},"
                               "{\"id\":\"b\",\"features\":{\"text\":[1,\"x\"]}},7]}"),
                     400);
    assert_int_equal(shop_count(s, "errors"), 3);
    assert_string_equal(shop_text(s, "errors/0/pointer"), "/items/1/title");
    assert_string_equal(shop_text(s, "errors/1/pointer"), "/items/2/features/text/1");
    assert_string_equal(shop_text(s, "errors/2/pointer"), "/items/3");
    assert_int_equal(shop_seq(s), 0);
    assert_int_equal(shop_get(s, "/items/ok"), 404);
}

static void pages_of_the_catalogue_give_every_item_once(void **state)
{
    api_shop *s = *state;
    shop_stock(s);
    shop_call(s, "DELETE", "/items/sku-3", NULL);
    size_t found = 0;
    char target[128] = "/items?limit=7&fields=";
    for (int pages = 0; pages < 20; pages++) {
        assert_int_equal(shop_get(s, target), 200);
        found += shop_count(s, "items");
        if (json_is_null(shop_at(s, "next_cursor"))) {
            break;
        }
        assert_int_equal(shop_count(s, "items"), 7);
        assert_null(shop_at(s, "items/0/title"));
        snprintf(target, sizeof target, "/items?limit=7&fields=&cursor=%s",
                 shop_text(s, "next_cursor"));
    }
    assert_int_equal(found, SHOP_ITEMS - 1);
}

static void updated_before_finds_what_a_sync_did_not_touch(void **state)
{
    api_shop *s = *state;
    shop_stock(s);
    shop_call(s, "PUT", "/items/sku-1", "{\"title\":\"new\"}");
    char target[64];
    snprintf(target, sizeof target, "/items?limit=1000&updated_before=%d",
             (int)shop_number(s, "seq"));
    shop_get(s, target);
    assert_int_equal(shop_count(s, "items"), SHOP_ITEMS - 1);
}

static void a_repeat_with_the_same_idempotency_key_gets_the_first_answer(void **state)
{
    api_shop *s = *state;
    shop_request r = {.method = "POST",
                      .target = "/items",
                      .content_type = "application/json",
                      .idempotency_key = "key-1",
                      .body = "{\"id\":\"a\"}"};
    assert_int_equal(shop_send(s, &r), 201);
    char first[512];
    snprintf(first, sizeof first, "%.*s", (int)s->response.body.length, s->response.body.at);
    assert_int_equal(shop_send(s, &r), 201);
    assert_int_equal(strlen(first), s->response.body.length);
    assert_memory_equal(first, s->response.body.at, s->response.body.length);
    assert_string_equal(s->response.location, "/items/a");
    assert_int_equal(shop_seq(s), 1);
    r.body = "{\"id\":\"b\"}";
    assert_int_equal(shop_send(s, &r), 422);
    assert_int_equal(shop_seq(s), 1);
    r.idempotency_key = "key 2";
    assert_int_equal(shop_send(s, &r), 400);
}

static void only_post_answers_an_idempotency_key_from_memory(void **state)
{
    api_shop *s = *state;
    const shop_request r = {.method = "DELETE", .target = "/items/a", .idempotency_key = "key-1"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"a\"}"), 201);
        assert_int_equal(shop_send(s, &r), 200);
        assert_int_equal(shop_get(s, "/items/a"), 404);
    }
}

static void a_patch_with_null_for_created_takes_the_time_of_the_call(void **state)
{
    api_shop *s = *state;
    assert_int_equal(
        shop_call(s, "POST", "/items", "{\"id\":\"a\",\"created\":\"2020-01-01T00:00:00Z\"}"), 201);
    assert_int_equal(shop_call(s, "PATCH", "/items/a", "{\"created\":null}"), 200);
    assert_int_equal(shop_get(s, "/items/a"), 200);
    assert_string_equal(shop_text(s, "created"), "2023-11-14T22:13:20Z"); /* SHOP_NOW */
}

static void failures_of_the_disk_are_told_without_internals(void **state)
{
    api_shop *s = *state;
    static const struct {
        err_code code;
        unsigned status;
        const char *type;
    } cases[] = {{ERR_FULL, 507, "urn:stair:problem:full"},
                 {ERR_OUTCOME_UNKNOWN, 503, "urn:stair:problem:outcome_unknown"},
                 {ERR_IO, 500, "urn:stair:problem:internal"},
                 {ERR_CORRUPT, 500, "urn:stair:problem:internal"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s->next_commit = cases[i].code;
        assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"a\"}"), cases[i].status);
        assert_string_equal(shop_text(s, "type"), cases[i].type);
        assert_null(strstr(shop_text(s, "detail"), "secret"));
        assert_string_equal(s->response.cause, "secret internal detail");
        assert_int_equal(s->response.retry_after_seconds > 0, cases[i].status == 503);
    }
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"a\"}"), 201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(an_item_that_was_posted_is_read_back_as_it_was),
        T(a_description_is_kept_patched_and_listed_when_asked_for),
        T(a_second_post_of_an_id_is_a_conflict_and_changes_nothing),
        T(ids_of_any_character_work_in_paths),
        T(put_replaces_all_but_features_and_created),
        T(a_whole_item_may_say_null_for_what_it_does_not_have),
        T(patch_merges_and_null_removes),
        T(entries_of_a_batch_do_not_fail_each_other),
        T(a_body_of_the_wrong_shape_is_refused_whole_with_all_pointers),
        T(pages_of_the_catalogue_give_every_item_once),
        T(updated_before_finds_what_a_sync_did_not_touch),
        T(a_repeat_with_the_same_idempotency_key_gets_the_first_answer),
        T(only_post_answers_an_idempotency_key_from_memory),
        T(a_patch_with_null_for_created_takes_the_time_of_the_call),
        T(failures_of_the_disk_are_told_without_internals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
