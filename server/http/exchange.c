/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/common/mem.h"
#include "server/telemetry/clock.h"

void exchange_deadline(exchange *x, uint64_t now_ns, uint64_t bytes)
{
    uint64_t seconds = 2 * (uint64_t)x->timeout_seconds + bytes / EXCHANGE_SLOWEST_BYTES_A_SECOND;
    atomic_store_explicit(&x->deadline_ns, now_ns + seconds * NS_PER_SECOND, memory_order_relaxed);
}

exchange *exchange_new(admission *a, unsigned timeout_seconds, size_t answer_bytes_max,
                       budget *answers)
{
    exchange *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->admission = a;
    x->timeout_seconds = timeout_seconds;
    x->socket = -1;
    x->target = mem_array(EXCHANGE_TARGET_BYTES, 1);
    api_response_init(&x->response, answer_bytes_max);
    x->response.body.budget = answers;
    x->body.budget = &a->bodies;
    if (x->target == NULL) {
        exchange_free(x);
        return NULL;
    }
    atomic_init(&x->idle_ns, clock_ns());
    exchange_deadline(x, clock_ns(), 0);
    return x;
}

static void forget_waits(exchange *x)
{
    mem_free(x->encoding.text);
    mem_free(x->ask.vector);
    x->encoding = (api_encoding){.asked = false};
    x->waiting = (api_wait){.over = false};
    x->wait.until_ns = 0;
    x->ask = (encode_ask){.seconds = 0};
}

void exchange_free(exchange *x)
{
    if (x != NULL) {
        api_response_fini(&x->response);
        forget_waits(x);
        mem_free(x->target);
        buffer_fini(&x->body);
        mem_free(x);
    }
}

void exchange_begin(exchange *x, const char *target)
{
    size_t length = strlen(target);
    /* a longer one exceeds the limit in any case */
    x->target_length = length < EXCHANGE_TARGET_BYTES ? length : EXCHANGE_TARGET_BYTES;
    memcpy(x->target, target, x->target_length);
    x->stage = STAGE_HEADER;
    x->begun_ns = clock_ns();
    x->method = "";
    x->head = false;
    memset(&x->seen, 0, sizeof x->seen);
    x->forwarded = (slice){NULL, 0};
    x->content_type = x->idempotency_key = x->given_id = (slice){NULL, 0};
    x->preflight = x->min_seq = (slice){NULL, 0};
    x->answer.status = 0;
    x->answer.key = x->answer.reason = NULL;
    x->job.done_ns = 0;
    x->body_max = x->dropped = 0;
    x->body.caller = x->caller;
    x->response.body.caller = x->caller;
    x->write = NULL;
    x->work.run = NULL;
    x->looked_ns = 0;
    x->gone = false;
    x->unread = false;
    api_response_reset(&x->response);
}

void exchange_end(exchange *x)
{
    buffer_reset(&x->body, BUFFER_FREE_BYTES);
    forget_waits(x);
    api_response_reset(&x->response);
    x->stage = STAGE_IDLE;
    atomic_store_explicit(&x->reading, false, memory_order_relaxed);
    uint64_t now = clock_ns();
    exchange_deadline(x, now, 0);
    atomic_store(&x->sending_ns, 0);
    uint64_t busy = 0;
    (void)atomic_compare_exchange_strong(&x->idle_ns, &busy, now);
}

static bool is(slice name, const char *wanted)
{
    return strlen(wanted) == name.length && strncasecmp(name.at, wanted, name.length) == 0;
}

static bool is_token(slice name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    bool token = name.length > 0;
    for (size_t i = 0; token && i < name.length; i++) {
        char c = name.at[i];
        token = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                (c != '\0' && strchr(others, c) != NULL);
    }
    return token;
}

static bool has_control_bytes(slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* trimmed removes spaces and tabs around a value, which are not part of it (RFC 9110, 5.5). */
static slice trimmed(slice value)
{
    while (value.length > 0 && (value.at[0] == ' ' || value.at[0] == '\t')) {
        value.at++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.at[value.length - 1] == ' ' || value.at[value.length - 1] == '\t')) {
        value.length--;
    }
    return value;
}

/* take_once stores a header's value. It reports a fault if the header came before with another
 * value, because a proxy in front of the service may have read that one. */
static void take_once(exchange *x, slice *member, slice value, const char *fault)
{
    if (member->at != NULL && !slice_equal(*member, value)) {
        x->seen.repeated = fault;
    }
    *member = value;
}

void exchange_header(exchange *x, slice name, slice given)
{
    slice value = trimmed(given);
    x->seen.header_bytes += name.length + given.length + 4;
    x->seen.header_lines++;
    x->seen.malformed_name = x->seen.malformed_name || !is_token(name);
    x->seen.malformed_line = x->seen.malformed_line || has_control_bytes(given);
    switch (name.length > 0 ? name.at[0] | 0x20 : 0) {
    case 'h':
        if (is(name, "host")) {
            x->seen.host = value;
            x->seen.hosts++;
        }
        break;
    case 'c':
        if (is(name, "content-type")) {
            take_once(x, &x->content_type, value, "expected at most one Content-Type header");
        } else if (is(name, "content-encoding")) {
            take_once(x, &x->seen.content_encoding, value,
                      "expected at most one Content-Encoding header");
        } else if (is(name, "content-length")) {
            x->seen.content_length = value;
            x->seen.content_lengths++;
        }
        break;
    case 'a':
        if (is(name, "authorization")) {
            take_once(x, &x->seen.authorization, value,
                      "expected at most one Authorization header");
        } else if (is(name, "access-control-request-method")) {
            x->preflight = value;
        }
        break;
    case 'x':
        if (is(name, "x-api-key")) {
            take_once(x, &x->seen.api_key, value, "expected at most one X-API-Key header");
        } else if (is(name, "x-forwarded-for")) {
            x->forwarded = value; /* of several lines, the last is from the nearest proxy */
        } else if (is(name, "x-request-id")) {
            x->given_id = value;
        } else if (is(name, "x-stair-min-seq")) {
            take_once(x, &x->min_seq, value, "expected at most one X-Stair-Min-Seq header");
        }
        break;
    case 't':
        if (is(name, "transfer-encoding")) {
            x->seen.transfer_encoding = given; /* the library reads it with its spaces */
            x->seen.transfer_encodings++;
        }
        break;
    case 'o':
        if (is(name, "origin")) {
            take_once(x, &x->seen.origin, value, "expected at most one Origin header");
        }
        break;
    case 's':
        if (is(name, "sec-fetch-site")) {
            take_once(x, &x->seen.fetch_site, value, "expected at most one Sec-Fetch-Site header");
        }
        break;
    case 'i':
        if (is(name, "idempotency-key")) {
            take_once(x, &x->idempotency_key, value, "expected at most one Idempotency-Key header");
        }
        break;
    default: break;
    }
}

void exchange_refuse(exchange *x, unsigned status, const char *detail, unsigned retry_after)
{
    x->answer.status = status;
    x->answer.detail = detail;
    x->answer.retry_after_seconds = retry_after;
    x->answer.reason = status == 413 ? "body_size" : "busy";
    x->stage = STAGE_REFUSED;
}

/* make_room makes room for `length` more bytes. The memory doubles, so that a long body is not
 * copied for every piece, but never exceeds the announced size. It is allocated as bytes arrive, so
 * that a client that announces much and sends little holds little. It returns false after recording
 * why. */
static bool make_room(exchange *x, size_t length)
{
    x->body.bytes_max = x->answer.chunked ? x->body_max : (size_t)x->answer.body_bytes;
    if (buffer_reserve(&x->body, length) != NULL) {
        return true;
    }
    bool busy = x->body.failed == ERR_UNAVAILABLE;
    exchange_refuse(x, 503,
                    busy ? "the request bodies in memory are at their limit (bodies_bytes_max)"
                         : "no memory for the body",
                    1);
    return false;
}

static void refuse_long_body(exchange *x)
{
    snprintf(x->answer.text, sizeof x->answer.text,
             x->takes_body ? "the body has more than %zu bytes (body_bytes_max)"
                           : "this call needs no body, and reads at most %zu bytes of one",
             x->body_max);
    exchange_refuse(x, 413, x->answer.text, 0);
}

bool exchange_body(exchange *x, const char *bytes, size_t length)
{
    if (x->stage == STAGE_BODY && x->refuses_body &&
        x->body.length + x->dropped + length > x->body_max) {
        refuse_long_body(x);
    }
    if (x->stage == STAGE_BODY && x->takes_body) {
        (void)make_room(x, length);
    }
    if (x->stage != STAGE_BODY || !x->takes_body) {
        x->dropped += length;
        exchange_deadline(x, x->begun_ns, x->body.length + x->dropped);
        return x->dropped + x->body.length <= 2 * x->body_max + EXCHANGE_UNWANTED_BYTES_MAX;
    }
    buffer_put(&x->body, bytes, length);
    exchange_deadline(x, x->begun_ns, x->body.length);
    return true;
}

void exchange_request(const exchange *x, int64_t now, api_request *out)
{
    *out = (api_request){
        .method = x->head ? slice_of("GET") : x->seen.method,
        .target = x->seen.target,
        .route = &x->route,
        .content_type = x->content_type,
        .idempotency_key = x->idempotency_key,
        .min_seq = x->min_seq,
        .request_id = slice_of(x->request_id),
        .body = x->body.length > 0 ? buffer_slice(&x->body) : slice_of(""),
        .now = now,
    };
}

void exchange_record(const exchange *x, access_log *a, uint64_t now_ns)
{
    access_entry entry = {
        .method = x->method,
        .request_id = x->request_id,
        .client = x->client[0] != '\0' ? x->client : NULL,
        .key = x->answer.key,
        .reason = x->answer.status != 0 ? x->answer.reason : NULL,
        .response = &x->response,
        .begun_ns = x->begun_ns,
        .ended_ns = now_ns,
        .body_bytes = x->body.length + x->dropped,
    };
    if (x->job.done_ns > 0) {
        entry.queue_ns = x->job.taken_ns - x->job.submitted_ns;
        entry.commit_ns = x->job.done_ns - x->job.taken_ns;
    }
    access_record(a, &entry);
}
