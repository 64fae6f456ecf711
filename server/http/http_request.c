/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request: reads requests and drives them to their answer.
 *
 * Traps of libmicrohttpd that this file is built around:
 *
 * The handler runs several times for one request. A response cannot be queued while body bytes are
 * handed in, and one queued at the first call closes the connection, so requests without a body are
 * answered at the second call.
 *
 * The URL arrives cut at the '?' and unescaped. So the raw target is taken from the log callback,
 * which runs earlier.
 *
 * The library stores query parameters in the connection's memory, and never answers a request that
 * uses it up. So the library is not shown the query. It also copies and parses the first Cookie
 * header, and sends two heads when there is no memory for that; so it is shown a Cookie header of
 * our own.
 *
 * A suspended connection neither times out nor notices a disconnect. After the submit, the writer
 * may resume the connection before the handler has returned, so the handler touches nothing after
 * it.
 *
 * Some errors of the library close a connection without reporting that the request is over, so the
 * end of a connection ends its request too.
 */
#include <poll.h>
#include <string.h>

#include "core/common/hash.h"
#include "server/http/http_parts.h"
#include "server/telemetry/clock.h"

/* Longer bodies are parsed by the pool: this much JSON takes about a millisecond. */
enum { SHORT_BODY_BYTES = 64 * 1024 };

/* How often long work checks that its client is still there. */
static const uint64_t look_every_ns = 10000000U;

/* on_written runs in the writer's thread. After the resume, the exchange belongs to its own thread
 * again. */
static void on_written(writer_job *job)
{
    exchange *x = job->ctx;
    MHD_resume_connection(x->connection);
}

/* reserve reserves a place in the write queue. It returns false after recording why there is
 * none. */
static bool reserve(exchange *x)
{
    http *h = http_of(x);
    size_t bytes = x->body.length + api_write_op(x->write)->memory.used;
    writer_admission admitted = engine_reserve(h->options.engine, bytes);
    if (admitted != WRITER_ADMITTED) {
        api_abandon(h->options.api, x->write);
        x->write = NULL;
        exchange_refuse(x, 503,
                        admitted == WRITER_QUEUE_FULL
                            ? "the write queue is full (queue_ops_max, queue_bytes_max)"
                            : "the service is stopping",
                        1);
        return false;
    }
    memset(&x->job, 0, sizeof x->job);
    x->job.op = api_write_op(x->write);
    x->job.bytes = bytes;
    x->job.done = on_written;
    x->job.ctx = x;
    x->stage = STAGE_SUBMITTED;
    return true;
}

/* suspend suspends the connection. Meanwhile no bytes are expected and no deadline applies. */
static void suspend(exchange *x)
{
    atomic_store_explicit(&x->reading, false, memory_order_relaxed);
    atomic_store_explicit(&x->deadline_ns, 0, memory_order_relaxed);
    MHD_suspend_connection(x->connection);
}

static enum MHD_Result submit(exchange *x)
{
    if (!reserve(x)) {
        return http_refuse(x);
    }
    suspend(x);
    engine_submit(http_of(x)->options.engine, &x->job);
    return MHD_YES;
}

/* on_seen ends the wait for a write. It runs in the thread of the waits, or before the connection
 * waits. */
static void on_seen(seq_wait *wait)
{
    exchange *x = wait->ctx;
    x->waiting.over = wait->over;
    MHD_resume_connection(x->connection);
}

/* wait_for_write begins the request again once a later write is seen or the time for it is up. A
 * request that waits again gets no additional time. The connection is suspended. */
static void wait_for_write(exchange *x)
{
    const http_options *o = &http_of(x)->options;
    uint64_t until = x->wait.until_ns;
    if (until == 0) {
        until = clock_ns() + (uint64_t)(1e9 * o->min_seq_timeout);
    }
    x->wait = (seq_wait){.seq = x->waiting.seq, .until_ns = until, .done = on_seen, .ctx = x};
    x->stage = STAGE_WAITING;
    if (!engine_wait(o->engine, &x->wait)) {
        exchange_refuse(x, 503,
                        "too many requests wait for a write that this node has not seen yet", 1);
        MHD_resume_connection(x->connection);
    }
}

static api_wait *may_wait(exchange *x)
{
    return engine_waits(http_of(x)->options.engine) ? &x->waiting : NULL;
}

/* on_stopped tells whether long work must end; it runs in the pool's thread. A client that has shut
 * down its sending side counts as gone, because a client that closed the connection looks the
 * same. */
static bool on_stopped(void *ctx)
{
    exchange *x = ctx;
    http *h = http_of(x);
    uint64_t now = clock_ns();
    if (!x->gone && now - x->looked_ns > look_every_ns) {
        struct pollfd at = {.fd = x->socket, .events = POLLRDHUP};
        x->looked_ns = now;
        x->gone = poll(&at, 1, 0) > 0 && (at.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    }
    return x->gone || atomic_load_explicit(&h->cancelled, memory_order_relaxed);
}

/* on_work runs in the pool's thread. It begins the request again and hands the connection back, and
 * touches nothing after that. */
static void on_work(work_job *job)
{
    exchange *x = job->ctx;
    http *h = http_of(x);
    struct MHD_Connection *connection = x->connection;
    if (on_stopped(x)) {
        exchange_refuse(x, 503, "the service is stopping", 1);
        MHD_resume_connection(connection);
        return;
    }
    api_request request;
    exchange_request(x, clock_now(), &request);
    request.encoding = x->encoding.asked ? &x->encoding : NULL;
    request.stopped = on_stopped;
    request.stopped_ctx = x;
    request.wait = may_wait(x);
    x->stage = STAGE_WORKED;
    switch (api_begin(h->options.api, &request, &x->response, &x->write)) {
    case API_SUBMIT:
        if (reserve(x)) {
            engine_submit(h->options.engine, &x->job);
            return;
        }
        break;
    case API_WAIT: wait_for_write(x); return;
    default: break;
    }
    MHD_resume_connection(connection);
}

static enum MHD_Result work_on(exchange *x)
{
    http *h = http_of(x);
    x->work = (work_job){.run = on_work, .ctx = x, .caller = x->caller};
    x->stage = STAGE_WORKING;
    suspend(x);
    if (!work_submit(h->work, &x->work)) {
        exchange_refuse(x, 503, "too many long requests wait (work_queue_max)", 1);
        metric_count(h->work_refused, 1);
        MHD_resume_connection(x->connection);
    }
    return MHD_YES;
}

/* finish_work takes the result of long work. */
static enum MHD_Result finish_work(exchange *x)
{
    if (x->gone) {
        return MHD_NO;
    }
    return x->stage == STAGE_REFUSED ? http_refuse(x) : http_answer(x);
}

static enum MHD_Result finish_write(exchange *x)
{
    api_finish(http_of(x)->options.api, x->write, x->job.result, &x->response);
    x->write = NULL;
    writer_job_release(&x->job);
    return http_answer(x);
}

/* take_vector passes the encoder's answer to the request. It runs in the encoder's thread, or
 * before the connection waits. */
static void take_vector(exchange *x)
{
    x->encoding.vector = x->ask.vector;
    x->encoding.width = x->ask.width;
    MHD_resume_connection(x->connection);
}

static void on_encoded(encode_ask *ask)
{
    take_vector(ask->ctx);
}

/* encode_first begins the request again once its text is encoded or the time for it is up. */
static enum MHD_Result encode_first(exchange *x)
{
    const http_options *o = &http_of(x)->options;
    x->ask =
        (encode_ask){.text = {x->encoding.text, x->encoding.length},
                     .seconds = x->encoding.of_item ? o->encoder_wait_write : o->encoder_wait_read,
                     .query = !x->encoding.of_item,
                     .done = on_encoded,
                     .ctx = x};
    x->stage = STAGE_ENCODING;
    suspend(x);
    x->encoding.called = true; /* once submitted, the request may begin again at any time */
    if (!engine_encode(o->engine, &x->ask)) {
        x->encoding.called = false;
        take_vector(x);
    }
    return MHD_YES;
}

static enum MHD_Result wait_first(exchange *x)
{
    suspend(x);
    wait_for_write(x);
    return MHD_YES;
}

static enum MHD_Result complete(exchange *x)
{
    http *h = http_of(x);
    api_request request;
    if (x->body.length > SHORT_BODY_BYTES) {
        return work_on(x); /* parsing the text alone takes long */
    }
    exchange_request(x, clock_now(), &request);
    request.short_only = true;
    request.encoding = &x->encoding;
    request.wait = may_wait(x);
    switch (api_begin(h->options.api, &request, &x->response, &x->write)) {
    case API_SUBMIT: return submit(x);
    case API_LATER: return work_on(x);
    case API_ENCODE: return encode_first(x);
    case API_WAIT: return wait_first(x);
    default: return http_answer(x);
    }
}

/* The library gets this header instead of the client's cookies. It is not counted as the
 * client's. */
static const char cookie_name[] = "Cookie";

/* check_line finds header lines that the library reads in its own way: it silently joins folded
 * lines, accepts a bare LF as the end of a line and ends a value at a NUL. But it keeps names and
 * values where they were received, with NULs in place of the colon, CR and LF. So each line must
 * begin where the previous one ended, and the last must end where the header does. Later versions
 * of the library refuse such lines themselves. */
static void check_line(exchange *x, const char *name, size_t name_length, const char *value,
                       size_t value_length)
{
#if MHD_VERSION < 0x01000000
    bool whole = name == x->line && value != NULL && value > name;
    for (const char *at = whole ? name + name_length + 1 : value; at < value && whole; at++) {
        whole = *at == ' ' || *at == '\t';
    }
    x->seen.malformed_line = x->seen.malformed_line || !whole;
    x->line = value != NULL ? value + value_length + 2 : NULL;
#else
    (void)x, (void)name, (void)name_length, (void)value, (void)value_length;
#endif
}

static void check_end(exchange *x, const char *method)
{
#if MHD_VERSION < 0x01000000
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    bool whole = info != NULL && x->line + 2 == method + info->header_size;
    x->seen.malformed_line = x->seen.malformed_line || !whole;
#else
    (void)x, (void)method;
#endif
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    if (name == cookie_name) {
        return MHD_YES;
    }
    check_line(cls, name, name_length, value, value_length);
    exchange_header(cls, (slice){name, name_length},
                    (slice){value != NULL ? value : "", value_length});
    return MHD_YES;
}

static bool is_preflight(const exchange *x)
{
    return x->preflight.at != NULL && http_of(x)->options.allow_origin != NULL &&
           strcmp(x->method, "OPTIONS") == 0;
}

/* begin handles the first call for a request: everything that the header decides. */
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
    x->seen.other_version = !x->seen.http_1_0 && strcmp(version, "HTTP/1.1") != 0;
    x->line = version + strlen(version) + 2;
    x->seen.malformed_line = x->target_end + 1 != version;
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, x);
    check_end(x, method);
    admission_request_id(x->given_id, x->request_id);
    client_of(&h->proxies, x->peer, x->forwarded, x->client);
    api_route_find(h->options.api, x->head ? slice_of("GET") : x->seen.method, x->seen.target,
                   &route);
    x->response.route = route.route;
    if (is_preflight(x)) {
        route.role = API_OPEN;
    }
    x->takes_body = route.takes_body;
    x->refuses_body = route.exists;
    x->body_max = route.takes_body ? route.body_bytes_max : EXCHANGE_UNWANTED_BYTES_MAX;
    x->route = route;
    route.body_bytes_max = x->body_max;
    admission_check(h->options.admission, &x->seen, &route, x->begun_ns, &x->answer);
    if (x->answer.status == 0 && ((listener *)x->listener)->admin && route.role != API_OPEN &&
        strcmp(route.route, "/metrics") != 0) {
        x->answer.status = 403;
        x->answer.reason = "admin_address";
        x->answer.detail = "this address serves /metrics and /health only";
    }
    /* Clients are distinguished by their keys, or without keys by their addresses. */
    const char *who = x->answer.key != NULL ? x->answer.key : x->client;
    x->caller = hash_bytes(HASH_BEGIN, who, strlen(who));
    x->body.caller = x->response.body.caller = x->caller;
    if (x->reserve && strncmp(route.route, "/health", strlen("/health")) != 0) {
        exchange_refuse(x, 503, "too many connections are open (connections_max)", 1);
        return http_refuse(x);
    }
    exchange_deadline(x, x->begun_ns, 0); /* every byte of a body extends it */
    if (x->answer.status != 0) {
        x->stage = STAGE_REFUSED;
        metric_count(h->limited, x->answer.status == 429 ? 1 : 0);
        /* With an announced body, or a length that cannot be trusted, the connection ends here. */
        bool close = x->answer.has_body || x->answer.status == 400 || x->answer.status == 413;
        x->unread = close;
        return close ? http_refuse(x) : MHD_YES;
    }
    x->stage = STAGE_BODY;
    if (x->answer.body_bytes > x->body_max) {
        x->unread = true;
        return complete(x); /* there is no such call, and the answer need not wait for the body */
    }
    atomic_store_explicit(&x->reading, x->answer.has_body, memory_order_relaxed);
    return MHD_YES;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
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
        return http_take_turn(x) ? begin(x, method, version) : MHD_NO;
    }
    if (*upload_size > 0) {
        size_t length = *upload_size;
        *upload_size = 0;
        return exchange_body(x, upload, length) ? MHD_YES : MHD_NO;
    }
    switch (x->stage) {
    case STAGE_REFUSED: return x->work.run != NULL ? finish_work(x) : http_refuse(x);
    case STAGE_WORKED: return finish_work(x);
    case STAGE_SUBMITTED: return finish_write(x);
    case STAGE_WAITING:
    case STAGE_ENCODING: return complete(x);
    case STAGE_BODY:
        if (is_preflight(x)) {
            x->response.status = 204;
            return http_answer(x);
        }
        return complete(x);
    default: return MHD_NO;
    }
}

/* hide_query cuts the query off before the library sees it. `uri` is const for callbacks that only
 * log; it is in the library's read buffer, which the library is about to cut up itself. */
static void hide_query(const char *uri)
{
    char *mark = strchr(uri, '?');
    if (mark != NULL) {
        mark[1] = '\0'; /* the place of the '?' was recorded before the callback */
    }
}

/* hide_cookies sets an own Cookie header before those of the client: of several headers of one name
 * the library uses the first. The value must not be empty, because the library reads the byte
 * before it. */
static void hide_cookies(struct MHD_Connection *connection)
{
    (void)MHD_set_connection_value_n(connection, MHD_HEADER_KIND, cookie_name,
                                     sizeof cookie_name - 1, "-", 1);
}

/* http_on_target runs as soon as the request line has arrived, before the target is cut and
 * unescaped. */
void *http_on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
    listener *from = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange *x = info != NULL ? info->socket_context : NULL;
    if (x == NULL) {
        return NULL;
    }
    exchange_begin(x, uri != NULL ? uri : "");
    x->target_end = uri != NULL ? uri + strlen(uri) : NULL;
    if (uri != NULL) {
        hide_query(uri);
    }
    hide_cookies(connection);
    atomic_fetch_add_explicit(&from->http->busy, 1, memory_order_relaxed);
    return x;
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code)
{
    exchange *x = *context;
    (void)cls;
    (void)connection;
    (void)code;
    if (x != NULL) {
        *context = NULL;
        http_end(x);
    }
}
