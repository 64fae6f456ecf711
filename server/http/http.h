/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: the HTTP loop. It and its parts (server/http/http_parts.h) are the only files that use
 * libmicrohttpd.
 *
 * A pool of threads, each with its own epoll, reads requests, lets admission check the header,
 * collects the body and passes the request to the API. Reads are answered by the same thread. For a
 * write, a place in the queue is reserved, the connection suspended and the op submitted. When the
 * writer is done, the connection is resumed, and its own thread sends the answer.
 *
 *     idle -> header -> (body) -> answered -> idle
 *                          \-> reserved, suspended, submitted -> resumed -> answered
 *                          \-> suspended, its text encoded -> resumed, begun again
 *                          \-> suspended, worked on by the pool -> resumed -> answered
 *
 * Long work (api/web/cost.h) does not run on the threads that read and send: the connection is
 * suspended, the pool (server/http/work.h) does the work, and the connection's own thread sends the
 * answer.
 *
 * Always true: only its own thread uses a connection's exchange, except while the connection is
 * suspended, when the pool, the encoder or the writer does. The exchange is cleared when the
 * request is completed or aborted, and freed with the connection.
 *
 * Threading: http_start and http_stop from one thread.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/err.h"
#include "server/http/access.h"
#include "server/http/admission.h"
#include "server/runtime/engine.h"
#include "server/telemetry/metrics.h"

typedef struct http http;

typedef struct http_options {
    /* "127.0.0.1:8080", "[::]:8080"; port 0 takes a free port */
    const char *listen;
    /* for /metrics and /health without a key; NULL if none */
    const char *admin_listen;
    const char *tls_certificate, *tls_key; /* files; NULL: no TLS */
    const char *trusted_proxies;           /* addresses and networks; NULL if none */
    const char *tls_priority;              /* a priority string of GnuTLS */
    const char *allow_origin;              /* Access-Control-Allow-Origin; NULL: no CORS */
    unsigned threads;
    unsigned work_threads; /* threads of the pool for long work */
    size_t work_queue_max; /* long requests that may wait for it */
    unsigned connections_max;
    unsigned connections_per_address_max; /* 0: no limit */
    double min_seq_timeout;               /* seconds that a read waits for a later write */
    double encoder_wait_write;            /* seconds that a new item waits for its vector */
    double encoder_wait_read;             /* seconds that a list waits for the vector of its text */
    unsigned timeout_seconds;             /* for an idle connection, and for sending a header */
    size_t answer_bytes_max;
    uint64_t answers_bytes_max; /* limit of all answers in memory */
    api *api;
    engine *engine;
    admission *admission;
    access_log *access;
    metrics *metrics;
} http_options;

/* http_start listens and serves. What `options` points to is borrowed until http_stop. */
err_code http_start(http **out, const http_options *options, err *e) ERR_CHECKED;

/* http_address returns the address with the actual port. http_admin_address does so too, or returns
 * NULL. */
const char *http_address(const http *h);
const char *http_admin_address(const http *h);

/* http_sweep cuts off connections that take too long for a header, a body or an answer. Call it
 * about every second. libmicrohttpd's own time-out notices only silence, not slow connections. */
void http_sweep(http *h);

/* http_reload reads the certificate files again, for new connections. */
err_code http_reload(http *h, err *e) ERR_CHECKED;

/* http_drain makes every answer the last of its connection. http_quiesce makes new connections be
 * closed at once. http_busy returns how many requests have begun and not ended. */
void http_drain(http *h);
void http_quiesce(http *h);
size_t http_busy(const http *h);

/* http_cancel_work ends long work at its next step and refuses waiting work. It returns when all of
 * it has ended. */
void http_cancel_work(http *h);

/* http_stop closes all connections. No write may be suspended any more, so stop the writer first.
 * It accepts NULL. */
void http_stop(http *h);

#endif
