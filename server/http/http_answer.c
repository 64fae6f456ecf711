/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer: sends the answer of a request.
 *
 * A response is destroyed right after it is queued, because the library keeps its own reference.
 * The body is lent to the library, so nothing is copied between the API's buffer and the socket.
 */
#include <stdio.h>
#include <string.h>

#include "server/http/http_parts.h"
#include "server/telemetry/clock.h"

/* Longer answers are watched while they are sent. Shorter ones fit into a socket's buffer. */
enum { LONG_ANSWER_BYTES = 256 * 1024 };

enum { TIMING_MAX = 40 };

static void add_cors_headers(const exchange *x, struct MHD_Response *response, const char *origin)
{
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Vary", "Origin");
    /* By default a script can read only the type and the length of what we send. */
    MHD_add_response_header(
        response, "Access-Control-Expose-Headers",
        "X-Request-Id, Server-Timing, Retry-After, Location, Allow, WWW-Authenticate");
    /* For any path, because a failed preflight would hide the problem document from the script. */
    if (x->preflight.at != NULL) {
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                "GET, POST, PUT, PATCH, DELETE");
        MHD_add_response_header(
            response, "Access-Control-Allow-Headers",
            "Authorization, X-API-Key, Content-Type, Idempotency-Key, X-Request-Id, "
            "X-Stair-Min-Seq");
        MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    }
}

/* is_ambiguous tells whether a proxy may have seen another end of the request's body. Version 0.9
 * of the library accepts a bare LF as the end of a line in the framing of chunks. Bytes that a
 * proxy took for the rest of the body would then be read as a further request, so this connection
 * gets no further request. */
static bool is_ambiguous(const exchange *x)
{
    return MHD_VERSION < 0x01000000 && x->answer.chunked;
}

/* write_timing writes a duration in milliseconds with three decimals. Every answer has one, and
 * printf would take two per cent of the instructions of a short request. */
static void write_timing(char out[TIMING_MAX], uint64_t ns)
{
    const char name[] = "app;dur=";
    char digits[24];
    uint64_t us = (ns + 500) / 1000;
    size_t count = 0, at = sizeof name - 1;
    memcpy(out, name, at);
    do {
        digits[count++] = (char)('0' + us % 10);
        us /= 10;
        if (count == 3) {
            digits[count++] = '.';
        }
    } while (us > 0 || count < 5);
    while (count > 0) {
        out[at++] = digits[--count];
    }
    out[at] = '\0';
}

static void add_headers(exchange *x, struct MHD_Response *response, uint64_t now)
{
    const api_response *r = &x->response;
    const http *h = http_of(x);
    char number[16], timing[TIMING_MAX];
    if (r->content_type != NULL) {
        MHD_add_response_header(response, "Content-Type", r->content_type);
        if (strncmp(r->content_type, "text/html", 9) == 0) {
            MHD_add_response_header(
                response, "Content-Security-Policy",
                "default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'");
            MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        }
    }
    MHD_add_response_header(response, "X-Request-Id", x->request_id);
    write_timing(timing, now - x->begun_ns);
    MHD_add_response_header(response, "Server-Timing", timing);
    if (r->allow != NULL) {
        MHD_add_response_header(response, "Allow", r->allow);
    }
    if (r->www_authenticate != NULL) {
        MHD_add_response_header(response, "WWW-Authenticate", r->www_authenticate);
    }
    if (r->retry_after_seconds > 0) {
        snprintf(number, sizeof number, "%u", r->retry_after_seconds);
        MHD_add_response_header(response, "Retry-After", number);
    }
    if (x->answer.status == 415) {
        MHD_add_response_header(response, "Accept-Encoding", "identity");
    }
    if (r->location[0] != '\0') {
        MHD_add_response_header(response, "Location", r->location);
    }
    if (h->options.allow_origin != NULL) {
        add_cors_headers(x, response, h->options.allow_origin);
    }
    if (x->reserve || is_ambiguous(x) || atomic_load_explicit(&h->draining, memory_order_relaxed)) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

enum MHD_Result http_answer(exchange *x)
{
    api_response *r = &x->response;
    uint64_t now = clock_ns();
    uint64_t bytes = r->file >= 0 ? r->file_bytes : r->body.length;
    struct MHD_Response *response = NULL;
    if (r->file >= 0) {
        response = MHD_create_response_from_fd64(r->file_bytes, r->file);
        if (response != NULL) {
            r->file = -1; /* closed with the response */
        }
    } else {
        response =
            MHD_create_response_from_buffer(r->body.length, r->body.at, MHD_RESPMEM_PERSISTENT);
    }
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(x, response, now);
    x->stage = STAGE_ANSWERED;
    atomic_store_explicit(&x->reading, false, memory_order_relaxed);
    exchange_deadline(x, now, bytes);
    if (bytes > LONG_ANSWER_BYTES) {
        x->acked = http_acknowledged(x);
        atomic_store(&x->sending_ns, now);
    }
    exchange_record(x, http_of(x)->options.access, now);
    enum MHD_Result queued = http_queue(x, r->status, response);
    MHD_destroy_response(response);
    return queued;
}

enum MHD_Result http_refuse(exchange *x)
{
    slice id = slice_of(x->request_id);
    const char *route = x->response.route;
    api_refuse(&x->response, x->answer.status, id, x->answer.detail);
    x->response.route = route;
    if (x->answer.retry_after_seconds > x->response.retry_after_seconds) {
        x->response.retry_after_seconds = x->answer.retry_after_seconds;
    }
    return http_answer(x);
}
