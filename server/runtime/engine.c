/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/engine.h"

#include <stdio.h>
#include <string.h>

#include "api/resources/write.h"
#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/load/live_load.h"
#include "server/runtime/engine_private.h"
#include "server/runtime/replicated_log.h"
#include "server/runtime/startup.h"
#include "server/runtime/writer_log.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/supervisor.h"
#include "storage/maintenance/recover.h"

enum { GROUP_JOBS_MAX = 512 };

static err_code open_store(engine *g, err *e)
{
    store_options options = {
        .mode = STORE_OWNER,
        .create = true,
        .quota_bytes = g->options.quota_bytes,
        .oplog_bytes = g->options.oplog_bytes,
        .oplog_seconds = g->options.oplog_seconds,
        .keep_lineage = g->options.log != NULL,
        .now = clock_now(),
    };
    store_info info;
    supervisor_status("Opening the store");
    err_code code = recover_open(&g->store, g->options.dir, &options, e);
    if (code == ERR_OK) {
        code = store_stat(g->store, &info, e);
    }
    if (code == ERR_OK && g->options.log == NULL && info.external[0] != '\0') {
        code = err_set(e, ERR_CONFLICT,
                       "%s belongs to a cluster: name the cluster with --cluster, or serve a copy "
                       "made by stair snapshot, which belongs to no cluster",
                       g->options.dir);
    }
    return code;
}

static err_code fill_live(engine *g, store_info *info, err *e)
{
    double began = clock_seconds();
    live_options options = {.features = live_stored_features, .ctx = &g->lent};
    live_feature_source_init(&g->lent, g->store);
    err_code code = live_new(&g->live, &options, e);
    if (code == ERR_OK) {
        code = startup_load(g->store, g->live, g->options.threads, info, e);
    }
    if (code == ERR_OK) {
        log_event(LOG_INFO, "loaded", log_int("items", info->items), log_int("users", info->users),
                  log_int("interactions", info->interactions),
                  log_int("generation", info->generation), log_int("seq", info->seq),
                  log_real("seconds", clock_seconds() - began));
    }
    return code;
}

static base *warmed(void *ctx, uint32_t generation)
{
    engine *g = ctx;
    return g->propagator != NULL ? propagator_take_warm(g->propagator, generation) : NULL;
}

static bool follows_log(const engine_options *o)
{
    return o->follows || o->log != NULL;
}

/* on_changed runs in the writer's thread, once the op is visible. */
static void on_changed(void *ctx, const change_list *changes)
{
    engine *g = ctx;
    if (g->encoding != NULL) {
        encoding_changed(g->encoding, changes);
    }
    if (g->waits != NULL) {
        seq_waits_look(g->waits);
    }
}

static void tell_node(void *ctx, log_node *out)
{
    engine *g = ctx;
    engine_models models;
    writer_status status;
    writer_state(g->writer, &status);
    *out = (log_node){.seq = status.seq};
    if (engine_generations(g, &models, NULL) == ERR_OK) {
        out->active = models.active;
        out->serving = models.serving;
        out->warmed = models.warmed;
    }
}

static void look(void *ctx)
{
    engine_look(ctx);
}

static err_code start_threads(engine *g, const store_info *info, err *e)
{
    const engine_options *o = &g->options;
    writer_options writing = {
        .store = g->store,
        .live = g->live,
        .metrics = o->metrics,
        .queue_jobs_max = o->queue_jobs_max,
        .queue_bytes_max = o->queue_bytes_max,
        .group_jobs_max = GROUP_JOBS_MAX,
        .seq = info->seq,
        .warmed = warmed,
        .warmed_ctx = g,
        .log = o->log,
        .waits = g->waits,
        .position = slice_of(info->external),
        .render = write_render,
        .changed = g->encoding != NULL || g->waits != NULL ? on_changed : NULL,
        .changed_ctx = g,
        .fatal = o->fatal,
        .fatal_ctx = o->fatal_ctx,
    };
    memcpy(writing.lineage, info->lineage, LINEAGE_BYTES);
    err_code code = writer_new(&g->writer, &writing, e);
    if (code != ERR_OK) {
        return code;
    }
    propagator_options propagating = {
        .store = g->store,
        .live = g->live,
        .writer = g->writer,
        .metrics = o->metrics,
        .threads = o->threads,
        .pace = {.changes = o->propagate_changes,
                 .seconds = o->propagate_seconds,
                 .within_seconds = o->propagate_within_seconds},
        .watch_seconds = o->watch_seconds,
        .follows = follows_log(o),
    };
    code = propagator_new(&g->propagator, &propagating, e);
    if (code == ERR_OK && o->log != NULL) {
        const log_host host = {
            .store = g->store, .writer = g->writer, .ctx = g, .tell = tell_node, .look = look};
        code = o->log->start(o->log->ctx, &host, e);
    }
    encoding_turn turn = {NULL, NULL};
    if (o->log != NULL) {
        turn = (encoding_turn){o->log->keeps_house, o->log->ctx};
    }
    return code == ERR_OK && g->encoding != NULL ? encoding_start(g->encoding, g->writer, &turn, e)
                                                 : code;
}

err_code engine_open(engine **out, const engine_options *options, err *e)
{
    *out = NULL;
    store_info info;
    engine *g = mem_array(1, sizeof *g);
    if (g == NULL) {
        return err_nomem(e, "the engine");
    }
    g->options = *options;
    err_code code = open_store(g, e);
    if (code == ERR_OK) {
        code = fill_live(g, &info, e);
    }
    if (code == ERR_OK) {
        code = engine_metrics_declare(g, e);
    }
    if (code == ERR_OK && options->encoder != NULL && options->encoder->url != NULL) {
        code = encoding_new(&g->encoding, g->store, options->encoder, options->metrics, e);
    }
    if (code == ERR_OK && follows_log(options)) {
        code = seq_waits_new(&g->waits, g->live, options->waits_max, e);
    }
    if (code == ERR_OK) {
        code = start_threads(g, &info, e);
    }
    if (code != ERR_OK) {
        engine_close(g);
        return code;
    }
    *out = g;
    return ERR_OK;
}

live *engine_live(engine *g)
{
    return g->live;
}

store *engine_store(engine *g)
{
    return g->store;
}

writer_admission engine_reserve(engine *g, size_t bytes)
{
    return writer_reserve(g->writer, bytes);
}

void engine_submit(engine *g, writer_job *job)
{
    bool activates = job->op->kind == OP_GENERATION_ACTIVATE;
    bool warm = follows_log(&g->options) && activates && job->op->generation != 0 &&
                propagator_warmed(g->propagator) == job->op->generation;
    if (activates && !warm) { /* the writer finds a warm one itself */
        propagator_activate(g->propagator, job);
    } else {
        writer_submit(g->writer, job);
    }
}

bool engine_encode(engine *g, encode_ask *ask)
{
    return g->encoding != NULL && encoding_ask(g->encoding, ask);
}

bool engine_waits(engine *g)
{
    return g->waits != NULL;
}

bool engine_wait(engine *g, seq_wait *wait)
{
    bool taken = g->waits != NULL && seq_waits_add(g->waits, wait);
    if (taken) {
        writer_hurry(g->writer);
    }
    return taken;
}

void engine_end_asks(engine *g)
{
    seq_waits_end(g->waits);
    encoding_end_asks(g->encoding);
}

err_code engine_generations(engine *g, engine_models *out, err *e)
{
    live_hold hold;
    store_info info;
    *out = (engine_models){.warmed = propagator_warmed(g->propagator)};
    err_code code = store_stat(g->store, &info, e);
    if (code == ERR_OK) {
        live_acquire(g->live, &hold);
        out->serving = view_generation(hold.view);
        live_release(g->live, &hold);
        out->active = info.generation;
    }
    return code;
}

void engine_look(engine *g)
{
    propagator_look(g->propagator);
}

/* tell_holder describes the reader that holds free pages, "" if there is none. A read that has
 * lasted for only a few commits does not count. */
static void tell_holder(const store_holder *holder, char *out, size_t bytes)
{
    char who[48] = "a process of another container";
    if (holder->pid != 0) {
        snprintf(who, sizeof who, "process %ld", holder->pid);
    }
    out[0] = '\0';
    if (holder->bytes > 0) {
        snprintf(out, bytes, "%s, whose read began %llu commits ago", who,
                 (unsigned long long)holder->commits);
    }
}

void engine_health(engine *g, api_health *out)
{
    writer_status status;
    store_info info;
    store_holder holder;
    writer_state(g->writer, &status);
    out->writable = engine_writable(&status);
    snprintf(out->problem, sizeof out->problem, "%s", status.problem);
    if (status.problem[0] == '\0' && propagator_failing(g->propagator)) {
        snprintf(out->problem, sizeof out->problem,
                 "the background convolution fails; recent changes count only in part");
    }
    if (g->encoding != NULL) {
        encode_status encoder;
        encoding_tell(g->encoding, &encoder);
        out->encoder = true;
        out->encoder_pending = encoder.pending;
        out->encoder_refused = encoder.refused;
        out->encoder_failures = encoder.failures;
        snprintf(out->encoder_problem, sizeof out->encoder_problem, "%s", encoder.problem);
    }
    out->queue_depth = status.depth;
    out->propagation_lag_seconds = propagator_lag(g->propagator);
    if (store_stat(g->store, &info, NULL) == ERR_OK) {
        out->active = info.generation;
        out->store_bytes = info.used_bytes;
        out->quota_bytes = info.quota_bytes;
    }
    if (store_holder_find(g->store, &holder, NULL) == ERR_OK) {
        out->held_bytes = holder.bytes;
        tell_holder(&holder, out->held_by, sizeof out->held_by);
    }
}

void engine_writer(engine *g, writer_status *out)
{
    writer_state(g->writer, out);
}

void engine_stop(engine *g)
{
    if (g == NULL || atomic_exchange(&g->stopped, true)) {
        return;
    }
    encoding_stop(g->encoding);
    if (g->propagator != NULL) {
        propagator_stop(g->propagator);
    }
    if (g->writer != NULL) {
        writer_stop(g->writer);
    }
    if (g->options.log != NULL) {
        g->options.log->stop(g->options.log->ctx);
    }
}

void engine_close(engine *g)
{
    if (g == NULL) {
        return;
    }
    engine_stop(g);
    propagator_free(g->propagator);
    encoding_free(g->encoding);
    writer_free(g->writer);
    seq_waits_free(g->waits);
    live_free(g->live);
    store_close(g->store);
    live_feature_source_fini(&g->lent);
    mem_free(g);
}
