/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of a request fails once. The answer is then a problem, or right if the memory
 * was not needed; nothing leaks, and the next request is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "tests/support/api_shop.h"

enum { ALLOCATIONS_MAX = 3000 };

static const struct {
    const char *method, *target, *body;
} requests[] = {
    {"GET",
     "/recommend?user=user-1&k=5&category=books&exclude=sku-1&explain=true&fields=title,"
     "attributes",
     NULL},
    {"POST", "/recommend",
     "{\"items\":[{\"item\":\"sku-1\"}],\"exclude_items\":[\"sku-2\"],\"fields\":[\"title\"],"
     "\"filter\":{\"categories_any\":[\"books\"],\"attributes\":{\"price\":{\"gte\":1}}}}"},
    {"POST", "/recommend/batch", "{\"requests\":[{\"user\":\"user-1\"},{\"user\":\"user-2\"}]}"},
    {"GET", "/similar?item=sku-1", NULL},
    {"GET", "/similar?text=warm%20winter%20jacket&k=5", NULL},
    {"POST", "/recommend",
     "{\"user\":\"user-1\",\"text\":\"a title\",\"items\":[{\"item\":\"sku-1\"}],"
     "\"diversity\":0.5,\"explain\":true}"},
    {"POST", "/recommend/batch",
     "{\"requests\":[{\"text\":\"a title\"},{\"items\":[{\"item\":\"sku-2\"}],\"filter\":"
     "{\"categories_any\":[\"books\"]}},{\"items\":[{\"item\":\"sku-3\"}],\"filter\":"
     "{\"categories_any\":[\"books\"]}}]}"},
    {"GET", "/recommend?user=user-1&min_seq=1", NULL},
    {"GET", "/users?limit=3", NULL},
    {"GET", "/users/user-1", NULL},
    {"GET", "/model/train", NULL},
    {"GET", "/metrics", NULL},
    {"GET", "/export/interactions", NULL},
    {"GET", "/items/sku-1?embedding=true&fields=features,title", NULL},
    {"GET", "/items?limit=3", NULL},
    {"GET", "/users/user-1/interactions", NULL},
    {"GET", "/model/generations", NULL},
    {"GET", "/model", NULL},
    {"GET", "/export/items", NULL},
    {"GET", "/health", NULL},
    {"POST", "/items",
     "{\"items\":[{\"id\":\"x\",\"title\":\"X\",\"categories\":[\"a\"],"
     "\"features\":{\"text\":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7]}},{\"id\":\"y\"}]}"},
    {"PUT", "/items/new", "{\"title\":\"New\",\"description\":\"warm and red\"}"},
    {"PATCH", "/items", "{\"items\":[{\"id\":\"sku-4\",\"title\":\"Other\"}]}"},
    {"DELETE", "/items/sku-5", NULL},
    {"POST", "/model/activate", "{\"generation\":1}"},
    {"POST", "/snapshot", "{\"name\":\"monday\"}"},
    {"PATCH", "/items/sku-1", "{\"attributes\":{\"price\":5}}"},
    {"POST", "/items/delete", "{\"ids\":[\"sku-1\",\"sku-2\"]}"},
    {"POST", "/interactions", "{\"interactions\":[{\"user\":\"a\",\"item\":\"sku-1\"}]}"},
    {"DELETE", "/interactions?user=user-1&item=sku-1", NULL},
    {"DELETE", "/users/user-1", NULL},
    {"POST", "/model/train", "{\"epochs\":5,\"neighbours\":{\"text\":5}}"},
    {"POST", "/items", "{\"id\":5,\"title\":5,\"hidden\":5}"},
};

/* attempt runs one request whose allocation `n` fails. It tells whether all allocations
 * succeeded. */
static bool attempt(api_shop *s, size_t which, long n)
{
    api_response r;
    api_write *write = NULL;
    const char *body = requests[which].body;
    const api_request request = {.method = slice_of(requests[which].method),
                                 .target = slice_of(requests[which].target),
                                 .content_type = slice_of(body != NULL ? "application/json" : NULL),
                                 .idempotency_key = slice_of("key"),
                                 .request_id = slice_of("torture"),
                                 .body = slice_of(body),
                                 .now = SHOP_NOW};
    api_response_init(&r, (size_t)16 << 20);
    mem_fail_at(n);
    api_begin(s->api, &request, &r, &write);
    mem_fail_at(-1);
    bool whole = write != NULL || r.status < 400 ||
                 (r.status == 400 && which + 1 == sizeof requests / sizeof requests[0]);
    if (!whole && r.status != 503) {
        fail_msg("%s %s, allocation %ld: status %u: %.*s", requests[which].method,
                 requests[which].target, n, r.status, (int)r.body.length, r.body.at);
    }
    if (!whole) {
        assert_true(r.code == ERR_NOMEM);
        assert_string_equal(r.content_type, "application/problem+json");
    }
    api_abandon(s->api, write);
    api_response_fini(&r);
    s->training.state = API_TRAIN_IDLE;
    s->snapshot[0] = '\0';
    return whole;
}

static void every_failed_allocation_becomes_an_answer(void **state)
{
    (void)state;
    api_shop *s = calloc(1, sizeof *s);
    size_t failed = 0;
    shop_open(s, NULL);
    shop_stock(s);
    shop_train(s);
    for (size_t which = 0; which < sizeof requests / sizeof requests[0]; which++) {
        long n = 0;
        int in_a_row = 0; /* the code recovers from some failures, so one success is not the end */
        while (in_a_row < 20 && n < ALLOCATIONS_MAX) {
            bool whole = attempt(s, which, n++);
            in_a_row = whole ? in_a_row + 1 : 0;
            failed += !whole;
        }
        assert_true(n < ALLOCATIONS_MAX);
        assert_true(attempt(s, which, -1));
    }
    print_message("%zu requests refused for want of memory\n", failed);
    assert_true(failed > 50);
    shop_close(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_becomes_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
