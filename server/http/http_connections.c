/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_connections: keeps track of the connections and decides which are closed.
 *
 * A listener has room for connections_max connections plus a reserve of CONNECTIONS_RESERVED. Idle
 * connections may not fill connections_max: when a new connection arrives and the rest is taken,
 * the connection that has been idle longest is closed. So many clients with long pauses lock nobody
 * out, and a burst of new ones finds room. If no connection is idle, connections_max can be used
 * up. The newest then use the reserve, where only /health is answered. Beyond the reserve, a
 * connection is closed at once.
 *
 * The library has no call that closes a connection of another thread. So the socket is shut down;
 * the loop of its own thread notices the end and cleans up.
 */
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/http/http_parts.h"
#include "server/telemetry/clock.h"

/* Idle connections leave one part in CONNECTIONS_FREE_PART of connections_max free. */
enum { CONNECTIONS_FREE_PART = 16 };

/* A value of exchange.idle_ns: the connection is being closed, and no request may begin on it. */
static const uint64_t closing = UINT64_MAX;

/* close_idle closes the connection of this listener that has been idle longest. It returns false if
 * none is idle. A client whose connection is closed while it sends sees a reset before anything was
 * done. */
static bool close_idle(listener *l)
{
    http *h = l->http;
    bool closed = false;
    pthread_mutex_lock(&h->mutex);
    exchange *longest = NULL;
    uint64_t since = closing;
    for (exchange *x = h->exchanges; x != NULL; x = x->next) {
        uint64_t idle = atomic_load_explicit(&x->idle_ns, memory_order_relaxed);
        if (x->listener == l && idle != 0 && idle < since) {
            longest = x;
            since = idle;
        }
    }
    if (longest != NULL && atomic_compare_exchange_strong(&longest->idle_ns, &since, closing)) {
        (void)shutdown(longest->socket, SHUT_RDWR);
        atomic_fetch_add(&l->leaving, 1);
        closed = true;
    }
    pthread_mutex_unlock(&h->mutex);
    return closed;
}

/* staying returns the number of open connections that are not being closed. */
static size_t staying(const listener *l)
{
    size_t open = atomic_load(&l->connections), leaving = atomic_load(&l->leaving);
    return open > leaving ? open - leaving : 0;
}

/* idle_until returns the number of connections from which on idle ones are closed for new ones. */
static size_t idle_until(const listener *l)
{
    return l->connections_max - l->connections_max / CONNECTIONS_FREE_PART;
}

enum MHD_Result http_on_accept(void *cls, const struct sockaddr *from, socklen_t length)
{
    listener *l = cls;
    http *h = l->http;
    (void)from;
    (void)length;
    if (!l->admin && atomic_load(&h->refusing)) {
        return MHD_NO;
    }
    if (staying(l) >= idle_until(l) && close_idle(l)) {
        metric_count(h->idle_closed, 1);
    }
    if (staying(l) >= l->connections_max + CONNECTIONS_RESERVED) {
        metric_count(h->not_accepted, 1);
        return MHD_NO;
    }
    if (!l->admin) {
        (void)balance_accept(&h->load, h->options.threads);
    }
    return MHD_YES;
}

static void peer_of(struct MHD_Connection *connection, char out[CLIENT_TEXT_MAX])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *at = info != NULL ? info->client_addr : NULL;
    out[0] = '\0';
    if (at != NULL && at->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, out,
                        CLIENT_TEXT_MAX);
    } else if (at != NULL && at->sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, out,
                        CLIENT_TEXT_MAX);
    }
}

static exchange *begin(listener *l, struct MHD_Connection *connection)
{
    http *h = l->http;
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    exchange *x = exchange_new(h->options.admission, h->options.timeout_seconds,
                               h->options.answer_bytes_max, l->admin ? NULL : &h->answers);
    if (x == NULL) {
        /* the first request notices that there is none, and the connection is closed */
        return NULL;
    }
    x->listener = l;
    x->counted = l->admin ? NULL : balance_begin(&h->load);
    x->connection = connection;
    x->socket = fd != NULL ? fd->connect_fd : -1;
    peer_of(connection, x->peer);
    atomic_fetch_add(&l->connections, 1);
    x->reserve = staying(l) > l->connections_max;
    pthread_mutex_lock(&h->mutex);
    x->next = h->exchanges;
    x->link = &h->exchanges;
    if (x->next != NULL) {
        x->next->link = &x->next;
    }
    h->exchanges = x;
    pthread_mutex_unlock(&h->mutex);
    return x;
}

void http_end(exchange *x)
{
    http *h = http_of(x);
    if (x->stage == STAGE_IDLE) {
        return;
    }
    metric_count(h->work_abandoned, x->gone ? 1 : 0);
    if (x->stage != STAGE_ANSWERED) {
        access_aborted(h->options.access);
    }
    if (x->write != NULL) {
        api_abandon(h->options.api, x->write);
        x->write = NULL;
        writer_job_release(&x->job);
    }
    exchange_end(x);
    atomic_fetch_sub_explicit(&h->busy, 1, memory_order_relaxed);
}

static void end(exchange *x)
{
    listener *l = x->listener;
    http *h = l->http;
    http_end(x);
    pthread_mutex_lock(&h->mutex);
    *x->link = x->next;
    if (x->next != NULL) {
        x->next->link = x->link;
    }
    pthread_mutex_unlock(&h->mutex);
    if (atomic_load(&x->idle_ns) == closing) {
        atomic_fetch_sub(&l->leaving, 1);
    }
    if (x->unread) {
        linger_take(h->linger, x->socket);
    }
    atomic_fetch_sub(&l->connections, 1);
    balance_end(x->counted);
    exchange_free(x);
}

void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(cls, connection);
    } else if (*context != NULL) {
        end(*context);
        *context = NULL;
    }
}

bool http_take_turn(exchange *x)
{
    const listener *l = x->listener;
    uint64_t since = atomic_load(&x->idle_ns);
    if (since == closing || !atomic_compare_exchange_strong(&x->idle_ns, &since, 0)) {
        return false;
    }
    if (x->reserve && staying(l) <= l->connections_max) {
        x->reserve = false; /* another connection has ended */
    }
    return true;
}

uint64_t http_acknowledged(const exchange *x)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    return getsockopt(x->socket, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_bytes_acked
                                                                             : 0;
}

/* reads_too_slowly tells whether the client takes a long answer too slowly. The answer stays in
 * memory or on disk until the client has read it, so the client must keep a minimum speed all the
 * time, like the sender of a body. */
static bool reads_too_slowly(const exchange *x, uint64_t now)
{
    uint64_t since = atomic_load(&x->sending_ns);
    if (since == 0 || now < since) {
        return false;
    }
    uint64_t seconds = (now - since) / NS_PER_SECOND;
    uint64_t read = http_acknowledged(x) - x->acked;
    return seconds > 2 * (uint64_t)x->timeout_seconds + read / EXCHANGE_SLOWEST_BYTES_A_SECOND;
}

void http_sweep(http *h)
{
    uint64_t now = clock_ns();
    uint64_t cut_bodies_ns = atomic_load(&h->cut_bodies_ns);
    pthread_mutex_lock(&h->mutex);
    for (exchange *x = h->exchanges; x != NULL; x = x->next) {
        uint64_t deadline = atomic_load_explicit(&x->deadline_ns, memory_order_relaxed);
        bool held_up = cut_bodies_ns != 0 && now > cut_bodies_ns &&
                       atomic_load_explicit(&x->reading, memory_order_relaxed);
        if ((held_up || reads_too_slowly(x, now) || (deadline != 0 && now > deadline)) &&
            x->socket >= 0) {
            (void)shutdown(x->socket, SHUT_RDWR);
            atomic_store_explicit(&x->deadline_ns, 0, memory_order_relaxed);
            metric_count(h->swept, 1);
        }
    }
    pthread_mutex_unlock(&h->mutex);
}
