/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of requests: which requests share a filter, what is postponed, and when long work
 * ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/resources/filter_equal.h"
#include "tests/support/api_shop.h"

static int set_up(void **state)
{
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, &(api_limits){.work_max = 2000});
    shop_stock(s);
    shop_train(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static char *batch_of(size_t count, const char *entry)
{
    char *text = calloc(count + 1, strlen(entry) + 32);
    strcpy(text, "{\"requests\":[");
    size_t length = strlen(text);
    for (size_t i = 0; i < count; i++) {
        length += (size_t)sprintf(text + length, "%s%s", i > 0 ? "," : "", entry);
    }
    strcpy(text + length, "]}");
    return text;
}

static void what_is_written_alike_is_one_filter_and_nothing_else(void **state)
{
    (void)state;
    enum { COUNT = 9 };
    slice red[] = {{"red", 3}}, also_red[] = {{"red", 3}}, both[] = {{"red", 3}, {"blue", 4}};
    filter_attribute cheap = {.name = {"price", 5}, .kind = ATTRIBUTE_NUMBER, .high = 5};
    filter_attribute cheaper = {.name = {"price", 5}, .kind = ATTRIBUTE_NUMBER, .high = 4};
    recommend_request r[COUNT] = {
        {.filter = {.categories_any = red, .categories_any_count = 1}},
        {.filter = {.categories_all = red, .categories_all_count = 1}},
        {.filter = {.categories_any = also_red, .categories_any_count = 1}},
        {.filter = {.categories_any = both, .categories_any_count = 2}},
        {.filter = {.attributes = &cheap, .attribute_count = 1}},
        {.filter = {.attributes = &cheaper, .attribute_count = 1}},
        {.filter = {.has_created_after = true, .created_after = 7}},
        {.filter = {.has_created_before = true, .created_before = 7}},
    };
    static const size_t same[COUNT] = {0, 1, 0, 3, 4, 5, 6, 7, 8};
    arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(filter_share(r, COUNT, &a, NULL), ERR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(r[i].same_filter, &r[same[i]].filter);
    }
    arena_fini(&a);
}

static void a_batch_with_shared_filters_gives_the_lists_of_its_requests_alone(void **state)
{
    api_shop *s = *state;
    /* More filters than are kept; each comes again after the others. */
    enum { FILTERS = 2 * SHARED_FILTERS + 3, ROUNDS = 3 };
    char single[FILTERS][160];
    char *alone[FILTERS];
    char *text = calloc(ROUNDS * FILTERS + 1, sizeof single[0]);
    strcpy(text, "{\"requests\":[");
    for (size_t i = 0; i < FILTERS; i++) {
        snprintf(single[i], sizeof single[i],
                 "{\"user\":\"user-%zu\",\"k\":7,\"filter\":{\"attributes\":{\"price\":"
                 "{\"gte\":%zu}}}}",
                 i % 5, i);
        assert_int_equal(shop_call(s, "POST", "/recommend", single[i]), 200);
        alone[i] = json_dumps(shop_at(s, "items"), JSON_SORT_KEYS);
    }
    for (size_t i = 0; i < ROUNDS * FILTERS; i++) {
        strcat(strcat(text, i > 0 ? "," : ""), single[i % FILTERS]);
    }
    strcat(text, "]}");
    assert_int_equal(shop_call(s, "POST", "/recommend/batch", text), 200);
    for (size_t i = 0; i < ROUNDS * FILTERS; i++) {
        char path[48];
        snprintf(path, sizeof path, "results/%zu/items", i);
        char *got = json_dumps(shop_at(s, path), JSON_SORT_KEYS);
        assert_string_equal(got, alone[i % FILTERS]);
        free(got);
    }
    for (size_t i = 0; i < FILTERS; i++) {
        free(alone[i]);
    }
    free(text);
}

static void a_batch_over_work_max_is_refused_before_any_of_it_is_done(void **state)
{
    api_shop *s = *state;
    char *text = batch_of(1000, "{\"user\":\"user-1\",\"k\":500}");
    assert_int_equal(shop_call(s, "POST", "/recommend/batch", text), 413);
    assert_non_null(strstr(shop_text(s, "detail"), "work_max = 2000"));
    free(text);
}

static api_outcome begin_request(api_shop *s, api_request request)
{
    api_write *write = NULL;
    request.request_id = slice_of("test-request");
    request.now = SHOP_NOW;
    api_response_reset(&s->response);
    return api_begin(s->api, &request, &s->response, &write);
}

static api_outcome begin(api_shop *s, const char *text, bool short_only, bool (*stopped)(void *),
                         void *ctx)
{
    return begin_request(s, (api_request){.method = slice_of("POST"),
                                          .target = slice_of("/recommend/batch"),
                                          .content_type = slice_of("application/json"),
                                          .body = slice_of(text),
                                          .short_only = short_only,
                                          .stopped = stopped,
                                          .stopped_ctx = ctx});
}

static api_outcome begin_get(api_shop *s, const char *path, bool short_only)
{
    return begin_request(s, (api_request){.method = slice_of("GET"),
                                          .target = slice_of(path),
                                          .short_only = short_only});
}

static void long_work_is_put_off_without_a_trace_and_short_work_is_not(void **state)
{
    api_shop *s = *state;
    char *text = batch_of(300, "{\"user\":\"user-1\"}");
    char *small = batch_of(3, "{\"user\":\"user-1\"}");
    assert_int_equal(begin(s, text, true, NULL, NULL), API_LATER);
    assert_int_equal(s->response.body.length, 0);
    assert_int_equal(s->response.status, 0);
    assert_string_equal(s->response.route, "/recommend/batch");
    assert_int_equal(begin(s, text, false, NULL, NULL), API_ANSWERED);
    assert_int_equal(s->response.status, 200);
    assert_int_equal(begin(s, small, true, NULL, NULL), API_ANSWERED);
    assert_int_equal(s->response.status, 200);
    free(text);
    free(small);
}

static bool at_the_third(void *ctx)
{
    return ++*(unsigned *)ctx >= 3;
}

static void long_work_ends_at_its_next_step_when_nobody_waits(void **state)
{
    api_shop *s = *state;
    unsigned asked = 0;
    char *text = batch_of(300, "{\"user\":\"user-1\"}");
    assert_int_equal(begin(s, text, false, at_the_third, &asked), API_ANSWERED);
    assert_int_equal(s->response.status, 503);
    assert_int_equal(asked, 3);
    free(text);
}

static void put_long_item(api_shop *s, size_t i)
{
    enum { LONG = 60000 };
    char path[32];
    char *body = malloc(LONG + 64);
    snprintf(path, sizeof path, "/items/long-%zu", i);
    int head = sprintf(body, "{\"description\":\"");
    memset(body + head, 'a', LONG);
    strcpy(body + head + LONG, "\"}");
    assert_int_equal(shop_call(s, "PUT", path, body), 201);
    free(body);
}

static void a_page_that_turns_out_long_is_put_off_and_a_short_one_is_not(void **state)
{
    api_shop *s = *state;
    assert_int_equal(begin_get(s, "/items?limit=1000", true), API_ANSWERED);
    for (size_t i = 0; i < 40; i++) {
        put_long_item(s, i);
    }
    assert_int_equal(begin_get(s, "/items?limit=1000", true), API_LATER);
    assert_int_equal(s->response.body.length, 0);
    assert_int_equal(begin_get(s, "/items?limit=1000&fields=title", true), API_ANSWERED);
    assert_int_equal(begin_get(s, "/items/long-1", true), API_ANSWERED);
    assert_int_equal(begin_get(s, "/items?limit=1000", false), API_ANSWERED);
    assert_int_equal(s->response.status, 200);
}

static void an_item_of_many_numbers_is_put_off_only_for_its_features(void **state)
{
    enum { WIDTH = 50000 };
    api_shop *s = *state;
    char *body = malloc(2 * WIDTH + 64);
    size_t length = (size_t)sprintf(body, "{\"features\":{\"wide\":[1");
    for (size_t i = 1; i < WIDTH; i++) {
        length += (size_t)sprintf(body + length, ",1");
    }
    strcpy(body + length, "]}}");
    assert_int_equal(shop_call(s, "PUT", "/items/wide", body), 201);
    free(body);
    assert_int_equal(begin_get(s, "/items/wide", true), API_ANSWERED);
    assert_int_equal(begin_get(s, "/items/wide?fields=features", true), API_LATER);
    assert_int_equal(begin_get(s, "/items/wide?fields=features", false), API_ANSWERED);
    assert_int_equal(s->response.status, 200);
}

/* interactions_of returns a list of `count` interactions, the one at `bad` without a user. */
static char *interactions_of(size_t count, size_t bad, const char *end)
{
    char *text = calloc(count + 1, 64);
    size_t length = (size_t)sprintf(text, "{\"interactions\":[");
    for (size_t i = 0; i < count; i++) {
        length += (size_t)sprintf(text + length, "%s{\"%s\":\"user-1\",\"item\":\"item-1\"}",
                                  i > 0 ? "," : "", i == bad ? "nobody" : "user");
    }
    strcpy(text + length, end);
    return text;
}

static api_outcome begin_list(api_shop *s, const char *text, bool short_only)
{
    return begin_request(s, (api_request){.method = slice_of("POST"),
                                          .target = slice_of("/interactions"),
                                          .content_type = slice_of("application/json"),
                                          .body = slice_of(text),
                                          .short_only = short_only});
}

static void a_long_list_of_interactions_is_put_off_before_it_is_parsed(void **state)
{
    api_shop *s = *state;
    char *whole = interactions_of(1000, 999, "]}"), *cut = interactions_of(1000, 999, "");
    char *shorter = interactions_of(900, 899, ""), *wide = calloc(65536, 1);
    assert_int_equal(begin_list(s, cut, true), API_LATER);
    assert_int_equal(s->response.body.length, 0);
    assert_int_equal(begin_list(s, cut, false), API_ANSWERED);
    assert_int_equal(s->response.status, 400);
    assert_int_equal(begin_list(s, shorter, true), API_ANSWERED);
    assert_int_equal(s->response.status, 400);
    assert_int_equal(begin_list(s, whole, true), API_LATER);
    /* a long text is not a long list */
    snprintf(wide, 65536, "{\"interactions\":[{\"user\":\"%060000d\"", 0);
    assert_int_equal(begin_list(s, wide, true), API_ANSWERED);
    assert_int_equal(s->response.status, 400);
    free(whole);
    free(cut);
    free(shorter);
    free(wide);
}

static void a_problem_names_the_place_of_its_entry(void **state)
{
    static const size_t places[] = {0, 9, 10, 99, 100, 998};
    api_shop *s = *state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char pointer[64];
        char *text = interactions_of(999, places[i], "]}");
        snprintf(pointer, sizeof pointer, "/interactions/%zu/nobody", places[i]);
        assert_int_equal(shop_call(s, "POST", "/interactions", text), 400);
        assert_string_equal(shop_text(s, "errors/0/pointer"), pointer);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_alike_is_one_filter_and_nothing_else),
        cmocka_unit_test(a_batch_with_shared_filters_gives_the_lists_of_its_requests_alone),
        cmocka_unit_test(a_batch_over_work_max_is_refused_before_any_of_it_is_done),
        cmocka_unit_test(long_work_is_put_off_without_a_trace_and_short_work_is_not),
        cmocka_unit_test(a_page_that_turns_out_long_is_put_off_and_a_short_one_is_not),
        cmocka_unit_test(an_item_of_many_numbers_is_put_off_only_for_its_features),
        cmocka_unit_test(a_long_list_of_interactions_is_put_off_before_it_is_parsed),
        cmocka_unit_test(a_problem_names_the_place_of_its_entry),
        cmocka_unit_test(long_work_ends_at_its_next_step_when_nobody_waits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
