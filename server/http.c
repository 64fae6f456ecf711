/*
 * Traps of libmicrohttpd that this file is built around. The handler runs several times for one
 * request. A response cannot be queued while body bytes are handed in, and one queued at the first
 * call closes the connection, so bodyless requests are answered at the second. The URL arrives
 * cut at the '?' and unescaped, so the raw target is kept from the log callback, which runs before
 * that. A suspended connection neither times out nor notices a disconnect. After the submit the
 * writer may resume before the handler has returned, so nothing is touched after it.
 * MHD_quiesce_daemon takes the listening socket out of each worker's epoll while the worker may be
 * doing the same, and the library aborts the process when it loses that race; so new connections
 * are refused one by one instead, by the accept policy.
 * Its own answers to an oversized or malformed header (400, 414, 431) are HTML; limits of ours
 * that lie below its memory make them problem documents in all but the crudest cases.
 */
#include "server/http.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/mem.h"
#include "server/address.h"
#include "server/exchange.h"
#include "server/log.h"
#include "server/tls.h"

/* of a connection, for its header and a piece of the body; wiped for each request */
enum { CONNECTION_MEMORY_BYTES = 32 * 1024 };

/* How long a request whose body is not complete may hold up the end of the process. */
static const uint64_t drain_body_ns = 3000000000U;

typedef struct listener {
    http *http;
    bool admin;
    int fd;
    struct MHD_Daemon *daemon;
    char address[ADDRESS_TEXT_MAX];
} listener;

struct http {
    http_options options; /* immutable */
    listener main, admin;
    atomic_bool draining;
    atomic_bool refusing;               /* connections of the main listener */
    atomic_uint_fast64_t cut_bodies_ns; /* draining: unfinished bodies are cut off from then on */
    atomic_size_t busy;
    atomic_size_t connections;
    metric_series *connections_gauge, *busy_gauge, *swept, *limited;
    pthread_mutex_t mutex; /* guards the list of exchanges; taken when a connection begins or ends,
                              and by the sweep */
    exchange *exchanges;
};

static const metric_info info_connections = {
    .name = "stair_http_connections", .help = "Connections that are open.", .kind = METRIC_GAUGE};
static const metric_info info_busy = {.name = "stair_http_requests_in_flight",
                                      .help = "Requests that have begun and not ended.",
                                      .kind = METRIC_GAUGE};
static const metric_info info_swept = {.name = "stair_http_slow_connections_total",
                                       .help = "Connections cut off because they were too slow.",
                                       .kind = METRIC_COUNTER};

static const metric_info info_limited = {.name = "stair_rate_limited_total",
                                         .help = "Requests refused because of the rate limit.",
                                         .kind = METRIC_COUNTER};

static http *http_of(const exchange *x)
{
    return ((const listener *)x->listener)->http;
}

/* --- connections -------------------------------------------------------------------------- */

static enum MHD_Result on_accept(void *cls, const struct sockaddr *from, socklen_t length)
{
    const listener *l = cls;
    (void)from;
    (void)length;
    return l->admin || !atomic_load(&l->http->refusing) ? MHD_YES : MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    listener *from = cls;
    http *h = from->http;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        exchange *x = exchange_new(h->options.admission, h->options.timeout_seconds,
                                   h->options.answer_bytes_max);
        *context = x;
        if (x == NULL) {
            return; /* on_target sees that there is none, and the connection is closed */
        }
        x->listener = from;
        x->connection = connection;
        x->socket = fd != NULL ? fd->connect_fd : -1;
        atomic_fetch_add_explicit(&h->connections, 1, memory_order_relaxed);
        pthread_mutex_lock(&h->mutex);
        x->next = h->exchanges;
        x->link = &h->exchanges;
        if (x->next != NULL) {
            x->next->link = &x->next;
        }
        h->exchanges = x;
        pthread_mutex_unlock(&h->mutex);
    } else if (*context != NULL) {
        exchange *x = *context;
        pthread_mutex_lock(&h->mutex);
        *x->link = x->next;
        if (x->next != NULL) {
            x->next->link = x->link;
        }
        pthread_mutex_unlock(&h->mutex);
        atomic_fetch_sub_explicit(&h->connections, 1, memory_order_relaxed);
        *context = NULL;
        exchange_free(x);
    }
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
        if ((held_up || (deadline != 0 && now > deadline)) && x->socket >= 0) {
            /* the loop sees the end of the connection and cleans up in its own thread */
            (void)shutdown(x->socket, SHUT_RDWR);
            atomic_store_explicit(&x->deadline_ns, 0, memory_order_relaxed);
            metric_count(h->swept, 1);
        }
    }
    pthread_mutex_unlock(&h->mutex);
}

/* --- answering ---------------------------------------------------------------------------- */

static void add_headers(exchange *x, struct MHD_Response *response)
{
    const api_response *r = &x->response;
    const http *h = http_of(x);
    char number[16];
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
    if (r->location[0] != '\0') {
        MHD_add_response_header(response, "Location", r->location);
    }
    if (h->options.allow_origin != NULL) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", h->options.allow_origin);
        MHD_add_response_header(response, "Vary", "Origin");
        if (x->preflight.at != NULL) {
            MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                    "GET, POST, PUT, PATCH, DELETE");
            MHD_add_response_header(
                response, "Access-Control-Allow-Headers",
                "Authorization, X-API-Key, Content-Type, Idempotency-Key, X-Request-Id");
            MHD_add_response_header(response, "Access-Control-Max-Age", "600");
        }
    }
    if (atomic_load_explicit(&h->draining, memory_order_relaxed)) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

/* Sends x->response, whose body stays in place until the request is completed. */
static enum MHD_Result answer(exchange *x)
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
    add_headers(x, response);
    x->stage = STAGE_ANSWERED;
    atomic_store_explicit(&x->reading, false, memory_order_relaxed);
    exchange_deadline(x, now, bytes);
    exchange_record(x, http_of(x)->options.access, now);
    enum MHD_Result queued = MHD_queue_response(x->connection, r->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(exchange *x)
{
    slice id = slice_of(x->request_id);
    const char *route = x->response.route;
    api_refuse(&x->response, x->answer.status, id, x->answer.detail);
    x->response.route = route;
    if (x->answer.retry_after_seconds > x->response.retry_after_seconds) {
        x->response.retry_after_seconds = x->answer.retry_after_seconds;
    }
    return answer(x);
}

/* --- writes ------------------------------------------------------------------------------- */

/* In the writer's thread: from the resume on the exchange is its own thread's again. */
static void on_written(writer_job *job)
{
    exchange *x = job->ctx;
    MHD_resume_connection(x->connection);
}

static enum MHD_Result submit(exchange *x)
{
    http *h = http_of(x);
    writer_admission admitted = engine_reserve(h->options.engine, x->body_length);
    if (admitted != WRITER_ADMITTED) {
        api_abandon(h->options.api, x->write);
        x->write = NULL;
        exchange_refuse(x, 503,
                        admitted == WRITER_QUEUE_FULL
                            ? "the write queue is full (queue_ops_max, queue_bytes_max)"
                            : "the service is stopping",
                        1);
        return refuse(x);
    }
    memset(&x->job, 0, sizeof x->job);
    x->job.op = api_write_op(x->write);
    x->job.bytes = x->body_length;
    x->job.done = on_written;
    x->job.ctx = x;
    x->stage = STAGE_SUBMITTED;
    atomic_store_explicit(&x->reading, false, memory_order_relaxed);
    atomic_store_explicit(&x->deadline_ns, 0, memory_order_relaxed);
    MHD_suspend_connection(x->connection);
    engine_submit(h->options.engine, &x->job);
    return MHD_YES;
}

static enum MHD_Result finish_write(exchange *x)
{
    api_finish(http_of(x)->options.api, x->write, x->job.result, &x->response);
    x->write = NULL;
    writer_job_release(&x->job);
    return answer(x);
}

static enum MHD_Result complete(exchange *x)
{
    http *h = http_of(x);
    api_request request;
    exchange_request(x, (int64_t)time(NULL), &request);
    api_begin(h->options.api, &request, &x->response, &x->write);
    return x->write != NULL ? submit(x) : answer(x);
}

/* --- reading ------------------------------------------------------------------------------ */

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    exchange_header(cls, (slice){name, name_length},
                    (slice){value != NULL ? value : "", value_length});
    return MHD_YES;
}

static bool is_preflight(const exchange *x)
{
    return x->preflight.at != NULL && http_of(x)->options.allow_origin != NULL &&
           strcmp(x->method, "OPTIONS") == 0;
}

/* The first call: everything that the header decides. */
static enum MHD_Result begin(exchange *x, const char *method, const char *version)
{
    http *h = http_of(x);
    api_route route;
    x->method = method;
    x->head = strcmp(method, "HEAD") == 0;
    x->seen.method = slice_of(method);
    x->seen.target = (slice){x->target, x->target_length};
    x->seen.admin = ((listener *)x->listener)->admin;
    x->seen.http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, x);
    admission_request_id(x->given_id, x->request_id);
    api_route_find(h->options.api, x->head ? slice_of("GET") : x->seen.method, x->seen.target,
                   &route);
    x->response.route = route.route;
    if (is_preflight(x)) {
        route.role = API_OPEN;
    }
    x->body_max = route.takes_body ? route.body_bytes_max : EXCHANGE_UNWANTED_BYTES_MAX;
    route.body_bytes_max = x->body_max;
    admission_check(h->options.admission, &x->seen, &route, x->begun_ns, &x->answer);
    if (x->answer.status == 0 && ((listener *)x->listener)->admin && route.role != API_OPEN &&
        strcmp(route.route, "/metrics") != 0) {
        x->answer.status = 403;
        x->answer.detail = "this address serves /metrics and /health only";
    }
    exchange_deadline(x, x->begun_ns, x->answer.body_bytes);
    if (x->answer.status != 0) {
        x->stage = STAGE_REFUSED;
        metric_count(h->limited, x->answer.status == 429 ? 1 : 0);
        /* with a body announced, or a length that cannot be trusted, the connection ends here */
        bool close = x->answer.has_body || x->answer.status == 400 || x->answer.status == 413;
        return close ? refuse(x) : MHD_YES;
    }
    x->stage = STAGE_BODY;
    atomic_store_explicit(&x->reading, x->answer.has_body, memory_order_relaxed);
    if (x->answer.has_body && !x->answer.chunked && route.takes_body &&
        !exchange_body_prepare(x, x->answer.body_bytes)) {
        return refuse(x);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    exchange *x = *context;
    (void)cls;
    (void)connection;
    (void)url;
    if (x == NULL) {
        return MHD_NO;
    }
    if (x->stage == STAGE_HEADER) {
        return begin(x, method, version);
    }
    if (*upload_size > 0) {
        size_t length = *upload_size;
        *upload_size = 0;
        return exchange_body(x, upload, length) ? MHD_YES : MHD_NO;
    }
    switch (x->stage) {
    case STAGE_REFUSED: return refuse(x);
    case STAGE_SUBMITTED: return finish_write(x);
    case STAGE_BODY:
        if (is_preflight(x)) {
            x->response.status = 204;
            return answer(x);
        }
        return complete(x);
    default: return MHD_NO;
    }
}

/* Runs as soon as the request line is there, before the target is cut and unescaped. */
static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
    listener *from = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange *x = info != NULL ? info->socket_context : NULL;
    if (x == NULL) {
        return NULL;
    }
    exchange_begin(x, uri != NULL ? uri : "");
    atomic_fetch_add_explicit(&from->http->busy, 1, memory_order_relaxed);
    return x;
}

static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* The only place where a request ends, however it does. */
static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    listener *from = cls;
    http *h = from->http;
    exchange *x = *context;
    (void)connection;
    (void)code;
    if (x == NULL || x->stage == STAGE_IDLE) {
        return;
    }
    *context = NULL;
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

/* --- the daemons -------------------------------------------------------------------------- */

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
    abort(); /* a panic must not return: the library's state is not to be trusted */
}

static err_code listener_open(listener *l, const char *where, unsigned threads, err *e)
{
    const http_options *o = &l->http->options;
    address at;
    err_code rc = address_parse(&at, where, e);
    if (rc == ERR_OK) {
        rc = address_listen(&at, &l->fd, l->address, e);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    bool tls = o->tls_certificate != NULL && !l->admin;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0U);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, NULL},
        {MHD_OPTION_LISTEN_SOCKET, l->fd, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, l},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, l},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, l},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)o->connections_max, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)o->connections_per_address_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)o->timeout_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL},
        {tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, (void *)tls_retrieve},
        {MHD_OPTION_END, 0, NULL},
    };
    /* a pool of one is refused by the library */
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    l->daemon = MHD_start_daemon(flags, 0, on_accept, l, on_request, l, MHD_OPTION_ARRAY, options,
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
    metric_set(h->connections_gauge, (double)atomic_load(&h->connections));
    metric_set(h->busy_gauge, (double)atomic_load(&h->busy));
}

static err_code declare(http *h, err *e)
{
    const metric_plain all[] = {
        {&info_connections, &h->connections_gauge},
        {&info_busy, &h->busy_gauge},
        {&info_swept, &h->swept},
        {&info_limited, &h->limited},
    };
    err_code rc = metrics_add_plain(h->options.metrics, all, sizeof all / sizeof all[0], e);
    return rc != ERR_OK ? rc : metrics_on_scrape(h->options.metrics, collect, h, e);
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
    h->main = (listener){.http = h, .fd = -1};
    h->admin = (listener){.http = h, .fd = -1, .admin = true};
    pthread_mutex_init(&h->mutex, NULL);
    err_code rc = declare(h, e);
    if (rc == ERR_OK && options->tls_certificate != NULL) {
        rc = tls_load(options->tls_certificate, options->tls_key, e);
    }
    if (rc == ERR_OK) {
        rc = listener_open(&h->main, options->listen, options->threads, e);
    }
    if (rc == ERR_OK && options->admin_listen != NULL) {
        rc = listener_open(&h->admin, options->admin_listen, 1, e);
    }
    if (rc != ERR_OK) {
        http_stop(h);
        return rc;
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

static void listener_close(listener *l)
{
    if (l->daemon != NULL) {
        MHD_stop_daemon(l->daemon); /* closes the socket, too */
    } else if (l->fd >= 0) {
        (void)close(l->fd);
    }
}

void http_stop(http *h)
{
    if (h == NULL) {
        return;
    }
    listener_close(&h->main);
    listener_close(&h->admin);
    tls_clear();
    pthread_mutex_destroy(&h->mutex);
    mem_free(h);
}
