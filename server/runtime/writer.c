/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "server/runtime/writer_log.h"
#include "server/runtime/writer_private.h"
#include "server/telemetry/clock.h"

enum { REOPEN_SECONDS = 1, GATHER_FROM = 4, GATHER_NS_MAX = 1000000 };

static const metric_info info_commits = {.name = "stair_write_commits_total",
                                         .help = "Write transactions committed and synced to disk.",
                                         .kind = METRIC_COUNTER};
static const metric_info info_failed = {
    .name = "stair_write_commit_failures_total",
    .help = "Failed commits; whether their writes are stored is unknown until the next start.",
    .kind = METRIC_COUNTER};
static const metric_info info_full = {.name = "stair_write_full_total",
                                      .help = "Writes refused because disk, map or quota was full.",
                                      .kind = METRIC_COUNTER};
static const metric_info info_rejected = {.name = "stair_write_queue_rejected_total",
                                          .help = "Writes refused because the queue was full.",
                                          .kind = METRIC_COUNTER};
static const double group_buckets[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
static const metric_info info_group = {.name = "stair_write_group_ops",
                                       .help = "Number of writes in one commit.",
                                       .kind = METRIC_HISTOGRAM,
                                       .buckets = group_buckets,
                                       .bucket_count = 9};
static const metric_info info_commit_seconds = {.name = "stair_write_commit_duration_seconds",
                                                .help =
                                                    "Time to apply and commit one group of writes.",
                                                .kind = METRIC_HISTOGRAM};
static const metric_info info_live_seconds = {
    .name = "stair_write_publish_duration_seconds",
    .help = "Time to apply one group's changes to the live tables.",
    .kind = METRIC_HISTOGRAM};

/* wait_for_work waits for work, but at most a second if the store must be reopened. */
static void wait_for_work(writer *w)
{
    while (w->first == NULL && w->calls == NULL && !(w->stopping && w->reserved_jobs == 0)) {
        if (w->writable) {
            pthread_cond_wait(&w->wake, &w->mutex);
            continue;
        }
        struct timespec until = clock_deadline((uint64_t)REOPEN_SECONDS * NS_PER_SECOND);
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &until) != 0) {
            w->idle = false;
            pthread_mutex_unlock(&w->mutex);
            writer_reopen(w);
            pthread_mutex_lock(&w->mutex);
            w->idle = true;
        }
    }
}

/* gather waits briefly for more jobs. Clients that were answered together come back together, but
 * not at the same instant: the first of them would get a commit of its own while the others wait
 * for it. So after a group of several, the thread waits for as many again, for a fraction of the
 * time of a commit. A single client never waits. The caller holds the mutex. */
static void gather(writer *w)
{
    uint64_t most = w->commit_ns / 4 < GATHER_NS_MAX ? w->commit_ns / 4 : GATHER_NS_MAX;
    if (w->last_count < GATHER_FROM || w->stopping || most == 0) {
        return;
    }
    struct timespec until = clock_deadline(most);
    while (w->waiting < w->last_count && w->calls == NULL && !w->stopping) {
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &until) != 0) {
            break;
        }
    }
}

static void *writer_main(void *argument)
{
    writer *w = argument;
    pthread_setname_np(pthread_self(), "writer");
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        atomic_store(&w->own_since_ns, 0);
        w->idle = true;
        wait_for_work(w);
        gather(w);
        w->idle = false;
        size_t count = 0;
        writer_call_entry *calls = w->calls;
        w->calls = NULL;
        writer_job *jobs = writer_take_jobs(w, &count);
        if (jobs == NULL && calls == NULL) {
            break;
        }
        pthread_mutex_unlock(&w->mutex);
        if (count > 0) {
            writer_run_group(w, jobs, count);
            w->last_count = count;
        }
        atomic_store(&w->own_since_ns, clock_ns());
        writer_run_calls(w, calls);
        pthread_mutex_lock(&w->mutex);
    }
    w->joined = true; /* later calls are refused */
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------- */

static err_code declare(writer *w, err *e)
{
    const metric_plain all[] = {
        {&info_commits, &w->commits},           {&info_failed, &w->failed_commits},
        {&info_full, &w->refused_full},         {&info_rejected, &w->rejected},
        {&info_group, &w->group_ops},           {&info_commit_seconds, &w->commit_seconds},
        {&info_live_seconds, &w->live_seconds},
    };
    return metrics_add_plain(w->options.metrics, all, sizeof all / sizeof all[0], e);
}

err_code writer_new(writer **out, const writer_options *options, err *e)
{
    *out = NULL;
    writer *w = mem_array(1, sizeof *w);
    if (w == NULL) {
        return err_nomem(e, "the writer");
    }
    w->options = *options;
    w->last = &w->first;
    w->writable = true;
    w->seq = options->seq;
    w->ops = mem_array(options->group_jobs_max, sizeof *w->ops);
    err_code code = w->ops != NULL ? declare(w, e) : err_nomem(e, "the writer");
    if (code == ERR_OK && options->log != NULL) {
        code = writer_log_new(&w->log, options->log, options->position, e);
    }
    if (code != ERR_OK) {
        mem_free(w->ops);
        mem_free(w);
        return code;
    }
    pthread_mutex_init(&w->mutex, NULL);
    clock_cond_init(&w->wake);
    clock_cond_init(&w->called);
    int failed =
        pthread_create(&w->thread, NULL, w->log != NULL ? writer_log_main : writer_main, w);
    if (failed != 0) {
        w->joined = true;
        w->stopping = true;
        writer_free(w);
        return err_set(e, ERR_IO, "the writer's thread: %s", strerror(failed));
    }
    *out = w;
    return ERR_OK;
}

void writer_stop(writer *w)
{
    pthread_mutex_lock(&w->mutex);
    bool first = !w->stopping;
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    if (first) {
        pthread_join(w->thread, NULL);
    }
}

void writer_free(writer *w)
{
    if (w == NULL) {
        return;
    }
    if (!w->stopping) {
        writer_stop(w);
    }
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->called);
    writer_log_free(w->log);
    mem_free(w->ops);
    mem_free(w);
}
