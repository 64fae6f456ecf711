/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_apply: applies the jobs that the writer's thread took: one transaction and one commit for
 * all of them, then the live tables, then the answers. Everything here runs in that thread, except
 * writer_job_release and writer_fail.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "server/runtime/writer_log_private.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

enum { LIVE_TRIES = 20 };

/* --- results ---------------------------------------------------------------------------- */

void writer_group_drop(writer_group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        apply_result_fini(&g->results[i]);
    }
    mem_free(g);
}

void writer_group_release(writer_group *g)
{
    if (atomic_fetch_sub_explicit(&g->holders, 1, memory_order_acq_rel) == 1) {
        writer_group_drop(g);
    }
}

void writer_job_release(writer_job *job)
{
    if (job->group != NULL) {
        writer_group_release(job->group);
        job->group = NULL;
        job->result = NULL;
    }
}

static writer_group *group_new(size_t count, size_t holders)
{
    writer_group *g = mem_array(sizeof *g + count * sizeof g->results[0], 1);
    if (g != NULL) {
        atomic_init(&g->holders, holders);
        g->count = count;
        for (size_t i = 0; i < count; i++) {
            apply_result_init(&g->results[i]);
        }
    }
    return g;
}

writer_group *writer_group_needed(size_t count, size_t holders)
{
    writer_group *g = NULL;
    while ((g = group_new(count, holders)) == NULL) {
        struct timespec pause = {0, 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return g;
}

/* --- applying ------------------------------------------------------------------------------ */

void writer_set_state(writer *w, bool writable, const char *problem)
{
    pthread_mutex_lock(&w->mutex);
    w->writable = writable;
    snprintf(w->problem, sizeof w->problem, "%s", problem);
    pthread_mutex_unlock(&w->mutex);
}

/* publish changes the tables in memory. The op is on disk, so they must follow. A failure for lack
 * of memory is retried. Any other failure ends the process, because a start reads everything
 * anew. */
static void publish(writer *w, const apply_result *r)
{
    err e = ERR_INIT;
    err_code code = ERR_NOMEM;
    for (int i = 0; i < LIVE_TRIES && code == ERR_NOMEM; i++) {
        if (i > 0) {
            struct timespec pause = {0, 50 * 1000 * 1000};
            nanosleep(&pause, NULL);
        }
        e = (err)ERR_INIT;
        code = live_apply(w->options.live, &r->changes, &e);
    }
    if (code != ERR_OK) {
        w->options.fatal(w->options.fatal_ctx, e.text);
    }
}

/* publish_generation publishes one view with both the new seq and the new generation, so no reader
 * sees one without the other. If the generation is not loaded here, the view has the new seq and
 * the old generation. */
static void publish_generation(writer *w, const apply_result *r, base **taken)
{
    err e = ERR_INIT;
    base *b = *taken;
    uint32_t generation = r->changes.items[0].generation;
    *taken = NULL;
    if (b == NULL && generation != 0 && w->options.warmed != NULL) {
        b = w->options.warmed(w->options.warmed_ctx, generation);
    }
    if (b == NULL && generation != 0) {
        publish(w, r);
        return;
    }
    if (live_activate(w->options.live, b, r->seq, &e) != ERR_OK) {
        w->options.fatal(w->options.fatal_ctx, e.text);
    }
}

static bool went_in(const apply_result *r)
{
    return r->code == ERR_OK && !r->replayed && r->changes.seq != 0;
}

void writer_publish(writer *w, const op *o, const apply_result *r, base **b)
{
    if (!went_in(r)) {
        return;
    }
    if (o->kind == OP_GENERATION_ACTIVATE) {
        publish_generation(w, r, b);
    } else {
        publish(w, r);
    }
    if (w->options.changed != NULL) {
        w->options.changed(w->options.changed_ctx, &r->changes);
    }
    pthread_mutex_lock(&w->mutex);
    w->seq = r->seq;
    pthread_mutex_unlock(&w->mutex);
}

static void publish_group(writer *w, writer_job *jobs, const writer_group *g)
{
    uint64_t began = clock_ns();
    size_t i = 0;
    for (writer_job *j = jobs; j != NULL; j = j->next, i++) {
        writer_publish(w, j->op, &g->results[i], &j->base);
    }
    metric_observe(w->live_seconds, 1e-9 * (double)(clock_ns() - began));
}

/* writer_reopen reads what is on disk. Only if none of the group is there can the service continue
 * without a restart: then the live tables and the disk agree. */
void writer_reopen(writer *w)
{
    err e = ERR_INIT;
    store_info info;
    err_code code = store_reopen(w->options.store, &info, &e);
    if (code != ERR_OK) {
        log_event(LOG_ERROR, "store_reopen_failed", log_text("error", e.text));
        return;
    }
    if (info.seq != w->seq || !writer_log_agrees(w, &info) ||
        memcmp(info.lineage, w->options.lineage, LINEAGE_BYTES) != 0) {
        w->options.fatal(
            w->options.fatal_ctx,
            "the store on disk differs from the live tables; reading everything again");
        return;
    }
    log_event(LOG_WARN, "store_reopened", log_int("seq", info.seq));
    writer_set_state(w, true, "");
}

static void refuse_all(writer_group *g, err_code code, const char *why)
{
    for (size_t i = 0; i < g->count; i++) {
        g->results[i].code = code;
        snprintf(g->results[i].detail, sizeof g->results[i].detail, "%s", why);
    }
}

static void count_refusals(writer *w, const writer_group *g)
{
    size_t full = 0, in = 0;
    for (size_t i = 0; i < g->count; i++) {
        full += g->results[i].code == ERR_FULL ? 1 : 0;
        in += went_in(&g->results[i]) ? 1 : 0;
    }
    if (full > 0) {
        metric_count(w->refused_full, full);
        log_event(LOG_WARN, "write_refused",
                  log_text("error", "the disk, the map or the quota is full"),
                  log_int("ops", full));
    }
    /* A single op that was applied shows that there is room again; one refused for another reason
     * does not. */
    if (full == g->count) {
        writer_set_state(w, true, "the disk, the map or the quota is full");
    } else if (full == 0 && in > 0) {
        writer_set_state(w, true, "");
    }
}

void writer_count_in(writer *w, size_t count, uint64_t ns)
{
    metric_observe(w->commit_seconds, 1e-9 * (double)ns);
    metric_observe(w->group_ops, (double)count);
}

static void apply_jobs(writer *w, writer_job *jobs, size_t count, writer_group *g)
{
    err e = ERR_INIT;
    bool writable = false;
    size_t i = 0;
    for (writer_job *j = jobs; j != NULL; j = j->next) {
        w->ops[i++] = j->op;
    }
    pthread_mutex_lock(&w->mutex);
    writable = w->writable;
    pthread_mutex_unlock(&w->mutex);
    if (!writable) {
        refuse_all(g, ERR_UNAVAILABLE, "writes are refused until the store has been read back");
        return;
    }
    uint64_t began = clock_ns();
    err_code code = apply_group(w->options.store, w->ops, count, g->results, &e);
    uint64_t ended = clock_ns();
    w->commit_ns = ended - began;
    atomic_store(&w->own_since_ns, ended);
    writer_count_in(w, count, w->commit_ns);
    /* also after a failure: ops tried alone may have been applied before the one that failed */
    publish_group(w, jobs, g);
    if (code == ERR_OK) {
        metric_count(w->commits, 1);
        count_refusals(w, g);
        return;
    }
    log_event(LOG_ERROR, "write_failed", log_text("code", err_code_name(code)),
              log_text("error", e.text), log_int("ops", count));
    if (code == ERR_OUTCOME_UNKNOWN || code == ERR_UNAVAILABLE) {
        metric_count(w->failed_commits, 1);
        writer_set_state(w, false,
                         code == ERR_UNAVAILABLE ? e.text
                                                 : "a commit failed; the store is being read back");
        atomic_store(&w->own_since_ns, 0);
        writer_reopen(w);
        atomic_store(&w->own_since_ns, clock_ns());
    } else {
        writer_set_state(w, true, "the last write failed");
    }
}

/* writer_finish_job reads everything that it needs first, because the job may be freed as soon as
 * `done` is called. */
void writer_finish_job(writer *w, writer_job *j, writer_group *g, const apply_result *result)
{
    size_t bytes = j->bytes;
    if (j->base != NULL) {
        base_release(j->base);
        j->base = NULL;
    }
    j->result = result;
    j->group = g;
    j->done_ns = clock_ns();
    j->done(j);
    writer_unreserve(w, bytes);
}

static void finish_jobs(writer *w, writer_job *jobs, writer_group *g)
{
    size_t i = 0;
    for (writer_job *j = jobs; j != NULL; i++) {
        writer_job *next = j->next;
        writer_finish_job(w, j, g, &g->results[i]);
        j = next;
    }
}

void writer_fail(writer *w, writer_job *job, err_code code, const char *why)
{
    writer_group *g = writer_group_needed(1, 1);
    refuse_all(g, code, why);
    job->next = NULL;
    job->taken_ns = clock_ns();
    finish_jobs(w, job, g);
}

void writer_run_group(writer *w, writer_job *jobs, size_t count)
{
    uint64_t now = clock_ns();
    writer_group *g = writer_group_needed(count, count);
    for (writer_job *j = jobs; j != NULL; j = j->next) {
        j->taken_ns = now;
    }
    apply_jobs(w, jobs, count, g);
    finish_jobs(w, jobs, g);
}
