/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_own: replaces the answers that the library sends itself when it cannot read a request: an
 * HTML page, and in version 0.9 two heads before it.
 *
 * The library's API offers no way to change these answers. But the library queues them by
 * MHD_queue_response, like any program, and the dynamic linker prefers a function that the program
 * defines over the library's own. So the library's answers call the definition here. It sends a
 * problem document, ends the socket's sending side and passes the page on: the library fails to
 * send it and closes the connection. Our own answers call the library's function directly.
 *
 * Passing nothing on would be simpler, but version 0.9 then continues with freed memory. A library
 * that was linked to call its own functions directly still sends its own pages.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <gnutls/gnutls.h>

#include "server/http/http_parts.h"
#include "server/telemetry/clock.h"

enum { HEAD_BYTES = 512, MESSAGE_BYTES = 2048 };

typedef enum MHD_Result (*queue_function)(struct MHD_Connection *connection, unsigned int status,
                                          struct MHD_Response *response);

static queue_function library_queue;

err_code http_own_init(err *e)
{
    void *found = dlsym(RTLD_NEXT, "MHD_queue_response");
    memcpy(&library_queue, &found, sizeof found); /* ISO C does not cast data to functions */
    return found != NULL ? ERR_OK
                         : err_set(e, ERR_INTERNAL, "libmicrohttpd has no MHD_queue_response");
}

enum MHD_Result http_queue(const exchange *x, unsigned status, struct MHD_Response *response)
{
    return library_queue(x->connection, status, response);
}

/* status_for returns the status to answer instead of the library's. The library's 500 means that it
 * lacked memory to read the request, and 505 would be counted as a fault of the service. */
static unsigned status_for(unsigned status)
{
    return status == 413 || status == 414 || status == 431 ? status : 400;
}

static const char *detail_for(unsigned status)
{
    switch (status) {
    case 413: return "the length of the body, or of a chunk of it, is above every limit";
    case 414: return "the request line is too long";
    case 431: return "the header is too long";
    case 505: return "this service speaks HTTP/1.1 and HTTP/1.0";
    default: return "the request line, the header or the framing of the body is not valid HTTP";
    }
}

/* complete_begin brings a request that ended before its target or its header was read to the stage
 * in which it can be answered. */
static void complete_begin(exchange *x)
{
    http *h = http_of(x);
    api_route route;
    if (x->stage == STAGE_IDLE) {
        exchange_begin(x, "");
        atomic_fetch_add_explicit(&h->busy, 1, memory_order_relaxed);
    }
    if (x->stage == STAGE_HEADER) {
        (void)http_take_turn(x);
        admission_request_id((slice){NULL, 0}, x->request_id);
        snprintf(x->client, sizeof x->client, "%s", x->peer);
        api_route_find(h->options.api, slice_of(""), slice_of(""), &route);
        x->response.route = route.route;
    }
}

/* send_last sends a short message into the socket's empty buffer; nothing can be sent after it. If
 * the message does not fit, the client gets none. */
static void send_last(const exchange *x, const char *bytes, size_t length)
{
    bool tls = http_of(x)->options.tls_certificate != NULL && !((listener *)x->listener)->admin;
    if (tls) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        if (info != NULL) {
            (void)gnutls_record_send(info->tls_session, bytes, length);
            (void)gnutls_bye(info->tls_session, GNUTLS_SHUT_WR);
        }
    } else {
        (void)!send(x->socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    (void)shutdown(x->socket, SHUT_WR);
}

static void refuse(exchange *x, unsigned library_status)
{
    char message[MESSAGE_BYTES], date[40] = "";
    struct tm now;
    time_t seconds = (time_t)clock_now();
    unsigned status = status_for(library_status);
    complete_begin(x);
    const char *route = x->response.route;
    x->answer.status = status;
    x->answer.reason = "malformed";
    x->answer.detail = detail_for(library_status);
    api_refuse(&x->response, status, slice_of(x->request_id), x->answer.detail);
    x->response.route = route;
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &now));
    x->stage = STAGE_ANSWERED;
    x->unread = true; /* so that the client reads the answer before it sees the end */
    exchange_record(x, http_of(x)->options.access, clock_ns());
    const buffer *body = &x->response.body;
    int head = snprintf(message, HEAD_BYTES,
                        "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nX-Request-Id: %s\r\n"
                        "Connection: close\r\nContent-Length: %zu\r\n\r\n",
                        status, MHD_get_reason_phrase_for(status), date, x->response.content_type,
                        x->request_id, body->length);
    size_t sent = x->head ? 0 : body->length;
    if (head > 0 && head < HEAD_BYTES && sent <= MESSAGE_BYTES - (size_t)head) {
        memcpy(message + head, body->at, sent);
        send_last(x, message, (size_t)head + sent);
    }
}

_MHD_EXTERN enum MHD_Result MHD_queue_response(struct MHD_Connection *connection,
                                               unsigned int status, struct MHD_Response *response)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange *x = info != NULL ? info->socket_context : NULL;
    if (x != NULL && x->stage != STAGE_ANSWERED) {
        refuse(x, status);
    }
    return library_queue(connection, status, response);
}
