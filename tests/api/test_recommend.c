/* SPDX-License-Identifier: Apache-2.0 */
/* Lists as a client sees them: personal lists with and without a model, sessions, filters, batches,
 * explanations, and the strict guarantees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_shop.h"

static int set_up_empty(void **state)
{
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, NULL);
    *state = s;
    return 0;
}

static int set_up_trained(void **state)
{
    set_up_empty(state);
    shop_stock(*state);
    shop_train(*state);
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static void an_empty_shop_answers_with_an_empty_list(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/recommend?user=nobody"), 200);
    assert_int_equal(shop_count(s, "items"), 0);
    assert_true(json_is_null(shop_at(s, "model")));
    assert_string_equal(shop_text(s, "fallback"), "no_model");
    assert_int_equal(shop_number(s, "seq"), 0);
    assert_int_equal(shop_get(s, "/popular"), 200);
    assert_int_equal(shop_get(s, "/latest"), 200);
    assert_int_equal(shop_get(s, "/similar?item=a"), 404);
}

static void without_a_model_popular_items_answer_under_the_same_rules(void **state)
{
    api_shop *s = *state;
    shop_stock(s);
    assert_int_equal(shop_get(s, "/users/user-0/interactions"), 200);
    const char *bought = shop_text(s, "interactions/0/item");
    char id[32];
    snprintf(id, sizeof id, "%s", bought);
    assert_int_equal(shop_get(s, "/recommend?user=user-0&k=60"), 200);
    assert_string_equal(shop_text(s, "fallback"), "no_model");
    assert_true(shop_count(s, "items") > 0);
    assert_false(shop_lists(s, "items", id));
    assert_int_equal(shop_get(s, "/recommend?user=user-0&k=60&include_seen=true"), 200);
    assert_true(shop_lists(s, "items", id));
}

static void a_user_gets_the_list_of_their_own_group(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/recommend?user=user-1&k=5"), 200);
    assert_string_equal(shop_text(s, "user"), "user-1");
    assert_int_equal(shop_number(s, "k"), 5);
    assert_int_equal(shop_number(s, "model"), 1);
    assert_true(json_is_null(shop_at(s, "fallback")));
    assert_true(json_is_true(shop_at(s, "exact")));
    assert_int_equal(strlen(shop_text(s, "recommendation_id")), 32);
    assert_int_equal(shop_count(s, "items"), 5);
    int own = 0;
    double before = INFINITY;
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "items/%d/item", i);
        own += atoi(shop_text(s, path) + 4) % 3 == 1;
        snprintf(path, sizeof path, "items/%d/score", i);
        assert_true(shop_number(s, path) <= before);
        before = shop_number(s, path);
    }
    assert_true(own >= 4);
}

static void pages_continue_the_list(void **state)
{
    api_shop *s = *state;
    char third[32];
    shop_get(s, "/recommend?user=user-1&k=4");
    snprintf(third, sizeof third, "%s", shop_text(s, "items/2/item"));
    shop_get(s, "/recommend?user=user-1&k=2&offset=2");
    assert_string_equal(shop_text(s, "items/0/item"), third);
}

static void hidden_deleted_excluded_and_seen_items_are_in_no_list(void **state)
{
    api_shop *s = *state;
    static const char *const lists[] = {"/recommend?user=user-1&k=100", "/popular?k=100",
                                        "/latest?k=100", "/similar?item=sku-1&k=100",
                                        "/recommend?user=nobody&k=100"};
    shop_call(s, "PATCH", "/items/sku-4", "{\"hidden\":true}");
    shop_call(s, "DELETE", "/items/sku-7", NULL);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char target[128];
        snprintf(target, sizeof target, "%s&exclude=sku-10&exclude=unknown", lists[i]);
        assert_int_equal(shop_get(s, target), 200);
        assert_true(shop_count(s, "items") > 0);
        assert_false(shop_lists(s, "items", "sku-4"));
        assert_false(shop_lists(s, "items", "sku-7"));
        assert_false(shop_lists(s, "items", "sku-10"));
    }
    shop_get(s, "/recommend?user=user-1&k=1");
    char first[32], body[128];
    snprintf(first, sizeof first, "%s", shop_text(s, "items/0/item"));
    snprintf(body, sizeof body, "{\"user\":\"user-1\",\"item\":\"%s\"}", first);
    assert_int_equal(shop_call(s, "POST", "/interactions", body), 201);
    shop_get(s, "/recommend?user=user-1&k=100");
    assert_false(shop_lists(s, "items", first));
    shop_get(s, "/recommend?user=user-1&k=100&include_seen=true");
    assert_true(shop_lists(s, "items", first));
}

static void the_parts_of_an_explanation_sum_to_the_score_at_every_balance(void **state)
{
    api_shop *s = *state;
    for (int b = 0; b <= 4; b++) {
        char target[128];
        snprintf(target, sizeof target, "/recommend?user=user-2&k=5&explain=true&balance=%g",
                 b / 4.0);
        assert_int_equal(shop_get(s, target), 200);
        for (size_t i = 0; i < 5; i++) {
            char path[64];
            snprintf(path, sizeof path, "items/%zu", i);
            const json_t *hit = shop_at(s, path);
            const json_t *explain = json_object_get(hit, "explain");
            double score = json_number_value(json_object_get(hit, "score"));
            double sum = json_number_value(json_object_get(explain, "collaborative")) +
                         json_number_value(json_object_get(explain, "multimodal"));
            assert_true(fabs(sum - score) <= 1e-5 * fmax(1.0, fabs(score)));
            /* One part alone can lead to items that resemble none of the user's items. */
            assert_true(b != 2 || json_array_size(json_object_get(explain, "because")) > 0);
        }
    }
    char with[64], without[64];
    shop_get(s, "/recommend?user=user-2&k=1&balance=0.5");
    snprintf(with, sizeof with, "%.9g", shop_number(s, "items/0/score"));
    shop_get(s, "/recommend?user=user-2&k=1");
    snprintf(without, sizeof without, "%.9g", shop_number(s, "items/0/score"));
    assert_string_equal(with, without);
}

static void filters_hold_for_every_item_of_a_list(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/recommend",
                               "{\"user\":\"user-0\",\"k\":50,\"include_seen\":true,"
                               "\"fields\":[\"attributes\",\"categories\",\"title\"],\"filter\":{"
                               "\"categories_any\":[\"books\",\"shoes\"],"
                               "\"categories_none\":[\"shoes\"],\"attributes\":{\"brand\":\"odd\","
                               "\"price\":{\"gte\":7,\"lt\":43}}}}"),
                     200);
    assert_int_equal(shop_count(s, "items"), 6); /* i % 3 == 1, odd, 7 <= i < 43 */
    for (int i = 0; i < 6; i++) {
        char path[64];
        snprintf(path, sizeof path, "items/%d/attributes/price", i);
        double price = shop_number(s, path);
        assert_true(price >= 7 && price < 43 && (int)price % 6 == 1);
        snprintf(path, sizeof path, "items/%d/categories/0", i);
        assert_string_equal(shop_text(s, path), "books");
    }
    assert_int_equal(shop_get(s, "/recommend?user=user-0&k=60&category=books&include_seen=true"),
                     200);
    assert_int_equal(shop_count(s, "items"), 20);
    assert_int_equal(shop_get(s, "/latest?k=60&category=books&category=garden&fields=title"), 200);
    assert_int_equal(shop_count(s, "items"), 40);
    assert_string_equal(shop_text(s, "items/0/title"), "Thing \"1\"");
}

static void of_one_second_the_item_that_came_last_is_the_latest(void **state)
{
    api_shop *s = *state;
    static const char *const created[] = {"1700000001", "1700000000", "1700000001"};
    for (int i = 0; i < 3; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"id\":\"now-%d\",\"categories\":[\"now\"],\"created\":%s}",
                 i, created[i]);
        assert_int_equal(shop_call(s, "POST", "/items", body), 201);
    }
    static const char *const want[] = {"now-2", "now-0", "now-1"};
    for (int list = 0; list < 2; list++) {
        assert_int_equal(shop_get(s, list == 0 ? "/latest?category=now" : "/popular?category=now"),
                         200);
        assert_int_equal(shop_count(s, "items"), 3);
        for (int i = 0; i < 3; i++) {
            char path[32];
            snprintf(path, sizeof path, "items/%d/item", i);
            assert_string_equal(shop_text(s, path), want[i]);
        }
    }
    assert_int_equal(shop_get(s, "/latest?category=now"), 200);
    assert_true(shop_number(s, "items/0/score") == 1700000001.0);
    assert_true(shop_number(s, "items/2/score") == 1700000000.0);
}

static void a_session_without_a_user_is_answered_like_a_new_user(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/recommend",
                               "{\"items\":[{\"item\":\"sku-2\"},{\"item\":\"sku-5\",\"weight\":2},"
                               "{\"item\":\"not-there\"}],\"k\":5}"),
                     200);
    assert_true(json_is_null(shop_at(s, "user")));
    assert_true(json_is_null(shop_at(s, "fallback")));
    assert_false(shop_lists(s, "items", "sku-2"));
    int own = 0;
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "items/%d/item", i);
        own += atoi(shop_text(s, path) + 4) % 3 == 2;
    }
    assert_true(own >= 4);
    /* items, interactions, registration, activation: the session is not stored */
    assert_int_equal(shop_seq(s), 4);
}

static void fallbacks_say_why(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_get(s, "/recommend?user=nobody"), 200);
    assert_string_equal(shop_text(s, "fallback"), "unknown_user");
    assert_int_equal(shop_count(s, "items"), 10);
    assert_int_equal(shop_get(s, "/recommend?user=nobody&strict=true"), 404);
    assert_int_equal(shop_call(s, "POST", "/recommend", "{\"items\":[{\"item\":\"gone\"}]}"), 200);
    assert_string_equal(shop_text(s, "fallback"), "no_candidates");
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"bare\"}"), 201);
    static const char odd[] = "{\"user\":\"nobody\",\"items\":[{\"item\":\"bare\"}]}";
    assert_int_equal(shop_call(s, "POST", "/recommend", odd), 200);
    assert_string_equal(shop_text(s, "fallback"), "unknown_user");
    shop_call(s, "POST", "/interactions",
              "{\"user\":\"fresh\",\"item\":\"sku-1\",\"type\":\"dismiss\"}");
    assert_int_equal(shop_get(s, "/recommend?user=fresh&strict=true"), 200);
    assert_string_equal(shop_text(s, "fallback"), "new_user");
    assert_false(shop_lists(s, "items", "sku-1"));
    assert_int_equal(shop_get(s, "/recommend?user=user-1&k=100&explain=true"), 200);
    assert_true(shop_count(s, "items") <= SHOP_ITEMS);
}

static void a_batch_answers_every_entry_from_one_view(void **state)
{
    api_shop *s = *state;
    assert_int_equal(
        shop_call(
            s, "POST", "/recommend/batch",
            "{\"requests\":[{\"user\":\"user-0\",\"k\":3},"
            "{\"user\":\"nobody\",\"strict\":true},{\"items\":[{\"item\":\"sku-1\"}],\"k\":2}]}"),
        200);
    assert_int_equal(shop_count(s, "results"), 3);
    assert_int_equal(shop_count(s, "results/0/items"), 3);
    assert_int_equal(shop_number(s, "results/1/status"), 404);
    assert_int_equal(shop_count(s, "results/2/items"), 2);
    assert_int_equal(shop_number(s, "seq"), 4);
    assert_int_equal(shop_call(s, "POST", "/recommend/batch",
                               "{\"requests\":[{\"user\":\"a\"},{\"k\":0,\"user\":\"b\"}]}"),
                     400);
    assert_string_equal(shop_text(s, "errors/0/pointer"), "/requests/1/k");
}

static void too_many_exclusions_in_a_query_are_refused_where_they_are(void **state)
{
    api_shop *s = *state;
    char target[16 + 11 * 1001] = "/popular?k=1";
    size_t length = strlen(target);
    for (int i = 0; i < 1001; i++) {
        length += (size_t)snprintf(target + length, sizeof target - length, "&exclude=x");
    }
    assert_int_equal(shop_get(s, target), 413);
    assert_string_equal(shop_text(s, "detail"), "exclude: 1001 items, over exclude_max = 1000");
    assert_string_equal(shop_text(s, "errors/0/parameter"), "exclude");
}

static void a_new_item_is_in_the_next_matching_list_and_tells_its_neighbours(void **state)
{
    api_shop *s = *state;
    shop_get(s, "/items/sku-4?fields=features");
    char *features = json_dumps(shop_at(s, "features"), JSON_COMPACT);
    char body[8192];
    snprintf(body, sizeof body, "{\"id\":\"new\",\"features\":%s,\"categories\":[\"books\"]}",
             features);
    assert_int_equal(shop_call(s, "POST", "/items", body), 201);
    assert_int_equal(shop_number(s, "model"), 1);
    assert_int_equal(shop_count(s, "embedding/from"), 2);
    assert_int_equal(shop_count(s, "embedding/missing"), 0);
    assert_string_equal(shop_text(s, "embedding/neighbours/0/item"), "sku-4");
    assert_int_equal(shop_call(s, "PATCH", "/items/sku-4", "{\"hidden\":true}"), 200);
    snprintf(body, sizeof body, "{\"id\":\"later\",\"features\":%s}", features);
    assert_int_equal(shop_call(s, "POST", "/items", body), 201);
    assert_true(shop_count(s, "embedding/neighbours") > 0);
    assert_false(shop_lists(s, "embedding/neighbours", "sku-4"));
    assert_int_equal(shop_call(s, "PATCH", "/items/sku-4", "{\"hidden\":false}"), 200);
    free(features);
    shop_get(s, "/recommend?user=user-1&k=20");
    assert_true(shop_lists(s, "items", "new"));
    shop_get(s, "/similar?item=new&k=5&by=multimodal");
    assert_true(shop_lists(s, "items", "sku-4"));
    assert_int_equal(shop_get(s, "/items/new?embedding=true"), 200);
    assert_int_equal(shop_count(s, "embedding"), 16);
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"bare\"}"), 201);
    assert_int_equal(shop_count(s, "embedding/missing"), 2);
    shop_get(s, "/latest?k=1");
    assert_int_equal(shop_count(s, "items"), 1);
}

static void similar_items_are_of_the_same_group(void **state)
{
    api_shop *s = *state;
    static const char *const by[] = {"all", "collaborative", "multimodal"};
    for (int i = 0; i < 3; i++) {
        char target[64];
        snprintf(target, sizeof target, "/similar?item=sku-1&k=5&by=%s", by[i]);
        assert_int_equal(shop_get(s, target), 200);
        assert_string_equal(shop_text(s, "by"), by[i]);
        assert_false(shop_lists(s, "items", "sku-1"));
        assert_int_equal(shop_count(s, "items"), 5);
    }
    assert_int_equal(atoi(shop_text(s, "items/0/item") + 4) % 3, 1);
}

static void the_phases_of_every_list_are_told_apart(void **state)
{
    api_shop *s = *state;
    static const char *const targets[] = {"/recommend?user=user-1", "/popular", "/latest",
                                          "/similar?item=sku-1"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(shop_get(s, targets[i]), 200);
        for (int phase = 0; phase < API_PHASES; phase++) {
            assert_int_equal(s->response.phase_ns[phase], 1000);
        }
    }
    shop_get(s, "/items/sku-1");
    assert_int_equal(s->response.phase_ns[API_PHASE_FILTER], 0);
}

static void an_item_that_is_deleted_and_posted_again_stays_seen_by_its_buyer(void **state)
{
    api_shop *s = *state;
    shop_call(s, "POST", "/items", "{\"items\":[{\"id\":\"again\"},{\"id\":\"other\"}]}");
    shop_call(s, "POST", "/interactions", "{\"user\":\"buyer\",\"item\":\"again\"}");
    for (int times = 0; times < 3; times++) {
        assert_int_equal(shop_call(s, "DELETE", "/items/again", NULL), 200);
        assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"again\"}"), 201);
        assert_int_equal(shop_get(s, "/recommend?user=buyer&k=1000"), 200);
        assert_null(memmem(s->response.body.at, s->response.body.length, "\"again\"", 7));
        assert_int_equal(shop_get(s, "/recommend?user=buyer&k=1000&include_seen=true"), 200);
        assert_non_null(memmem(s->response.body.at, s->response.body.length, "\"again\"", 7));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define E(name) cmocka_unit_test_setup_teardown(name, set_up_empty, tear_down)
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_trained, tear_down)
        E(an_empty_shop_answers_with_an_empty_list),
        E(an_item_that_is_deleted_and_posted_again_stays_seen_by_its_buyer),
        E(without_a_model_popular_items_answer_under_the_same_rules),
        T(a_user_gets_the_list_of_their_own_group),
        T(pages_continue_the_list),
        T(hidden_deleted_excluded_and_seen_items_are_in_no_list),
        T(the_parts_of_an_explanation_sum_to_the_score_at_every_balance),
        T(filters_hold_for_every_item_of_a_list),
        T(a_session_without_a_user_is_answered_like_a_new_user),
        T(fallbacks_say_why),
        T(a_batch_answers_every_entry_from_one_view),
        T(too_many_exclusions_in_a_query_are_refused_where_they_are),
        T(a_new_item_is_in_the_next_matching_list_and_tells_its_neighbours),
        T(of_one_second_the_item_that_came_last_is_the_latest),
        T(similar_items_are_of_the_same_group),
        T(the_phases_of_every_list_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
