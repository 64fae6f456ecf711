/* SPDX-License-Identifier: Apache-2.0 */
/* min_seq on a store that follows a log: the request is postponed until the write arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_shop.h"

typedef struct call {
    const char *method, *target, *body;
    const char *header; /* X-Stair-Min-Seq; NULL if none */
} call;

static api_outcome begin(api_shop *s, const call *c, api_wait *wait)
{
    api_write *write = NULL;
    const api_request request = {.method = slice_of(c->method),
                                 .target = slice_of(c->target),
                                 .content_type = slice_of("application/json"),
                                 .min_seq = slice_of(c->header),
                                 .request_id = slice_of("test-request"),
                                 .body = slice_of(c->body),
                                 .wait = wait,
                                 .now = SHOP_NOW};
    api_response_reset(&s->response);
    api_outcome outcome = api_begin(s->api, &request, &s->response, &write);
    assert_null(write);
    return outcome;
}

static void write_one(api_shop *s)
{
    assert_int_equal(shop_call(s, "POST", "/items/delete", "{\"ids\":[\"nothing-like-it\"]}"), 404);
    assert_int_equal(shop_call(s, "PUT", "/items/sku-1", "{\"title\":\"again\"}"), 200);
}

/* Every place where min_seq can be given; %d is the number of the write. */
static const call calls[] = {
    {"GET", "/recommend?user=user-1&min_seq=%d", NULL, NULL},
    {"GET", "/recommend?user=user-1", NULL, "%d"},
    {"GET", "/items/sku-1?min_seq=1", NULL, "%d"},
    {"GET", "/model", NULL, "%d"},
    {"POST", "/recommend", "{\"user\":\"user-1\",\"min_seq\":%d}", NULL},
    {"POST", "/recommend", "{\"user\":\"user-1\",\"min_seq\":%d}", "1"},
    {"POST", "/recommend/batch", "{\"requests\":[{\"user\":\"user-1\"}],\"min_seq\":%d}", NULL},
};

typedef struct texts {
    char target[128], body[128], header[32];
} texts;

static call with_seq(const call *c, int seq, texts *t)
{
    call out = {.method = c->method};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(t->target, sizeof t->target, c->target, seq);
    snprintf(t->body, sizeof t->body, c->body != NULL ? c->body : "", seq);
    snprintf(t->header, sizeof t->header, c->header != NULL ? c->header : "", seq);
#pragma GCC diagnostic pop
    out.target = t->target;
    out.body = c->body != NULL ? t->body : NULL;
    out.header = c->header != NULL ? t->header : NULL;
    return out;
}

static void a_read_of_a_later_write_is_put_off_and_answered_once_it_is_here(void **state)
{
    (void)state;
    api_shop s;
    shop_open(&s, NULL);
    shop_stock(&s);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        texts t;
        api_wait wait = {0};
        uint64_t wanted = shop_seq(&s) + 1;
        call c = with_seq(&calls[i], (int)wanted, &t);
        assert_int_equal(begin(&s, &c, &wait), API_WAIT);
        assert_int_equal(wait.seq, wanted);
        assert_int_equal(s.response.body.length, 0);
        /* woken too early, so it continues to wait */
        assert_int_equal(begin(&s, &c, &wait), API_WAIT);
        write_one(&s);
        assert_int_equal(shop_seq(&s), wanted);
        assert_int_equal(begin(&s, &c, &wait), API_ANSWERED);
        assert_int_equal(s.response.status, 200);
        char seq[32];
        snprintf(seq, sizeof seq, "\"seq\":%d", (int)wanted);
        assert_non_null(memmem(s.response.body.at, s.response.body.length, seq, strlen(seq)));
    }
    shop_close(&s);
}

static void a_write_that_does_not_come_in_time_is_503_with_retry_after(void **state)
{
    (void)state;
    api_shop s;
    shop_open(&s, NULL);
    shop_stock(&s);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        texts t;
        api_wait wait = {0};
        call c = with_seq(&calls[i], (int)shop_seq(&s) + 1, &t);
        assert_int_equal(begin(&s, &c, &wait), API_WAIT);
        wait.over = true;
        assert_int_equal(begin(&s, &c, &wait), API_ANSWERED);
        assert_int_equal(s.response.status, 503);
        assert_true(s.response.retry_after_seconds > 0);
        /* A store that follows no log is never behind. */
        assert_int_equal(begin(&s, &c, NULL), API_ANSWERED);
        assert_int_equal(s.response.status, 503);
    }
    shop_close(&s);
}

static void header_and_body_are_waited_for_one_after_the_other(void **state)
{
    (void)state;
    api_shop s;
    texts t;
    api_wait wait = {0};
    shop_open(&s, NULL);
    shop_stock(&s);
    uint64_t now = shop_seq(&s);
    call c = with_seq(&calls[4], (int)now + 2, &t);
    snprintf(t.header, sizeof t.header, "%d", (int)now + 1);
    c.header = t.header;
    assert_int_equal(begin(&s, &c, &wait), API_WAIT);
    assert_int_equal(wait.seq, now + 1);
    write_one(&s);
    assert_int_equal(begin(&s, &c, &wait), API_WAIT);
    assert_int_equal(wait.seq, now + 2);
    write_one(&s);
    assert_int_equal(begin(&s, &c, &wait), API_ANSWERED);
    assert_int_equal(s.response.status, 200);
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_of_a_later_write_is_put_off_and_answered_once_it_is_here),
        cmocka_unit_test(a_write_that_does_not_come_in_time_is_503_with_retry_after),
        cmocka_unit_test(header_and_body_are_waited_for_one_after_the_other),
    };
    return cmocka_run_group_tests_name("min_seq", tests, NULL, NULL);
}
