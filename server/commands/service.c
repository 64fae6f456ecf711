/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: keeps a service running, and stops it. service_open.c opens its parts.
 */
#include "server/commands/service.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "core/common/blas.h"
#include "core/common/mem.h"
#include "server/checkup/survey.h"
#include "server/commands/service_parts.h"
#include "server/http/http.h"
#include "server/jobs/snapshot_run.h"
#include "server/jobs/train_run.h"
#include "server/runtime/engine.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/log_queue.h"
#include "server/telemetry/metrics.h"
#include "server/telemetry/supervisor.h"
#include "storage/log/oplog.h"

/* How often, and from which amount on, the allocator must return freed memory to the system. */
enum { TRIM_SECONDS = 10, TRIM_BYTES = 32 * 1024 * 1024 };

/* At the stop, how long the log may make no progress before the rest of it is dropped. */
enum { LOG_PATIENCE_MS = 500 };

/* The writer's own work takes milliseconds; after this time it will not end any more. */
enum { STUCK_SECONDS = 30 };

/* Large buffers return to the system when they are freed. By default the allocator raises this
 * threshold by the sizes that it sees, and keeps freed memory between buffers that are still in
 * use. */
static void keep_memory_returnable(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

/* log_configuration logs the effective configuration once, so that the log shows what was
 * running. */
static void log_configuration(const serve_options *o, const option_values *values)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    for (const option *entry = serve_option_table; entry->name != NULL; entry++) {
        char text[512];
        option_source source = values->source[entry - serve_option_table];
        options_text(entry, o, text, sizeof text);
        log_event(source == OPTION_FROM_DEFAULT ? LOG_DEBUG : LOG_INFO, "option",
                  log_text("name", entry->name), log_text("value", text),
                  log_text("from", sources[source]));
    }
}

static void warn_of_quota(const serve_options *o)
{
    uint64_t log = oplog_bytes_limit((uint64_t)o->oplog_bytes, (uint64_t)o->quota);
    if (log < (uint64_t)o->oplog_bytes) {
        log_event(LOG_WARN, "log_limited_by_quota", log_int("oplog_bytes", o->oplog_bytes),
                  log_int("quota", o->quota), log_int("limit", log));
    }
}

err_code service_start(service **out, const serve_options *options, const option_values *values,
                       err *e)
{
    *out = NULL;
    service *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "the service");
    }
    s->options = options;
    s->started = clock_seconds();
    /* before everything else, while there is only this thread */
    if (survey_store(options->store, e) != ERR_OK) {
        mem_free(s);
        return ERR_CORRUPT;
    }
    double surveyed = clock_seconds();
    keep_memory_returnable();
    log_setup((log_level)options->log_level, 2);
    if (log_queue_start(2, e) != ERR_OK) {
        mem_free(s);
        return ERR_IO;
    }
    blas_threads(1); /* parallel work is divided by requests here */
    log_event(LOG_INFO, "starting", log_text("version", STAIR_VERSION), log_int("pid", getpid()),
              log_real("survey_seconds", surveyed - s->started));
    log_configuration(options, values);
    err_code code = service_open(s, e);
    if (code != ERR_OK) {
        service_stop(s);
        return code;
    }
    log_event(LOG_INFO, "listening", log_text("address", http_address(s->http)),
              log_bool("tls", options->tls_certificate != NULL), log_bool("keys", s->keys != NULL),
              log_real("seconds", clock_seconds() - s->started));
    if (http_admin_address(s->http) != NULL) {
        log_event(LOG_INFO, "admin_listening", log_text("address", http_admin_address(s->http)));
    }
    s->alive_seconds = supervisor_alive_seconds();
    warn_of_quota(options);
    supervisor_ready("Serving on %s", http_address(s->http));
    *out = s;
    return ERR_OK;
}

/* --- running ------------------------------------------------------------------------------ */

double service_tick_seconds(const service *s)
{
    return s->alive_seconds > 0 && s->alive_seconds < 1 ? s->alive_seconds : 1;
}

/* beat gives the supervisor its sign of life, unless the writer is stuck: requests that wait for a
 * stuck writer would wait for ever, so the supervisor must restart the service. */
static void beat(service *s)
{
    writer_status writing;
    double now = clock_seconds();
    bool was_stuck = s->stuck;
    if (s->alive_at > 0 && now < s->alive_at + service_tick_seconds(s) / 2) {
        return;
    }
    s->alive_at = now;
    engine_writer(s->engine, &writing);
    if (writing.stuck_seconds > STUCK_SECONDS) {
        if (!s->stuck) {
            log_event(LOG_ERROR, "writer_stuck", log_real("seconds", writing.stuck_seconds));
            supervisor_status("The writer is stuck: it has made no progress for %.0f s",
                              writing.stuck_seconds);
        }
        s->stuck = true;
        return;
    }
    s->stuck = false;
    if (s->alive_seconds > 0) {
        supervisor_alive();
    }
    if (was_stuck || strcmp(s->told, writing.problem) != 0) {
        snprintf(s->told, sizeof s->told, "%s", writing.problem);
        supervisor_status("Serving on %s%s%s", http_address(s->http),
                          s->told[0] != '\0' ? "; writes are refused: " : "", s->told);
    }
}

/* trim returns memory of many short-lived buffers, which the allocator keeps after they are
 * freed. */
static void trim(service *s)
{
    double now = clock_seconds();
    if (now < s->trimmed_at + TRIM_SECONDS) {
        return;
    }
    s->trimmed_at = now;
    if (mallinfo2().fordblks > TRIM_BYTES) {
        (void)malloc_trim(TRIM_BYTES / 4);
    }
}

bool service_tick(service *s)
{
    http_sweep(s->http);
    trim(s);
    beat(s);
    return atomic_load(&s->broken);
}

void service_reload(service *s)
{
    err e = ERR_INIT;
    supervisor_reloading();
    if (s->keys != NULL && keys_load(s->keys, &e) != ERR_OK) {
        log_event(LOG_ERROR, "reload_failed", log_text("what", "keys"), log_text("error", e.text));
        surroundings_reload_failed(s->surroundings);
    }
    err tls = ERR_INIT;
    if (http_reload(s->http, &tls) != ERR_OK) {
        log_event(LOG_ERROR, "reload_failed", log_text("what", "certificate"),
                  log_text("error", tls.text));
        surroundings_reload_failed(s->surroundings);
    }
    if (e.code == ERR_OK && tls.code == ERR_OK) {
        log_event(LOG_INFO, "reloaded");
    }
    supervisor_ready("Serving on %s%s%s", http_address(s->http),
                     e.code != ERR_OK || tls.code != ERR_OK ? "; the old ones stay: " : "",
                     e.code != ERR_OK ? e.text : tls.text);
}

/* --- stop --------------------------------------------------------------------------------- */

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static bool drain(service *s)
{
    double delay_until = clock_seconds() + s->options->drain_delay;
    while (clock_seconds() < delay_until) {
        beat(s);
        pause_ms(20);
    }
    http_drain(s->http);
    http_quiesce(s->http);
    engine_end_asks(s->engine);
    double until = clock_seconds() + s->options->stop_timeout;
    while (http_busy(s->http) > 0 && clock_seconds() < until) {
        http_sweep(s->http);
        beat(s);
        pause_ms(5);
    }
    return http_busy(s->http) == 0;
}

void service_stop(service *s)
{
    bool drained = true;
    if (s == NULL) {
        return;
    }
    atomic_store(&s->stopping, true);
    if (s->trainings != NULL) {
        /* it ends while requests are drained */
        (void)(train_runs_cancel(s->trainings, NULL) == ERR_OK);
    }
    if (s->http != NULL) {
        log_event(LOG_INFO, "stopping");
        supervisor_stopping();
        drained = drain(s);
    }
    if (s->http != NULL) {
        http_cancel_work(s->http);
    }
    train_runs_stop(s->trainings);
    snapshot_runs_stop(s->snapshots);
    /* from here on no write is suspended: all that were submitted have been answered */
    engine_stop(s->engine);
    http_stop(s->http);
    api_free(s->api);
    train_runs_free(s->trainings);
    snapshot_runs_free(s->snapshots);
    engine_close(s->engine);
    replication_close(s->replication);
    access_free(s->access);
    surroundings_free(s->surroundings);
    metrics_free(s->metrics);
    keys_free(s->keys);
    if (s->http != NULL) {
        log_event(LOG_INFO, "stopped", log_bool("drained", drained));
    }
    mem_free(s);
    log_queue_stop(LOG_PATIENCE_MS);
}
