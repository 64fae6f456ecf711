/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: starts and stops the HTTP loop.
 *
 * This file avoids a trap of libmicrohttpd: MHD_quiesce_daemon removes the listening socket from
 * each worker's epoll. If the worker does the same at that moment, the library aborts the process.
 * So new connections are refused one by one instead, by the accept policy.
 */
#include "server/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "server/http/http_parts.h"
#include "server/http/tls.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/log_queue.h"

enum {
    /* memory of one connection, for the header and a piece of the body; reused for each request */
    CONNECTION_MEMORY_BYTES = 32 * 1024,
    HEADER_LINE_RECORD_BYTES = 64, /* what the library stores with a line besides its text */
    ANSWER_HEADER_BYTES = 1024,
    PANIC_PATIENCE_MS = 200,
};
/* Otherwise the library would refuse requests before our checks. */
_Static_assert(ADMISSION_TARGET_BYTES_MAX + ADMISSION_HEADER_BYTES_MAX +
                       ADMISSION_HEADER_LINES_MAX * HEADER_LINE_RECORD_BYTES +
                       ANSWER_HEADER_BYTES <=
                   CONNECTION_MEMORY_BYTES,
               "a connection's memory holds the largest header that is taken");

/* At the stop, how long a request with an incomplete body is waited for. */
static const uint64_t drain_body_ns = 3000000000U;

static const metric_info info_connections = {.name = "stair_http_connections",
                                             .help = "Open connections on the main address.",
                                             .kind = METRIC_GAUGE};
static const metric_info info_connections_most = {
    .name = "stair_http_connections_max",
    .help = "Maximum number of open connections (connections_max).",
    .kind = METRIC_GAUGE};
static const metric_info info_idle_closed = {
    .name = "stair_http_idle_closed_total",
    .help = "Idle connections closed to make room for new ones.",
    .kind = METRIC_COUNTER};
static const metric_info info_not_accepted = {
    .name = "stair_http_connections_refused_total",
    .help = "Connections closed at once because the limit and its reserve were used up.",
    .kind = METRIC_COUNTER};
static const metric_info info_busy = {
    .name = "stair_http_requests_in_flight", .help = "Requests in progress.", .kind = METRIC_GAUGE};
static const metric_info info_swept = {.name = "stair_http_slow_connections_total",
                                       .help = "Connections cut off because they were too slow.",
                                       .kind = METRIC_COUNTER};

static const metric_info info_limited = {.name = "stair_rate_limited_total",
                                         .help = "Requests refused because of the rate limit.",
                                         .kind = METRIC_COUNTER};
static const metric_info info_bodies_bytes = {
    .name = "stair_http_bodies_bytes",
    .help = "Memory that request bodies take, less 16 KiB for each; limited by bodies_bytes_max.",
    .kind = METRIC_GAUGE};
static const metric_info info_answers_bytes = {
    .name = "stair_http_answers_bytes",
    .help = "Memory that answers take, less 16 KiB for each; limited by answers_bytes_max.",
    .kind = METRIC_GAUGE};
static const metric_info info_work_waiting = {.name = "stair_work_waiting",
                                              .help = "Long requests that wait for a thread.",
                                              .kind = METRIC_GAUGE};
static const metric_info info_work_running = {.name = "stair_work_running",
                                              .help = "Long requests that a thread is working on.",
                                              .kind = METRIC_GAUGE};
static const metric_info info_work_refused = {
    .name = "stair_work_refused_total",
    .help = "Long requests refused because the queue was full (work_queue_max).",
    .kind = METRIC_COUNTER};
static const metric_info info_work_abandoned = {
    .name = "stair_work_abandoned_total",
    .help = "Long requests that ended early because the client disconnected.",
    .kind = METRIC_COUNTER};

/* --- the daemons -------------------------------------------------------------------------- */

static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

static void on_log(void *cls, const char *format, va_list args)
{
    char text[512];
    (void)cls;
    if (log_enabled(LOG_DEBUG)) {
        vsnprintf(text, sizeof text, format, args);
        text[strcspn(text, "\n")] = '\0';
        log_event(LOG_DEBUG, "http", log_text("text", text));
    }
}

static void on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    log_event(LOG_ERROR, "http_panic", log_text("file", file), log_int("line", line),
              log_text("reason", reason));
    log_queue_flush(PANIC_PATIENCE_MS);
    abort(); /* a panic must not return: the library's state is not to be trusted */
}

static err_code listener_open(listener *l, const char *where, unsigned threads, err *e)
{
    const http_options *o = &l->http->options;
    address at;
    err_code code = address_parse(&at, where, e);
    if (code == ERR_OK) {
        code = address_listen(&at, &l->fd, l->address, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    const int bytes = SOCKET_BUFFER_BYTES; /* connections inherit it */
    (void)setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    bool tls = o->tls_certificate != NULL && !l->admin;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0U);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, NULL},
        {MHD_OPTION_LISTEN_SOCKET, l->fd, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_on_connection, l},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, l},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_target, l},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        /* the library divides it among the threads; our limit (http_on_accept) applies first */
        {MHD_OPTION_CONNECTION_LIMIT,
         (intptr_t)((l->connections_max + CONNECTIONS_RESERVED + 1) * threads), NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT,
         l->admin ? 0 : (intptr_t)o->connections_per_address_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)o->timeout_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL},
#if MHD_VERSION >= 0x01000000
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#endif
        {tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_EXTERNAL_LOGGER, tls ? 0 : (intptr_t)on_log,
         tls ? (void *)(uintptr_t)o->tls_priority : NULL},
        {tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, (void *)tls_retrieve},
        {MHD_OPTION_END, 0, NULL},
    };
    /* the library refuses a pool of one */
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    l->daemon =
        MHD_start_daemon(flags, 0, http_on_accept, l, http_on_request, l, MHD_OPTION_ARRAY, options,
                         MHD_OPTION_ARRAY, threads > 1 ? pool : pool + 1, MHD_OPTION_END);
    if (l->daemon == NULL) {
        (void)close(l->fd);
        l->fd = -1;
        return err_set(e, ERR_IO, "the HTTP loop on %s cannot start", l->address);
    }
    return ERR_OK;
}

static void collect(void *ctx)
{
    http *h = ctx;
    metric_set(h->connections_gauge, (double)atomic_load(&h->main.connections));
    metric_set(h->connections_most, (double)h->main.connections_max);
    metric_set(h->busy_gauge, (double)atomic_load(&h->busy));
    metric_set(h->bodies_bytes, (double)budget_taken(&h->options.admission->bodies));
    metric_set(h->answers_bytes, (double)budget_taken(&h->answers));
    work_state state;
    work_state_get(h->work, &state);
    metric_set(h->work_waiting, (double)state.waiting);
    metric_set(h->work_running, (double)state.running);
}

static err_code declare(http *h, err *e)
{
    const metric_plain all[] = {
        {&info_connections, &h->connections_gauge},
        {&info_connections_most, &h->connections_most},
        {&info_idle_closed, &h->idle_closed},
        {&info_not_accepted, &h->not_accepted},
        {&info_busy, &h->busy_gauge},
        {&info_swept, &h->swept},
        {&info_limited, &h->limited},
        {&info_bodies_bytes, &h->bodies_bytes},
        {&info_answers_bytes, &h->answers_bytes},
        {&info_work_waiting, &h->work_waiting},
        {&info_work_running, &h->work_running},
        {&info_work_refused, &h->work_refused},
        {&info_work_abandoned, &h->work_abandoned},
    };
    err_code code = metrics_add_plain(h->options.metrics, all, sizeof all / sizeof all[0], e);
    return code != ERR_OK ? code : metrics_on_scrape(h->options.metrics, collect, h, e);
}

err_code http_start(http **out, const http_options *options, err *e)
{
    *out = NULL;
    http *h = mem_array(1, sizeof *h);
    if (h == NULL) {
        return err_nomem(e, "the HTTP loop");
    }
    MHD_set_panic_func(on_panic, NULL);
    h->options = *options;
    budget_init(&h->answers, options->answers_bytes_max);
    h->main = (listener){.http = h, .fd = -1, .connections_max = options->connections_max};
    h->admin =
        (listener){.http = h, .fd = -1, .admin = true, .connections_max = CONNECTIONS_OF_ADMIN};
    pthread_mutex_init(&h->mutex, NULL);
    err_code code = http_own_init(e);
    if (code == ERR_OK) {
        code = client_proxies_parse(&h->proxies, options->trusted_proxies, e);
    }
    if (code == ERR_OK) {
        code = work_new(&h->work, options->work_threads, options->work_queue_max, e);
    }
    if (code == ERR_OK) {
        code = linger_new(&h->linger, e);
    }
    if (code == ERR_OK) {
        code = declare(h, e);
    }
    if (code == ERR_OK && options->tls_certificate != NULL) {
        code = tls_load(options->tls_certificate, options->tls_key, e);
    }
    if (code == ERR_OK) {
        code = listener_open(&h->main, options->listen, options->threads, e);
    }
    if (code == ERR_OK && options->admin_listen != NULL) {
        code = listener_open(&h->admin, options->admin_listen, 1, e);
    }
    if (code != ERR_OK) {
        http_stop(h);
        return code;
    }
    *out = h;
    return ERR_OK;
}

const char *http_address(const http *h)
{
    return h->main.address;
}

const char *http_admin_address(const http *h)
{
    return h->admin.daemon != NULL ? h->admin.address : NULL;
}

err_code http_reload(http *h, err *e)
{
    const http_options *o = &h->options;
    return o->tls_certificate != NULL ? tls_load(o->tls_certificate, o->tls_key, e) : ERR_OK;
}

void http_drain(http *h)
{
    atomic_store(&h->cut_bodies_ns, clock_ns() + drain_body_ns);
    atomic_store(&h->draining, true);
}

void http_quiesce(http *h)
{
    atomic_store(&h->refusing, true);
}

size_t http_busy(const http *h)
{
    return atomic_load(&h->busy);
}

void http_cancel_work(http *h)
{
    atomic_store(&h->cancelled, true);
    work_stop(h->work);
}

static void listener_close(listener *l)
{
    if (l->daemon != NULL) {
        MHD_stop_daemon(l->daemon); /* this also closes the socket */
    } else if (l->fd >= 0) {
        (void)close(l->fd);
    }
}

void http_stop(http *h)
{
    if (h == NULL) {
        return;
    }
    if (h->work != NULL) {
        http_cancel_work(h);
    }
    listener_close(&h->main);
    listener_close(&h->admin);
    work_free(h->work);
    linger_free(h->linger);
    tls_clear();
    pthread_mutex_destroy(&h->mutex);
    mem_free(h);
}
