/* SPDX-License-Identifier: Apache-2.0 */
/* Interactions and users as a client sees them: types, repeats, unknown items, removal, erasure. */
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

static void an_interaction_creates_its_user_and_is_listed(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/interactions",
                               "{\"user\":\"zoe\",\"item\":\"sku-9\",\"type\":\"view\","
                               "\"timestamp\":\"2023-05-01T10:00:00+02:00\",\"weight\":0.5,"
                               "\"recommendation_id\":\"abc\"}"),
                     201);
    assert_string_equal(shop_text(s, "user"), "zoe");
    assert_int_equal(shop_get(s, "/users/zoe"), 200);
    assert_int_equal(shop_number(s, "interactions"), 1);
    assert_int_equal(shop_get(s, "/users/zoe/interactions"), 200);
    assert_string_equal(shop_text(s, "interactions/0/item"), "sku-9");
    assert_string_equal(shop_text(s, "interactions/0/type"), "view");
    assert_string_equal(shop_text(s, "interactions/0/timestamp"), "2023-05-01T08:00:00Z");
    assert_float_equal(shop_number(s, "interactions/0/weight"), 0.5, 0);
}

static void a_repeat_answers_200_and_keeps_the_newest_time(void **state)
{
    api_shop *s = *state;
    const char *bodies[] = {"{\"user\":\"zoe\",\"item\":\"sku-9\",\"timestamp\":1600000000}",
                            "{\"user\":\"zoe\",\"item\":\"sku-9\",\"timestamp\":1650000000}",
                            "{\"user\":\"zoe\",\"item\":\"sku-9\",\"timestamp\":1500000000}"};
    assert_int_equal(shop_call(s, "POST", "/interactions", bodies[0]), 201);
    assert_int_equal(shop_call(s, "POST", "/interactions", bodies[1]), 200);
    assert_int_equal(shop_call(s, "POST", "/interactions", bodies[2]), 200);
    shop_get(s, "/users/zoe/interactions");
    assert_int_equal(shop_count(s, "interactions"), 1);
    assert_string_equal(shop_text(s, "interactions/0/timestamp"), "2022-04-15T05:20:00Z");
}

static void types_decide_what_is_seen(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/interactions",
                               "{\"interactions\":[{\"user\":\"zoe\",\"item\":\"sku-0\"},"
                               "{\"user\":\"zoe\",\"item\":\"sku-1\",\"type\":\"cart\"},"
                               "{\"user\":\"zoe\",\"item\":\"sku-2\",\"type\":\"view\"},"
                               "{\"user\":\"zoe\",\"item\":\"sku-3\",\"type\":\"dismiss\"}]}"),
                     200);
    assert_int_equal(shop_number(s, "accepted"), 4);
    assert_int_equal(shop_number(s, "results/3/status"), 201);
    shop_get(s, "/recommend?user=zoe&k=100");
    assert_false(shop_lists(s, "items", "sku-0"));
    assert_true(shop_lists(s, "items", "sku-1"));
    assert_true(shop_lists(s, "items", "sku-2"));
    assert_false(shop_lists(s, "items", "sku-3"));
}

static void unknown_items_are_refused_or_created_hidden(void **state)
{
    api_shop *s = *state;
    assert_int_equal(shop_call(s, "POST", "/interactions",
                               "{\"interactions\":[{\"user\":\"zoe\",\"item\":\"later\"},"
                               "{\"user\":\"zoe\",\"item\":\"sku-1\"}]}"),
                     200);
    assert_int_equal(shop_number(s, "accepted"), 1);
    assert_int_equal(shop_number(s, "results/0/status"), 404);
    assert_int_equal(shop_call(s, "POST", "/interactions",
                               "{\"interactions\":[{\"user\":\"zoe\",\"item\":\"later\"}],"
                               "\"unknown_items\":\"create\"}"),
                     200);
    assert_int_equal(shop_get(s, "/items/later"), 200);
    assert_true(json_is_true(shop_at(s, "hidden")));
    shop_get(s, "/latest?k=100");
    assert_false(shop_lists(s, "items", "later"));
    assert_int_equal(shop_call(s, "PUT", "/items/later", "{\"title\":\"now\"}"), 200);
    shop_get(s, "/latest?k=100");
    assert_true(shop_lists(s, "items", "later"));
}

static void removal_takes_one_type_or_all(void **state)
{
    api_shop *s = *state;
    shop_call(
        s, "POST", "/interactions",
        "{\"interactions\":[{\"user\":\"zoe\",\"item\":\"sku-1\"},{\"user\":\"zoe\",\"item\":"
        "\"sku-1\",\"type\":\"view\"},{\"user\":\"zoe\",\"item\":\"sku-1\",\"type\":\"cart\"}]}");
    assert_int_equal(
        shop_call(s, "DELETE", "/interactions?user=zoe&item=sku-1&type=purchase", NULL), 200);
    assert_int_equal(shop_number(s, "removed"), 1);
    shop_get(s, "/recommend?user=zoe&k=100");
    assert_true(shop_lists(s, "items", "sku-1"));
    assert_int_equal(shop_call(s, "DELETE", "/interactions?user=zoe&item=sku-1", NULL), 200);
    assert_int_equal(shop_number(s, "removed"), 2);
    assert_int_equal(shop_call(s, "DELETE", "/interactions?user=zoe&item=sku-1", NULL), 404);
}

static void erasure_leaves_nothing_of_a_user_and_gives_a_receipt(void **state)
{
    api_shop *s = *state;
    shop_train(s);
    shop_get(s, "/users/user-3");
    double had = shop_number(s, "interactions");
    assert_int_equal(shop_call(s, "DELETE", "/users/user-3", NULL), 200);
    assert_string_equal(shop_text(s, "user"), "user-3");
    assert_int_equal(shop_number(s, "erased/interactions"), had);
    assert_int_equal(shop_number(s, "erased/generations"), 1);
    assert_true(shop_count(s, "out_of_reach") > 0);
    assert_int_equal(shop_get(s, "/users/user-3"), 404);
    assert_int_equal(shop_get(s, "/users/user-3/interactions"), 404);
    assert_int_equal(shop_get(s, "/recommend?user=user-3&strict=true"), 404);
    assert_int_equal(shop_get(s, "/recommend?user=user-3"), 200);
    assert_string_equal(shop_text(s, "fallback"), "unknown_user");
    assert_int_equal(shop_call(s, "DELETE", "/users/user-3", NULL), 404);
}

static void pages_of_a_user_give_every_record_once(void **state)
{
    api_shop *s = *state;
    shop_get(s, "/users/user-5/interactions?limit=1000");
    size_t all = shop_count(s, "interactions"), found = 0;
    assert_true(all > 2);
    char target[128] = "/users/user-5/interactions?limit=2";
    for (int pages = 0; pages < 10; pages++) {
        assert_int_equal(shop_get(s, target), 200);
        found += shop_count(s, "interactions");
        if (json_is_null(shop_at(s, "next_cursor"))) {
            break;
        }
        snprintf(target, sizeof target, "/users/user-5/interactions?limit=2&cursor=%s",
                 shop_text(s, "next_cursor"));
    }
    assert_int_equal(found, all);
}

static void interactions_with_a_deleted_item_are_not_listed(void **state)
{
    api_shop *s = *state;
    shop_get(s, "/users/user-5/interactions?limit=1000");
    size_t all = shop_count(s, "interactions");
    char target[64];
    snprintf(target, sizeof target, "/items/%s", shop_text(s, "interactions/0/item"));
    assert_int_equal(shop_call(s, "DELETE", target, NULL), 200);
    shop_get(s, "/users/user-5/interactions?limit=1000");
    assert_int_equal(shop_count(s, "interactions"), all - 1);
}

static void make_again(api_shop *s)
{
    assert_int_equal(shop_call(s, "DELETE", "/items/again", NULL), 200);
    assert_int_equal(shop_get(s, "/users/buyer"), 200);
    assert_int_equal(shop_number(s, "interactions"), 1);
    assert_int_equal(shop_call(s, "POST", "/items", "{\"id\":\"again\"}"), 201);
}

static void an_item_that_is_made_again_keeps_its_place_in_its_buyers_list(void **state)
{
    api_shop *s = *state;
    shop_call(s, "POST", "/items", "{\"items\":[{\"id\":\"again\"},{\"id\":\"other\"}]}");
    shop_call(s, "POST", "/interactions",
              "{\"interactions\":[{\"user\":\"buyer\",\"item\":\"again\",\"type\":\"purchase\"},"
              "{\"user\":\"buyer\",\"item\":\"again\",\"type\":\"view\",\"timestamp\":100},"
              "{\"user\":\"buyer\",\"item\":\"other\",\"type\":\"view\"}]}");
    make_again(s);
    make_again(s);
    assert_int_equal(shop_get(s, "/users/buyer"), 200);
    assert_int_equal(shop_number(s, "interactions"), 3);
    assert_int_equal(shop_get(s, "/users/buyer/interactions"), 200);
    assert_int_equal(shop_count(s, "interactions"), 3);
    assert_true(shop_lists(s, "interactions", "again"));
    /* A newer record replaces the one from before the deletion. */
    assert_int_equal(shop_call(s, "POST", "/interactions",
                               "{\"user\":\"buyer\",\"item\":\"again\",\"type\":\"view\"}"),
                     201);
    assert_int_equal(shop_get(s, "/users/buyer/interactions"), 200);
    assert_int_equal(shop_count(s, "interactions"), 3);
    assert_null(memmem(s->response.body.at, s->response.body.length, "1970-", 5));
    /* Removing it removes all of them, with the mark as seen. */
    assert_int_equal(shop_call(s, "DELETE", "/interactions?user=buyer&item=again", NULL), 200);
    assert_int_equal(shop_number(s, "removed"), 3);
    assert_int_equal(shop_get(s, "/users/buyer/interactions"), 200);
    assert_int_equal(shop_count(s, "interactions"), 1);
    assert_int_equal(shop_get(s, "/recommend?user=buyer&k=200"), 200);
    assert_true(shop_lists(s, "items", "again"));
    assert_int_equal(shop_call(s, "DELETE", "/interactions?user=buyer&item=again", NULL), 404);
}

static void a_repeated_key_on_interactions_gets_the_first_answer(void **state)
{
    api_shop *s = *state;
    const shop_request r = {.method = "POST",
                            .target = "/interactions",
                            .content_type = "application/json; charset=utf-8",
                            .idempotency_key = "order-77",
                            .body = "{\"user\":\"zoe\",\"item\":\"sku-1\"}"};
    assert_int_equal(shop_send(s, &r), 201);
    uint64_t seq = shop_seq(s);
    assert_int_equal(shop_send(s, &r), 201);
    assert_int_equal(shop_seq(s), seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(an_interaction_creates_its_user_and_is_listed),
        T(a_repeat_answers_200_and_keeps_the_newest_time),
        T(types_decide_what_is_seen),
        T(unknown_items_are_refused_or_created_hidden),
        T(removal_takes_one_type_or_all),
        T(erasure_leaves_nothing_of_a_user_and_gives_a_receipt),
        T(pages_of_a_user_give_every_record_once),
        T(interactions_with_a_deleted_item_are_not_listed),
        T(an_item_that_is_made_again_keeps_its_place_in_its_buyers_list),
        T(a_repeated_key_on_interactions_gets_the_first_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
