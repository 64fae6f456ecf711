/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parts: the parts of the HTTP loop. They are private to the five files that use
 * libmicrohttpd:
 *
 *     http.c               starts and stops
 *     http_connections.c   owns the connections
 *     http_request.c       reads requests
 *     http_answer.c        sends answers
 *     http_own.c           replaces the library's own answers
 */
#ifndef SERVER_HTTP_PARTS_H
#define SERVER_HTTP_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "server/cli/address.h"
#include "server/cli/serve_options.h"
#include "server/http/balance.h"
#include "server/http/exchange.h"
#include "server/http/http.h"
#include "server/http/linger.h"

typedef struct listener {
    http *http;
    bool admin;
    size_t connections_max;
    /* open connections; of these, idle ones that are being closed */
    atomic_size_t connections, leaving;
    int fd;
    struct MHD_Daemon *daemon;
    char address[ADDRESS_TEXT_MAX];
} listener;

struct http {
    http_options options; /* immutable */
    listener main, admin;
    client_proxies proxies; /* immutable */
    work *work;
    lingering *linger;
    budget answers; /* bytes in memory, by client */
    atomic_bool draining;
    atomic_bool cancelled;              /* long work must end at its next step */
    atomic_bool refusing;               /* refuse connections of the main listener */
    atomic_uint_fast64_t cut_bodies_ns; /* while draining: when unfinished bodies are cut off */
    atomic_size_t busy;
    balance load; /* open connections of each thread of the main listener */
    metric_series *bodies_bytes, *answers_bytes;
    metric_series *work_waiting, *work_running, *work_refused, *work_abandoned;
    metric_series *connections_most, *idle_closed, *not_accepted;
    metric_series *connections_gauge, *busy_gauge, *swept, *limited;
    /* guards the list of exchanges; taken when a connection begins or ends, and by the sweep */
    pthread_mutex_t mutex;
    exchange *exchanges;
};

static inline http *http_of(const exchange *x)
{
    return ((const listener *)x->listener)->http;
}

/* The library calls these for a connection: MHD_AcceptPolicyCallback, MHD_NotifyConnectionCallback.
 * `cls` is the listener. */
enum MHD_Result http_on_accept(void *cls, const struct sockaddr *from, socklen_t length);
void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code);

/* http_take_turn marks the connection as busy. It returns false if the connection is being closed
 * because it was idle. */
bool http_take_turn(exchange *x);

/* http_acknowledged returns how many bytes the client has acknowledged on this connection. */
uint64_t http_acknowledged(const exchange *x);

/* The library calls these for a request; see MHD_OPTION_URI_LOG_CALLBACK, MHD_AccessHandlerCallback
 * and MHD_RequestCompletedCallback. `cls` is the listener. */
void *http_on_target(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **context);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code);

/* http_end releases everything that the current request holds and makes the exchange idle; without
 * a request it does nothing. Every request ends here: completed, aborted, or with its
 * connection. */
void http_end(exchange *x);

/* http_own_init is called once, before the first listener opens. http_queue calls the library's
 * MHD_queue_response, whose name http_own.c takes. */
err_code http_own_init(err *e) ERR_CHECKED;
enum MHD_Result http_queue(const exchange *x, unsigned status, struct MHD_Response *response);

/* http_answer sends x->response. The body must stay in place until the request is completed. */
enum MHD_Result http_answer(exchange *x);

/* http_refuse sends the problem document that x->answer describes. */
enum MHD_Result http_refuse(exchange *x);

#endif
