/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: the HTTP loop. It and its parts (server/http/http_parts.h) are the only home of
 * libmicrohttpd.
 *
 * A pool of threads, each with its own epoll, reads requests, lets admission decide on the header,
 * collects the body and hands the request to the API. Reads are answered where they arrived. A
 * write is reserved in the queue, its connection suspended and the op submitted; when the writer is
 * done the connection is resumed and answered by its own thread.
 *
 *     idle -> header -> (body) -> answered -> idle
 *                          \-> reserved, suspended, submitted -> resumed -> answered
 *                          \-> suspended, its text encoded -> resumed, begun again
 *                          \-> suspended, worked on by the pool -> resumed -> answered
 *
 * Long work (api/web/cost.h) leaves the threads that read and send: a connection is suspended, the
 * pool (server/http/work.h) does the work, and the connection's own thread sends the answer.
 *
 * Always true: a connection's exchange is used by its own thread only, except while it is
 * suspended, when it is the pool's, the encoder's or the writer's; it is cleared when the request
 * is completed, also an aborted one, and freed with the connection.
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

/* Connections beyond connections_max that are for /health alone, and connections of admin_listen.
 */
enum { HTTP_CONNECTIONS_RESERVED = 16, HTTP_ADMIN_CONNECTIONS_MAX = 64 };

typedef struct http http;

typedef struct http_options {
    const char *listen;                    /* "127.0.0.1:8080", "[::]:8080"; port 0: any */
    const char *admin_listen;              /* /metrics and /health without a key; NULL: none */
    const char *tls_certificate, *tls_key; /* files; NULL: no TLS */
    const char *trusted_proxies;           /* addresses and networks; NULL: none */
    const char *tls_priority;              /* of GnuTLS */
    const char *allow_origin;              /* Access-Control-Allow-Origin; NULL: no CORS */
    unsigned threads;
    unsigned work_threads; /* of the pool for long work */
    size_t work_queue_max; /* long requests that may wait for it */
    unsigned connections_max;
    unsigned connections_per_address_max; /* 0: no limit */
    double min_seq_timeout;               /* seconds that a read waits for a later write */
    double encoder_wait_write;            /* seconds that a new item waits for its vector */
    double encoder_wait_read;             /* and a list for that of its text */
    unsigned timeout_seconds;             /* of an idle connection, and to send a header */
    size_t answer_bytes_max;
    uint64_t answers_bytes_max; /* all answers in memory */
    api *api;
    engine *engine;
    admission *admission;
    access_log *access;
    metrics *metrics;
} http_options;

/* http_start listens and serves. What `options` points at is borrowed until http_stop. */
err_code http_start(http **out, const http_options *options, err *e) ERR_CHECKED;

/* http_address is where it listens, with the real port; http_admin_address likewise, or NULL. */
const char *http_address(const http *h);
const char *http_admin_address(const http *h);

/* http_sweep cuts off connections that take too long over a header, a body or an answer; call it
 * every second or so. libmicrohttpd's own time-out only sees silence, not a slow drip. */
void http_sweep(http *h);

/* http_reload reads the certificate files again, for connections that begin from now on. */
err_code http_reload(http *h, err *e) ERR_CHECKED;

/* http_drain makes every answer the last one of its connection; http_quiesce has new connections
 * closed at once; http_busy is how many requests have begun and not ended. */
void http_drain(http *h);
void http_quiesce(http *h);
size_t http_busy(const http *h);

/* http_cancel_work ends long work at its next step and refuses what waits for it; returns when all
 * of it has ended. */
void http_cancel_work(http *h);

/* http_stop closes all connections. No write may be suspended any more: stop the writer first.
 * Accepts NULL. */
void http_stop(http *h);

#endif
