/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_open: opens the parts of a service in order, and defines the functions by which the API
 * reaches them.
 */
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "server/checkup/folder.h"
#include "server/cli/address.h"
#include "server/cli/processors.h"
#include "server/commands/replication.h"
#include "server/commands/service_parts.h"
#include "server/commands/surroundings.h"
#include "server/http/access.h"
#include "server/http/admission.h"
#include "server/http/http.h"
#include "server/http/keys.h"
#include "server/jobs/snapshot_run.h"
#include "server/jobs/train_run.h"
#include "server/runtime/engine.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "server/telemetry/process_metrics.h"

/* The longest time that a list waits for the encoder to encode its text. */
static const double ENCODER_READ_SECONDS_MAX = 2;

static const metric_info info_ready = {
    "stair_ready", "1 while the service accepts requests, 0 while it stops.",
    METRIC_GAUGE,  {NULL},
    NULL,          0};

static const metric_info info_units = {"stair_work_units_total",
                                       "Estimated work of all requests, in units.",
                                       METRIC_COUNTER,
                                       {NULL},
                                       NULL,
                                       0};

/* --- the functions that the API calls --- */

static void on_health(void *ctx, api_health *out)
{
    service *s = ctx;
    memset(out, 0, sizeof *out);
    engine_health(s->engine, out);
    out->stopping = atomic_load(&s->stopping);
    out->ready = !out->stopping && !atomic_load(&s->broken);
    replication_health(s->replication, out);
    out->uptime_seconds = (uint64_t)(clock_seconds() - s->started);
}

static void on_metrics(void *ctx, buffer *out)
{
    service *s = ctx;
    api_health health = {.ready = !atomic_load(&s->stopping) && !atomic_load(&s->broken)};
    replication_health(s->replication, &health);
    metric_set(s->ready, health.ready ? 1 : 0);
    metrics_render(s->metrics, out);
}

static err_code on_train_start(void *ctx, const api_train_option *options, size_t count,
                               json_report report, void *report_ctx, err *e)
{
    service *s = ctx;
    return train_runs_start(s->trainings, options, count, report, report_ctx, e);
}

static void on_train_status(void *ctx, api_train_status *out)
{
    service *s = ctx;
    live_hold hold;
    train_runs_status(s->trainings, out);
    live_acquire(engine_live(s->engine), &hold);
    out->activated = out->generation != 0 && view_generation(hold.view) == out->generation;
    live_release(engine_live(s->engine), &hold);
}

static err_code on_train_cancel(void *ctx, err *e)
{
    return train_runs_cancel(((service *)ctx)->trainings, e);
}

static void on_train_ready(void *ctx)
{
    engine_look(((service *)ctx)->engine);
}

static void on_train_ended(void *ctx, uint32_t generation)
{
    (void)generation;
    engine_look(((service *)ctx)->engine);
}

static err_code on_snapshot_start(void *ctx, slice name, err *e)
{
    return snapshot_runs_start(((service *)ctx)->snapshots, name, e);
}

static err_code on_snapshot_status(void *ctx, slice name, api_snapshot *out, err *e)
{
    return snapshot_runs_status(((service *)ctx)->snapshots, name, out, e);
}

static unsigned on_work(void *ctx, double units)
{
    service *s = ctx;
    unsigned wait = admission_work(&s->admission, units, clock_ns());
    metric_count(s->units, wait == 0 ? (uint64_t)ceil(units) : 0);
    return wait;
}

static struct json_t *on_cluster(void *ctx)
{
    return replication_document(((service *)ctx)->replication);
}

static void on_fatal(void *ctx, const char *why)
{
    service *s = ctx;
    atomic_store(&s->broken, true);
    log_event(LOG_ERROR, "tables_behind_store", log_text("error", why));
}

/* --- start -------------------------------------------------------------------------------- */

static err_code check_exposure(const serve_options *o, bool *loopback, err *e)
{
    address at;
    err_code code = address_parse(&at, o->listen, e);
    if (code == ERR_OK) {
        code = encoder_options_check(&o->encoder, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    *loopback = at.loopback;
    if (!at.loopback && o->keys == NULL && !o->insecure) {
        return err_set(
            e, ERR_INVALID,
            "--listen %s can be reached from other machines, but there are no keys: make some with "
            "`stair key new` and name their file with --keys, or give --insecure",
            o->listen);
    }
    if ((o->tls_certificate == NULL) != (o->tls_key == NULL)) {
        return err_set(e, ERR_INVALID, "--tls-certificate and --tls-key must be given together");
    }
    return ERR_OK;
}

static err_code open_engine(service *s, err *e)
{
    const serve_options *o = s->options;
    engine_options options = {
        .dir = o->store,
        .quota_bytes = o->quota,
        .oplog_bytes = o->oplog_bytes,
        .oplog_seconds = (int64_t)o->oplog_age,
        .queue_jobs_max = (size_t)o->queue_ops_max,
        .queue_bytes_max = (size_t)o->queue_bytes_max,
        /* half of the connections stay free for other requests */
        .waits_max = ((size_t)o->connections_max + 1) / 2,
        .threads = (int)o->background_threads,
        .propagate_changes = (uint64_t)o->propagate_changes,
        .propagate_seconds = o->propagate_every,
        .propagate_within_seconds = o->propagate_within,
        .watch_seconds = o->watch_every,
        .encoder = &o->encoder,
        .log = replication_log(s->replication),
        .metrics = s->metrics,
        .fatal = on_fatal,
        .fatal_ctx = s,
    };
    return engine_open(&s->engine, &options, e);
}

static err_code open_runs(service *s, err *e)
{
    const serve_options *o = s->options;
    train_runs_options options = {
        .store = engine_store(s->engine),
        .metrics = s->metrics,
        .threads = (unsigned)o->train_threads,
        .ended = on_train_ended,
        .ready = on_train_ready,
        .ctx = s,
    };
    err_code code = train_runs_new(&s->trainings, &options, e);
    if (code != ERR_OK) {
        return code;
    }
    char beside[PATH_MAX];
    const char *dir = o->snapshot_dir;
    if (dir == NULL) {
        if (snprintf(beside, sizeof beside, "%s/snapshots", o->store) >= (int)sizeof beside) {
            return err_set(e, ERR_INVALID, "the store's path is too long for a folder below it");
        }
        dir = beside;
    }
    code = surroundings_add(&s->surroundings, s->metrics, o->store, dir, e);
    return code == ERR_OK
               ? snapshot_runs_new(&s->snapshots, engine_store(s->engine), dir, s->metrics, e)
               : code;
}

static err_code open_api(service *s, err *e)
{
    const serve_options *o = s->options;
    api_deps deps = {
        .live = engine_live(s->engine),
        .store = engine_store(s->engine),
        .types = &s->types,
        .limits =
            {
                .body_bytes_max = (size_t)o->body_bytes_max,
                .answer_bytes_max = (size_t)o->answer_bytes_max,
                .batch_items_max = (size_t)o->batch_items_max,
                .batch_interactions_max = (size_t)o->batch_interactions_max,
                .batch_requests_max = (size_t)o->batch_requests_max,
                .exclude_max = (size_t)o->exclude_max,
                .session_items_max = (size_t)o->session_items_max,
                .work_max = (size_t)o->work_max,
                .work_rate = o->work_rate,
                .exports_max = (size_t)o->exports_max,
                .spool_bytes_max = (size_t)o->spool_bytes_max,
            },
        .version = STAIR_VERSION,
        .encoder_modality = s->options->encoder.url != NULL ? s->options->encoder.modality : NULL,
        .spool_dir = o->spool_dir != NULL ? o->spool_dir : o->store,
        .ctx = s,
        .health = on_health,
        .metrics = on_metrics,
        .train_start = on_train_start,
        .train_status = on_train_status,
        .train_cancel = on_train_cancel,
        .snapshot_start = on_snapshot_start,
        .snapshot_status = on_snapshot_status,
        .cluster = s->replication != NULL ? on_cluster : NULL,
        .work = on_work,
        .clock_ns = clock_ns,
    };
    replication_erasure(s->replication, o, &deps.erasure);
    return api_new(&s->api, &deps, e);
}

static bool is_loopback(const char *where)
{
    address at;
    return where != NULL && address_parse(&at, where, NULL) == ERR_OK && at.loopback;
}

static err_code open_http(service *s, bool loopback, err *e)
{
    const serve_options *o = s->options;
    admission_options admitting = {
        .keys = s->keys,
        .check_host = loopback && s->keys == NULL,
        .admin_loopback = is_loopback(o->admin_listen),
        .allow_hosts = o->allow_host,
        .allow_origin = o->allow_origin,
        .rate_per_second = o->rate,
        .rate_burst = (double)o->rate_burst,
        .work_per_second = o->work_rate,
        .bodies_bytes_max = o->bodies_bytes_max,
    };
    admission_init(&s->admission, &admitting);
    http_options options = {
        .listen = o->listen,
        .admin_listen = o->admin_listen,
        .tls_certificate = o->tls_certificate,
        .tls_key = o->tls_key,
        .allow_origin = o->allow_origin,
        .trusted_proxies = o->trusted_proxies,
        .tls_priority = o->tls_priority,
        .threads = threads_or_usable(o->threads),
        .work_threads = threads_or_usable(o->work_threads),
        .work_queue_max = (size_t)o->work_queue_max,
        .connections_max = (unsigned)o->connections_max,
        .connections_per_address_max = (unsigned)o->connections_per_address_max,
        .min_seq_timeout = o->min_seq_timeout,
        .encoder_wait_write = o->encoder.wait,
        .encoder_wait_read = fmin(o->encoder.timeout, ENCODER_READ_SECONDS_MAX),
        .timeout_seconds = (unsigned)ceil(o->timeout),
        .answer_bytes_max = (size_t)o->answer_bytes_max,
        .answers_bytes_max = o->answers_bytes_max,
        .api = s->api,
        .engine = s->engine,
        .admission = &s->admission,
        .access = s->access,
        .metrics = s->metrics,
    };
    return http_start(&s->http, &options, e);
}

err_code service_open(service *s, err *e)
{
    const serve_options *o = s->options;
    bool loopback = false;
    metric *ready = NULL, *units = NULL;
    err_code code = check_exposure(o, &loopback, e);
    if (code == ERR_OK) {
        code = interaction_types_parse(&s->types, o->interaction_types, e);
    }
    if (code == ERR_OK && o->keys != NULL) {
        code = keys_new(&s->keys, o->keys, e);
    }
    if (code == ERR_OK && o->snapshot_dir != NULL) {
        code = folder_usable("snapshot_dir", o->snapshot_dir, true, e);
    }
    if (code == ERR_OK && o->spool_dir != NULL) {
        code = folder_usable("spool_dir", o->spool_dir, false, e);
    }
    if (code == ERR_OK) {
        code = metrics_new(&s->metrics, e);
    }
    if (code == ERR_OK) {
        code = process_metrics_add(s->metrics, e);
    }
    if (code == ERR_OK) {
        code = metrics_add(s->metrics, &info_ready, &ready, e);
    }
    if (code == ERR_OK) {
        code = metrics_add(s->metrics, &info_units, &units, e);
    }
    if (code == ERR_OK) {
        s->ready = metric_only(ready);
        s->units = metric_only(units);
        code = access_new(&s->access, s->metrics, o->access_log, e);
    }
    if (code == ERR_OK) {
        code = replication_open(&s->replication, o, s->metrics, e);
    }
    if (code == ERR_OK) {
        code = open_engine(s, e);
    }
    if (code == ERR_OK) {
        code = open_runs(s, e);
    }
    if (code == ERR_OK) {
        code = open_api(s, e);
    }
    return code == ERR_OK ? open_http(s, loopback, e) : code;
}
