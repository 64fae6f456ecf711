/* SPDX-License-Identifier: Apache-2.0 */
/* Readers beside the writer: the next answer includes every acknowledged write, every answer is
 * complete, and threads do not disturb each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_shop.h"

enum { READERS = 3, WRITES = 150 };

typedef struct reading {
    api *api;
    atomic_uint *newest; /* the number of items new-0, new-1, ... that were acknowledged */
    atomic_bool *done;
    unsigned answers, wrong;
    char first_wrong[256];
} reading;

static const json_t *find(const json_t *answer, const char *id)
{
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *hit = json_array_get(items, i);
        if (strcmp(json_string_value(json_object_get(hit, "item")), id) == 0) {
            return hit;
        }
    }
    return NULL;
}

static void ask(reading *r, api_response *response, const char *target, const char *must_have)
{
    api_write *write;
    const api_request request = {.method = slice_of("GET"),
                                 .target = slice_of(target),
                                 .request_id = slice_of("thread"),
                                 .now = SHOP_NOW};
    api_response_reset(response);
    api_begin(r->api, &request, response, &write);
    json_t *answer = json_loadb(response->body.at, response->body.length, 0, NULL);
    bool right = write == NULL && response->status == 200 && answer != NULL &&
                 (must_have == NULL || find(answer, must_have) != NULL);
    if (!right && r->wrong++ == 0) {
        snprintf(r->first_wrong, sizeof r->first_wrong, "%s %u %.*s", target, response->status,
                 (int)(response->body.length < 150 ? response->body.length : 150),
                 response->body.at);
    }
    r->answers++;
    json_decref(answer);
}

static void *read_on(void *ctx)
{
    reading *r = ctx;
    api_response response;
    api_response_init(&response, (size_t)16 << 20);
    while (!atomic_load(r->done)) {
        char id[32], target[128];
        unsigned newest = atomic_load(r->newest);
        ask(r, &response, "/recommend?user=user-1&k=20&explain=true&fields=title", NULL);
        ask(r, &response, "/popular?k=5", NULL);
        if (newest > 0) {
            snprintf(id, sizeof id, "new-%u", newest - 1);
            ask(r, &response, "/latest?k=200", id);
            snprintf(target, sizeof target, "/items/%s?embedding=true", id);
            ask(r, &response, target, NULL);
            snprintf(target, sizeof target, "/similar?item=%s&k=3", id);
            ask(r, &response, target, NULL);
        }
    }
    api_response_fini(&response);
    return NULL;
}

static void write_on(api_shop *s, atomic_uint *newest)
{
    for (unsigned i = 0; i < WRITES; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "{\"id\":\"new-%u\",\"features\":{\"text\":[%u,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6]}}",
                 i, i % 5);
        assert_int_equal(shop_call(s, "POST", "/items", body), 201);
        atomic_store(newest, i + 1);
        snprintf(body, sizeof body, "{\"user\":\"user-%u\",\"item\":\"new-%u\",\"type\":\"view\"}",
                 i % SHOP_USERS, i);
        assert_int_equal(shop_call(s, "POST", "/interactions", body), 201);
        if (i == WRITES / 2) {
            assert_int_equal(shop_call(s, "POST", "/model/activate", "{\"generation\":1}"), 200);
        }
    }
}

static void every_reader_sees_what_was_acknowledged(void **state)
{
    (void)state;
    api_shop *s = calloc(1, sizeof *s);
    pthread_t threads[READERS];
    reading readings[READERS];
    atomic_uint newest = 0;
    atomic_bool done = false;
    shop_open(s, NULL);
    shop_stock(s);
    shop_train(s);
    for (size_t i = 0; i < READERS; i++) {
        readings[i] = (reading){.api = s->api, .newest = &newest, .done = &done};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readings[i]), 0);
    }
    write_on(s, &newest);
    atomic_store(&done, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(readings[i].answers > 0);
        if (readings[i].wrong > 0) {
            fail_msg("%u of %u wrong, the first: %s", readings[i].wrong, readings[i].answers,
                     readings[i].first_wrong);
        }
    }
    shop_close(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_sees_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
