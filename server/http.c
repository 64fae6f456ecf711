/*
 * Traps of libmicrohttpd that this file is built around. The handler runs several times for one
 * request. A response cannot be queued while body bytes are handed in, and one queued at the first
 * call closes the connection, so bodyless requests are answered at the second. The URL arrives
 * cut at the '?' and unescaped, so the raw target is kept from the log callback, which runs before
 * that. A suspended connection neither times out nor notices a disconnect. After the submit the
 * writer may resume before the handler has returned, so nothing is touched after it.
 * Its own answers to an oversized or malformed header (400, 414, 431) are HTML; limits of ours
 * that lie below its memory make them problem documents in all but the crudest cases.
 */
#include "server/http.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/mem.h"
#include "server/address.h"
#include "server/log.h"
#include "server/tls.h"

enum {
    CONNECTION_MEMORY_BYTES = 32 * 1024, /* header and a piece of the body; wiped per request */
    TARGET_BYTES_KEPT = 2 * ADMISSION_TARGET_BYTES_MAX,
    UNWANTED_BODY_BYTES_MAX = 64 * 1024, /* read and dropped where no body belongs */
    BODY_KEEP_BYTES = 256 * 1024,        /* buffers above this are given back after the request */
    SLOWEST_BYTES_A_SECOND = 16 * 1024,
};

/* How long a request whose body is not complete may hold up the end of the process. */
static const uint64_t drain_body_ns = 3000000000U;

typedef enum stage {
    STAGE_IDLE = 0,  /* between requests */
    STAGE_HEADER,    /* the target is known, the handler has not run */
    STAGE_REFUSED,   /* `answer` says why; its body, if any, is being dropped */
    STAGE_BODY,      /* collecting */
    STAGE_SUBMITTED, /* suspended; `write` and `job` are the writer's until it is resumed */
    STAGE_ANSWERED,
} stage;

typedef struct listener {
    http *http;
    bool admin;
    int fd;
    struct MHD_Daemon *daemon;
    char address[ADDRESS_TEXT_MAX];
} listener;

/* One for each connection, used again for each of its requests. */
typedef struct exchange {
    listener *from;
    struct MHD_Connection *connection;
    int socket;
    struct exchange *next, **link;    /* guarded by http.mutex */
    atomic_uint_fast64_t deadline_ns; /* when the sweep cuts it off; 0: never */
    atomic_bool reading;              /* waiting for bytes of a body */
    stage stage;
    char *target;
    size_t target_length;
    char *body;
    size_t body_length, body_room, body_max, dropped;
    uint64_t body_reserved; /* of the limit on all bodies in flight */
    const char *method;
    bool head;
    admission_request seen;
    slice content_type, idempotency_key, given_id, preflight;
    admission_answer answer;
    char request_id[ADMISSION_REQUEST_ID_MAX + 1];
    api_response response;
    api_write *write;
    writer_job job;
    uint64_t begun_ns;
} exchange;

struct http {
    http_options options; /* immutable */
    listener main, admin;
    atomic_bool draining;
    atomic_uint_fast64_t cut_bodies_ns; /* draining: unfinished bodies are cut off from then on */
    atomic_size_t busy;
    atomic_size_t connections;
    metric_series *connections_gauge, *busy_gauge, *swept, *limited;
    pthread_mutex_t mutex; /* guards the list of exchanges; taken when a connection begins or ends,
                              and by the sweep */
    exchange *exchanges;
};

static const metric_info info_connections = {
    "stair_http_connections", "Connections that are open.", METRIC_GAUGE, {NULL}, NULL, 0};
static const metric_info info_busy = {"stair_http_requests_in_flight",
                                      "Requests that have begun and not ended.",
                                      METRIC_GAUGE,
                                      {NULL},
                                      NULL,
                                      0};
static const metric_info info_swept = {"stair_http_slow_connections_total",
                                       "Connections cut off because they were too slow.",
                                       METRIC_COUNTER,
                                       {NULL},
                                       NULL,
                                       0};

static const metric_info info_limited = {"stair_rate_limited_total",
                                         "Requests refused because of the rate limit.",
                                         METRIC_COUNTER,
                                         {NULL},
                                         NULL,
                                         0};

/* --- connections -------------------------------------------------------------------------- */

static void set_deadline(exchange *x, uint64_t now_ns, uint64_t bytes)
{
    uint64_t seconds =
        2 * (uint64_t)x->from->http->options.timeout_seconds + bytes / SLOWEST_BYTES_A_SECOND;
    atomic_store_explicit(&x->deadline_ns, now_ns + seconds * 1000000000U, memory_order_relaxed);
}

static void exchange_free(exchange *x)
{
    if (x != NULL) {
        api_response_fini(&x->response);
        mem_free(x->target);
        mem_free(x->body);
        mem_free(x);
    }
}

static exchange *exchange_new(listener *from, struct MHD_Connection *connection)
{
    exchange *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->from = from;
    x->connection = connection;
    x->target = mem_array(TARGET_BYTES_KEPT, 1);
    api_response_init(&x->response, from->http->options.answer_bytes_max);
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    x->socket = fd != NULL ? fd->connect_fd : -1;
    if (x->target == NULL) {
        exchange_free(x);
        return NULL;
    }
    set_deadline(x, clock_ns(), 0);
    return x;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    listener *from = cls;
    http *h = from->http;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        exchange *x = exchange_new(from, connection);
        *context = x;
        if (x == NULL) {
            return;
        }
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
    const http *h = x->from->http;
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

static void record(exchange *x, uint64_t now)
{
    access_entry entry = {
        .method = x->method,
        .request_id = x->request_id,
        .response = &x->response,
        .begun_ns = x->begun_ns,
        .ended_ns = now,
        .body_bytes = x->body_length + x->dropped,
    };
    if (x->job.done_ns > 0) {
        entry.queue_ns = x->job.taken_ns - x->job.submitted_ns;
        entry.commit_ns = x->job.done_ns - x->job.taken_ns;
    }
    access_record(x->from->http->options.access, &entry);
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
    set_deadline(x, now, bytes);
    record(x, now);
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

static void refuse_later(exchange *x, unsigned status, const char *detail, unsigned retry_after)
{
    x->answer.status = status;
    x->answer.detail = detail;
    x->answer.retry_after_seconds = retry_after;
    x->stage = STAGE_REFUSED;
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
    http *h = x->from->http;
    writer_admission admitted = engine_reserve(h->options.engine, x->body_length);
    if (admitted != WRITER_ADMITTED) {
        api_abandon(h->options.api, x->write);
        x->write = NULL;
        refuse_later(x, 503,
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
    api_finish(x->from->http->options.api, x->write, x->job.result, &x->response);
    x->write = NULL;
    writer_job_release(&x->job);
    return answer(x);
}

static enum MHD_Result complete(exchange *x)
{
    http *h = x->from->http;
    api_request request = {
        .method = x->head ? slice_of("GET") : x->seen.method,
        .target = x->seen.target,
        .content_type = x->content_type,
        .idempotency_key = x->idempotency_key,
        .request_id = slice_of(x->request_id),
        .body = {x->body_length > 0 ? x->body : "", x->body_length},
        .now = (int64_t)time(NULL),
    };
    api_begin(h->options.api, &request, &x->response, &x->write);
    return x->write != NULL ? submit(x) : answer(x);
}

/* --- reading ------------------------------------------------------------------------------ */

static bool header_is(const char *name, size_t length, const char *wanted)
{
    return strlen(wanted) == length && strncasecmp(name, wanted, length) == 0;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    exchange *x = cls;
    slice s = {value != NULL ? value : "", value_length};
    (void)kind;
    x->seen.header_bytes += name_length + value_length + 4;
    switch (name_length > 0 ? name[0] | 0x20 : 0) {
    case 'h':
        if (header_is(name, name_length, "host")) {
            x->seen.host = s;
            x->seen.hosts++;
        }
        break;
    case 'c':
        if (header_is(name, name_length, "content-type")) {
            x->content_type = s;
        } else if (header_is(name, name_length, "content-length")) {
            x->seen.content_length = s;
            x->seen.content_lengths++;
        }
        break;
    case 'a':
        if (header_is(name, name_length, "authorization")) {
            x->seen.authorization = s;
        } else if (header_is(name, name_length, "access-control-request-method")) {
            x->preflight = s;
        }
        break;
    case 'x':
        if (header_is(name, name_length, "x-api-key")) {
            x->seen.api_key = s;
        } else if (header_is(name, name_length, "x-request-id")) {
            x->given_id = s;
        }
        break;
    case 't':
        if (header_is(name, name_length, "transfer-encoding")) {
            x->seen.transfer_encoding = s;
        }
        break;
    case 'i':
        if (header_is(name, name_length, "idempotency-key")) {
            x->idempotency_key = s;
        }
        break;
    default: break;
    }
    return MHD_YES;
}

/* A place in memory for so many more bytes of the body; false after noting why not. */
static bool body_prepare(exchange *x, uint64_t bytes)
{
    if (!admission_body_reserve(x->from->http->options.admission, bytes)) {
        refuse_later(x, 503, "too many bodies are in flight (bodies_bytes_max)", 1);
        return false;
    }
    x->body_reserved += bytes;
    if (x->body_reserved > x->body_room) {
        size_t room = (size_t)x->body_reserved;
        char *grown = mem_grow(x->body, room, 1);
        if (grown == NULL) {
            refuse_later(x, 503, "no memory for the body", 1);
            return false;
        }
        x->body = grown;
        x->body_room = room;
    }
    return true;
}

static bool is_preflight(const exchange *x)
{
    return x->preflight.at != NULL && x->from->http->options.allow_origin != NULL &&
           strcmp(x->method, "OPTIONS") == 0;
}

/* The first call: everything that the header decides. */
static enum MHD_Result begin(exchange *x, const char *method, const char *version)
{
    http *h = x->from->http;
    api_route route;
    x->method = method;
    x->head = strcmp(method, "HEAD") == 0;
    x->seen.method = slice_of(method);
    x->seen.target = (slice){x->target, x->target_length};
    x->seen.admin = x->from->admin;
    x->seen.http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, x);
    admission_request_id(x->given_id, x->request_id);
    api_route_find(h->options.api, x->head ? slice_of("GET") : x->seen.method, x->seen.target,
                   &route);
    x->response.route = route.route;
    if (is_preflight(x)) {
        route.role = API_OPEN;
    }
    x->body_max = route.takes_body ? route.body_bytes_max : UNWANTED_BODY_BYTES_MAX;
    route.body_bytes_max = x->body_max;
    admission_check(h->options.admission, &x->seen, &route, x->begun_ns, &x->answer);
    if (x->answer.status == 0 && x->from->admin && route.role != API_OPEN &&
        strcmp(route.route, "/metrics") != 0) {
        x->answer.status = 403;
        x->answer.detail = "this address serves /metrics and /health only";
    }
    set_deadline(x, x->begun_ns, x->answer.body_bytes);
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
        !body_prepare(x, x->answer.body_bytes)) {
        return refuse(x);
    }
    return MHD_YES;
}

/* Bytes of the body. What is over the limit is read and dropped, up to as much again, so that the
 * client gets to read the answer; then the connection is cut. */
static enum MHD_Result take_body(exchange *x, const char *bytes, size_t length)
{
    if (x->stage == STAGE_BODY && x->body_length + length > x->body_max) {
        snprintf(x->answer.text, sizeof x->answer.text,
                 "the body has more than %zu bytes (body_bytes_max)", x->body_max);
        refuse_later(x, 413, x->answer.text, 0);
    }
    if (x->stage == STAGE_BODY && x->answer.chunked && x->body_length + length > x->body_reserved) {
        /* doubled, so that a long body is not copied for every piece */
        size_t more = x->body_reserved > length ? (size_t)x->body_reserved : length;
        size_t room = x->body_max - (size_t)x->body_reserved;
        (void)body_prepare(x, more < room ? more : room);
    }
    if (x->stage != STAGE_BODY || x->body_reserved == 0) {
        x->dropped += length;
        return x->dropped + x->body_length <= 2 * x->body_max + UNWANTED_BODY_BYTES_MAX ? MHD_YES
                                                                                        : MHD_NO;
    }
    assert(x->body_length + length <= x->body_room);
    memcpy(x->body + x->body_length, bytes, length);
    x->body_length += length;
    if (x->answer.chunked) {
        set_deadline(x, x->begun_ns, x->body_length);
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
        return take_body(x, upload, length);
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
    size_t length = uri != NULL ? strlen(uri) : 0;
    /* a longer one is over the limit anyway */
    x->target_length = length < TARGET_BYTES_KEPT ? length : TARGET_BYTES_KEPT;
    if (length > 0) {
        memcpy(x->target, uri, x->target_length);
    }
    /* The library would take the query apart into its small pool, and leave the caller waiting once
     * that is full. All is read from the copy above, so it is shown an empty query; the buffer is
     * its own and writable. */
    char *query = uri != NULL ? strchr((char *)(uintptr_t)uri, '?') : NULL;
    if (query != NULL) {
        query[1] = '\0';
    }
    x->stage = STAGE_HEADER;
    x->begun_ns = clock_ns();
    x->method = "";
    x->head = false;
    memset(&x->seen, 0, sizeof x->seen);
    x->content_type = x->idempotency_key = x->given_id = x->preflight = (slice){NULL, 0};
    x->answer.status = 0;
    x->job.done_ns = 0;
    x->body_length = x->body_max = x->dropped = 0;
    x->body_reserved = 0;
    x->write = NULL;
    api_response_reset(&x->response);
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
    admission_body_release(h->options.admission, x->body_reserved);
    x->body_reserved = 0;
    if (x->body_room > BODY_KEEP_BYTES) {
        mem_free(x->body);
        x->body = NULL;
        x->body_room = 0;
    }
    api_response_reset(&x->response);
    x->stage = STAGE_IDLE;
    set_deadline(x, clock_ns(), 0);
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
    l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l, MHD_OPTION_ARRAY, options,
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
    metrics *m = h->options.metrics;
    metric *added[4] = {NULL, NULL, NULL, NULL};
    err_code rc = metrics_add(m, &info_connections, &added[0], e);
    if (rc == ERR_OK) {
        rc = metrics_add(m, &info_busy, &added[1], e);
    }
    if (rc == ERR_OK) {
        rc = metrics_add(m, &info_swept, &added[2], e);
    }
    if (rc == ERR_OK) {
        rc = metrics_add(m, &info_limited, &added[3], e);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    h->connections_gauge = metric_only(added[0]);
    h->busy_gauge = metric_only(added[1]);
    h->swept = metric_only(added[2]);
    h->limited = metric_only(added[3]);
    return metrics_on_scrape(m, collect, h, e);
}

err_code http_start(http **out, const http_options *options, err *e)
{
    *out = NULL;
    http *h = mem_array(1, sizeof *h);
    if (h == NULL) {
        return err_nomem(e, "the HTTP loop");
    }
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
    /* the socket that comes back is ours (MHD_OPTION_LISTEN_SOCKET) and closed in http_stop */
    (void)MHD_quiesce_daemon(h->main.daemon);
}

size_t http_busy(const http *h)
{
    return atomic_load(&h->busy);
}

static void listener_close(listener *l)
{
    if (l->daemon != NULL) {
        (void)MHD_quiesce_daemon(l->daemon);
        MHD_stop_daemon(l->daemon);
    }
    if (l->fd >= 0) {
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
