/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parts: what the HTTP loop is made of. Private to server/http/http.c, which starts and stops,
 * server/http/http_connections.c, which owns the connections, server/http/http_request.c, which
 * reads, server/http/http_answer.c, which sends, and server/http/http_own.c, which replaces the
 * library's own answers: the five files that know libmicrohttpd.
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
    atomic_size_t connections, leaving; /* open; of these, being closed for being idle */
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
    budget answers; /* bytes in memory, by caller */
    atomic_bool draining;
    atomic_bool cancelled;              /* long work ends */
    atomic_bool refusing;               /* connections of the main listener */
    atomic_uint_fast64_t cut_bodies_ns; /* draining: unfinished bodies are cut off from then on */
    atomic_size_t busy;
    balance load; /* of the main listener's threads */
    metric_series *bodies_bytes, *answers_bytes;
    metric_series *work_waiting, *work_running, *work_refused, *work_abandoned;
    metric_series *connections_most, *idle_closed, *not_accepted;
    metric_series *connections_gauge, *busy_gauge, *swept, *limited;
    pthread_mutex_t mutex; /* guards the list of exchanges; taken when a connection begins or ends,
                              and by the sweep */
    exchange *exchanges;
};

static inline http *http_of(const exchange *x)
{
    return ((const listener *)x->listener)->http;
}

/* What the library calls for a connection: MHD_AcceptPolicyCallback, MHD_NotifyConnectionCallback.
 * `cls` is the listener. */
enum MHD_Result http_on_accept(void *cls, const struct sockaddr *from, socklen_t length);
void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code);

/* http_take_turn marks the connection as busy; false if it is being closed for being idle. */
bool http_take_turn(exchange *x);

/* http_acknowledged is how many bytes the client has acknowledged on this connection so far. */
uint64_t http_acknowledged(const exchange *x);

/* What the library calls for a request; see MHD_OPTION_URI_LOG_CALLBACK, MHD_AccessHandlerCallback
 * and MHD_RequestCompletedCallback. `cls` is the listener. */
void *http_on_target(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **context);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code);

/* http_end gives back all that the request in progress holds and makes the exchange idle; nothing
 * if it is. However a request ends, it ends here: completed, aborted, or with its connection. */
void http_end(exchange *x);

/* http_own_init is called once, before the first listener opens; http_queue is MHD_queue_response,
 * which http_own.c keeps for the library's own answers. */
err_code http_own_init(err *e) ERR_CHECKED;
enum MHD_Result http_queue(const exchange *x, unsigned status, struct MHD_Response *response);

/* http_answer sends x->response, whose body stays in place until the request is completed. */
enum MHD_Result http_answer(exchange *x);

/* http_refuse sends the problem document that x->answer asks for. */
enum MHD_Result http_refuse(exchange *x);

#endif
