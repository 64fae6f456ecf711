/* SPDX-License-Identifier: Apache-2.0 */
/* Models, training, snapshots, exports, health, documents, methods and roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/web/assets.h"
#include "tests/support/api_shop.h"

static int set_up(void **state)
{
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, NULL);
    shop_stock(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static void the_model_is_told_and_switched_and_rolled_back(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/model"), 200);
    assert_true(json_is_null(shop_at(s, "model")));
    assert_true(json_is_null(shop_at(s, "generation")));
    shop_train(s);
    shop_train(s);
    shop_get(s, "/model");
    assert_int_equal(shop_number(s, "model"), 2);
    assert_int_equal(shop_number(s, "dim"), 16);
    assert_int_equal(shop_number(s, "generation/training/epochs"), 20);
    assert_int_equal(shop_number(s, "live/items"), SHOP_ITEMS);
    assert_int_equal(shop_get(s, "/model/generations"), 200);
    assert_int_equal(shop_count(s, "generations"), 2);
    assert_true(json_is_true(shop_at(s, "generations/1/active")));
    assert_int_equal(shop_call(s, "POST", "/model/activate", "{\"generation\":1}"), 200);
    assert_int_equal(shop_number(s, "model"), 1);
    shop_get(s, "/recommend?user=user-1");
    assert_int_equal(shop_number(s, "model"), 1);
    assert_int_equal(shop_call(s, "POST", "/model/activate", "{\"generation\":9}"), 404);
    assert_int_equal(shop_call(s, "POST", "/model/prune", "{\"keep\":1}"), 200);
    assert_int_equal(shop_number(s, "removed"), 0);
    assert_int_equal(shop_call(s, "POST", "/model/prune", "{\"keep\":0}"), 200);
    assert_int_equal(shop_number(s, "removed"), 1);
    shop_get(s, "/model/generations");
    assert_int_equal(shop_count(s, "generations"), 1);
    assert_int_equal(shop_number(s, "generations/0/generation"), 1);
    assert_int_equal(shop_call(s, "POST", "/model/activate", "{\"generation\":2}"), 404);
    assert_int_equal(shop_call(s, "POST", "/model/prune", "{}"), 400);
    assert_int_equal(shop_call(s, "POST", "/model/prune", "{\"keep\":100001}"), 400);
}

static void a_training_is_started_watched_and_cancelled(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/model/train"), 200);
    assert_string_equal(shop_text(s, "state"), "idle");
    assert_int_equal(shop_call(s, "POST", "/model/train",
                               "{\"epochs\":5,\"weight_decay\":0.1,\"refit\":true,"
                               "\"neighbours\":{\"text\":5,\"image\":1}}"),
                     202);
    assert_string_equal(s->response.location, "/model/train");
    assert_string_equal(shop_text(s, "state"), "running");
    assert_true(json_is_null(shop_at(s, "detail")));
    assert_non_null(strstr(s->train_options, "--epochs=5 "));
    assert_non_null(strstr(s->train_options, "--weight-decay=0.1"));
    assert_non_null(strstr(s->train_options, "--refit=true"));
    assert_non_null(strstr(s->train_options, "--neighbours=text=5,image=1 "));
    assert_int_equal(shop_send(s, &(shop_request){.method = "POST", .target = "/model/train"}),
                     409);
    s->training_lingers = true;
    assert_int_equal(shop_call(s, "DELETE", "/model/train", NULL), 200);
    assert_string_equal(shop_text(s, "state"), "running");
    assert_non_null(strstr(shop_text(s, "detail"), "being cancelled"));
    s->training_lingers = false;
    assert_int_equal(shop_call(s, "DELETE", "/model/train", NULL), 200);
    assert_string_equal(shop_text(s, "state"), "cancelled");
    assert_true(json_is_null(shop_at(s, "detail")));
    assert_int_equal(s->trains_started, 1);
    assert_int_equal(s->trains_cancelled, 2);
    /* Without a body, all defaults apply. */
    assert_int_equal(shop_send(s, &(shop_request){.method = "POST", .target = "/model/train"}),
                     202);
    assert_null(strstr(s->train_options, "--epochs"));
}

static void a_snapshot_is_started_once_and_found(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/snapshot", "{\"name\":\"mon-1\"}"), 202);
    assert_string_equal(s->response.location, "/snapshot/mon-1");
    assert_int_equal(shop_call(s, "POST", "/snapshot", "{\"name\":\"mon-1\"}"), 409);
    assert_int_equal(shop_get(s, "/snapshot/mon-1"), 200);
    assert_string_equal(shop_text(s, "state"), "done");
    assert_int_equal(s->snapshots_started, 1);
}

/* lines_of reads the exported file, counts its lines and checks that each is a JSON object. */
static size_t lines_of(const api_response *r)
{
    char *text = calloc(1, r->file_bytes + 1);
    size_t lines = 0;
    assert_int_equal(pread(r->file, text, r->file_bytes, 0), r->file_bytes);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; lines++) {
        json_t *one = json_loads(line, 0, NULL);
        assert_true(json_is_object(one));
        json_decref(one);
    }
    free(text);
    return lines;
}

static void exports_hold_every_item_and_interaction(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/export/items"), 200);
    assert_string_equal(s->response.content_type, "application/x-ndjson");
    assert_int_equal(lines_of(&s->response), SHOP_ITEMS);
    assert_int_equal(shop_get(s, "/export/interactions"), 200);
    size_t lines = lines_of(&s->response);
    shop_get(s, "/health");
    assert_int_equal(lines, shop_number(s, "interactions"));
}

static void calls_that_need_no_key_take_any_parameter(void **state)
{
    api_shop *s = *state;
    static const char *const targets[] = {"/health?probe=1", "/health/live?probe=1",
                                          "/health/ready?probe=1", "/openapi.yaml?probe=1",
                                          "/console?probe=1"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(shop_get(s, targets[i]), 200);
    }
}

static void health_tells_ready_degraded_and_stopping(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/health/live"), 200);
    assert_int_equal(shop_get(s, "/health/ready"), 200);
    assert_true(json_is_null(shop_at(s, "model")));
    snprintf(s->health.problem, sizeof s->health.problem, "the convolution fails");
    assert_int_equal(shop_get(s, "/health"), 200);
    assert_string_equal(shop_text(s, "status"), "degraded");
    s->health.writable = false;
    snprintf(s->health.problem, sizeof s->health.problem, "the disk is full");
    assert_int_equal(shop_get(s, "/health"), 200);
    assert_string_equal(shop_text(s, "status"), "degraded");
    assert_string_equal(shop_text(s, "problem"), "the disk is full");
    assert_int_equal(shop_get(s, "/health/ready"), 200); /* reads go on */
    s->health.stopping = true;
    assert_int_equal(shop_get(s, "/health/ready"), 503);
    assert_true(s->response.retry_after_seconds > 0);
    assert_int_equal(shop_get(s, "/health/live"), 200);
}

static void documents_are_those_of_the_source_tree(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/openapi.yaml"), 200);
    assert_int_equal(s->response.body.length, asset_openapi_length);
    assert_memory_equal(s->response.body.at, asset_openapi, asset_openapi_length);
    assert_non_null(memmem(s->response.body.at, s->response.body.length, "\nopenapi: 3.1", 13));
    assert_int_equal(shop_get(s, "/console"), 200);
    assert_string_equal(s->response.content_type, "text/html; charset=utf-8");
    assert_int_equal(shop_get(s, "/metrics"), 200);
    assert_memory_equal(s->response.content_type, "text/plain", 10);
}

static void methods_beside_get_are_told_by_allow(void **state)
{
    api_shop *s = *state;
    static const struct {
        const char *target, *allow;
    } paths[] = {{"/items/delete", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
                 {"/items/x", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
                 {"/items", "GET, HEAD, POST, PUT, PATCH, OPTIONS"},
                 {"/interactions", "POST, DELETE, OPTIONS"},
                 {"/users/x", "GET, HEAD, DELETE, OPTIONS"},
                 {"/model/train", "GET, HEAD, POST, DELETE, OPTIONS"},
                 {"/snapshot", "POST, OPTIONS"},
                 {"/recommend", "GET, HEAD, POST, OPTIONS"},
                 {"/health", "GET, HEAD, OPTIONS"}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(shop_call(s, "OPTIONS", paths[i].target, NULL), 204);
        assert_string_equal(s->response.allow, paths[i].allow);
        assert_int_equal(s->response.body.length, 0);
        assert_int_equal(shop_call(s, "TRACE", paths[i].target, NULL), 405);
        assert_string_equal(s->response.allow, paths[i].allow);
    }
    assert_int_equal(shop_call(s, "OPTIONS", "/nothing", NULL), 404);
    assert_int_equal(shop_call(s, "HEAD", "/popular", NULL), 200);
    assert_string_equal(s->response.route, "/popular");
}

static void the_role_and_the_limit_are_known_before_the_body(void **state)
{
    api_shop *s = *state;
    static const struct {
        const char *method, *target, *route;
        api_role role;
        bool takes_body, exists;
    } cases[] = {{"GET", "/recommend?user=a", "/recommend", API_READ, false, true},
                 {"POST", "/recommend", "/recommend", API_READ, true, true},
                 {"POST", "/items", "/items", API_WRITE, true, true},
                 {"PUT", "/items/a%2Fb", "/items/{id}", API_WRITE, true, true},
                 {"DELETE", "/users/a", "/users/{id}", API_WRITE, false, true},
                 {"POST", "/model/train", "/model/train", API_ADMIN, true, true},
                 {"GET", "/export/items", "/export/items", API_ADMIN, false, true},
                 {"GET", "/health/ready", "/health/ready", API_OPEN, false, true},
                 {"GET", "/openapi.yaml", "/openapi.yaml", API_OPEN, false, true},
                 {"GET", "/metrics", "/metrics", API_READ, false, true},
                 {"GET", "/nothing", "none", API_READ, false, false},
                 {"GET", "%%%", "none", API_READ, false, false},
                 {"DELETE", "/popular", "/popular", API_READ, false, false}};
    api_limits limits;
    api_limits_get(s->api, &limits);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_route r;
        api_route_find(s->api, slice_of(cases[i].method), slice_of(cases[i].target), &r);
        assert_string_equal(r.route, cases[i].route);
        assert_int_equal(r.role, cases[i].role);
        assert_int_equal(r.takes_body, cases[i].takes_body);
        assert_int_equal(r.exists, cases[i].exists);
        assert_int_equal(r.body_bytes_max, limits.body_bytes_max);
    }
    api_route_entry entry;
    for (size_t i = 0; api_route_at(i, &entry); i++) {
        bool writes =
            strcmp(entry.method, "GET") != 0 && strncmp(entry.route, "/recommend", 10) != 0;
        assert_true(!writes || entry.role >= API_WRITE);
    }
}

static void what_the_server_refuses_is_a_problem_too(void **state)
{
    api_shop *s = *state;
    static const unsigned statuses[] = {401, 403, 408, 413, 429, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        api_response r;
        api_response_init(&r, 1 << 20);
        api_refuse(&r, statuses[i], slice_of("id-\"1\""), "because");
        assert_int_equal(r.status, statuses[i]);
        assert_int_equal(r.www_authenticate != NULL, statuses[i] == 401);
        assert_int_equal(r.retry_after_seconds > 0, statuses[i] == 429 || statuses[i] == 503);
        json_t *body = json_loadb(r.body.at, r.body.length, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(body, "request_id")), "id-\"1\"");
        assert_int_equal(json_integer_value(json_object_get(body, "status")), statuses[i]);
        json_decref(body);
        api_response_fini(&r);
    }
    (void)s;
}

static void limits_are_configuration_and_are_named(void **state)
{
    (void)state;
    api_shop s;
    const api_limits limits = {.body_bytes_max = 200,
                               .body_values_max = 20,
                               .answer_bytes_max = 1 << 20,
                               .batch_items_max = 2,
                               .batch_interactions_max = 1,
                               .batch_requests_max = 1,
                               .exclude_max = 1,
                               .session_items_max = 1,
                               .errors_max = 1};
    shop_open(&s, &limits);
    static const struct {
        const char *target, *body, *limit;
    } cases[] = {
        {"/items", "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]}", "batch_items_max"},
        {"/items/delete", "{\"ids\":[\"a\",\"b\",\"c\"]}", "batch_items_max"},
        {"/interactions",
         "{\"interactions\":[{\"user\":\"a\",\"item\":\"b\"},{\"user\":\"a\",\"item\":\"c\"}]}",
         "batch_interactions_max"},
        {"/recommend/batch", "{\"requests\":[{\"user\":\"a\"},{\"user\":\"b\"}]}",
         "batch_requests_max"},
        {"/recommend", "{\"user\":\"a\",\"exclude_items\":[\"a\",\"b\"]}", "exclude_max"},
        {"/recommend", "{\"items\":[{\"item\":\"a\"},{\"item\":\"b\"}]}", "session_items_max"},
        {"/items",
         "{\"id\":\"a\",\"features\":{\"text\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}",
         "body_values_max"},
        {"/items",
         "{\"id\":\"a\",\"title\":"
         "\"ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
         "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
         "ttt"
         "ttttttttttttttttttttttttttttttttttttttttttttttttttttt\"}",
         "body_bytes_max"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(shop_call(&s, "POST", cases[i].target, cases[i].body), 413);
        assert_non_null(strstr(shop_text(&s, "detail"), cases[i].limit));
    }
    assert_int_equal(shop_get(&s, "/recommend?user=a&exclude=a&exclude=b"), 413);
    assert_non_null(strstr(shop_text(&s, "detail"), "exclude_max"));
    char *target = calloc(1, 10 + 2 * 5000);
    memcpy(target, "/popular?", 9);
    for (size_t i = 0; i < 5000; i++) {
        memcpy(target + 9 + 2 * i, "a&", 2);
    }
    assert_int_equal(shop_get(&s, target), 413);
    free(target);
    assert_int_equal(shop_call(&s, "POST", "/items", "{\"id\":5,\"title\":5}"), 400);
    assert_int_equal(shop_count(&s, "errors"), 1);
    assert_int_equal(shop_number(&s, "errors_omitted"), 1);
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(the_model_is_told_and_switched_and_rolled_back),
        T(a_training_is_started_watched_and_cancelled),
        T(a_snapshot_is_started_once_and_found),
        T(exports_hold_every_item_and_interaction),
        T(calls_that_need_no_key_take_any_parameter),
        T(health_tells_ready_degraded_and_stopping),
        T(documents_are_those_of_the_source_tree),
        T(methods_beside_get_are_told_by_allow),
        T(the_role_and_the_limit_are_known_before_the_body),
        T(what_the_server_refuses_is_a_problem_too),
        cmocka_unit_test(limits_are_configuration_and_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
