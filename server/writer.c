#include "server/writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "server/log.h"

enum { REOPEN_SECONDS = 1, LIVE_TRIES = 20, GATHER_FROM = 4, GATHER_NS_MAX = 1000000 };

struct writer_group {
    atomic_size_t holders;
    size_t count;
    apply_result results[]; /* (count) */
};

typedef struct call {
    writer_function fn;
    void *ctx;
    err *e;
    err_code rc;
    bool done;
    struct call *next;
} call;

struct writer {
    /* immutable */
    writer_options options;
    pthread_t thread;
    metric_series *commits, *refused_full, *failed_commits, *group_ops, *commit_seconds,
        *live_seconds, *rejected;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* there is work, or an end */
    pthread_cond_t called;
    writer_job *first, **last;
    size_t waiting; /* jobs from `first` on */
    call *calls;
    size_t reserved_jobs, reserved_bytes;
    bool stopping, joined;
    bool writable;
    char problem[128];
    uint64_t seq;
    /* the writer's thread alone */
    const op **ops;
    size_t last_count;  /* jobs of the last group */
    uint64_t commit_ns; /* what its commit took */
};

static const metric_info info_commits = {"stair_write_commits_total",
                                         "Write transactions that were committed and synced.",
                                         METRIC_COUNTER,
                                         {NULL},
                                         NULL,
                                         0};
static const metric_info info_failed = {"stair_write_commit_failures_total",
                                        "Commits that failed, so that their outcome was unknown.",
                                        METRIC_COUNTER,
                                        {NULL},
                                        NULL,
                                        0};
static const metric_info info_full = {"stair_write_full_total",
                                      "Writes refused because disk, map or quota was full.",
                                      METRIC_COUNTER,
                                      {NULL},
                                      NULL,
                                      0};
static const metric_info info_rejected = {"stair_write_queue_rejected_total",
                                          "Writes refused because the queue was full.",
                                          METRIC_COUNTER,
                                          {NULL},
                                          NULL,
                                          0};
static const double group_buckets[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
static const metric_info info_group = {"stair_write_group_ops", "Writes that shared one commit.",
                                       METRIC_HISTOGRAM,        {NULL},
                                       group_buckets,           9};
static const metric_info info_commit_seconds = {"stair_write_commit_duration_seconds",
                                                "Applying and committing one group of writes.",
                                                METRIC_HISTOGRAM,
                                                {NULL},
                                                NULL,
                                                0};
static const metric_info info_live_seconds = {"stair_write_publish_duration_seconds",
                                              "Bringing one group's changes into the live tables.",
                                              METRIC_HISTOGRAM,
                                              {NULL},
                                              NULL,
                                              0};

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- groups ------------------------------------------------------------------------------- */

static void group_release(writer_group *g)
{
    if (atomic_fetch_sub_explicit(&g->holders, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        apply_result_fini(&g->results[i]);
    }
    mem_free(g);
}

void writer_job_release(writer_job *job)
{
    if (job->group != NULL) {
        group_release(job->group);
        job->group = NULL;
        job->result = NULL;
    }
}

static writer_group *group_new(size_t count)
{
    writer_group *g = mem_array(sizeof *g + count * sizeof g->results[0], 1);
    if (g != NULL) {
        atomic_init(&g->holders, count);
        g->count = count;
        for (size_t i = 0; i < count; i++) {
            apply_result_init(&g->results[i]);
        }
    }
    return g;
}

/* The jobs must be answered somehow, so this waits for memory rather than give up. */
static writer_group *group_needed(size_t count)
{
    writer_group *g = NULL;
    while ((g = group_new(count)) == NULL) {
        struct timespec pause = {0, 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return g;
}

/* --- the queue ---------------------------------------------------------------------------- */

writer_admission writer_reserve(writer *w, size_t bytes)
{
    writer_admission answer = WRITER_ADMITTED;
    pthread_mutex_lock(&w->mutex);
    if (w->stopping) {
        answer = WRITER_STOPPING;
    } else if (w->reserved_jobs >= w->options.queue_jobs_max ||
               (w->reserved_jobs > 0 && w->reserved_bytes + bytes > w->options.queue_bytes_max)) {
        answer = WRITER_QUEUE_FULL;
    } else {
        w->reserved_jobs++;
        w->reserved_bytes += bytes;
    }
    pthread_mutex_unlock(&w->mutex);
    if (answer == WRITER_QUEUE_FULL) {
        metric_count(w->rejected, 1);
    }
    return answer;
}

void writer_unreserve(writer *w, size_t bytes)
{
    pthread_mutex_lock(&w->mutex);
    assert(w->reserved_jobs > 0 && w->reserved_bytes >= bytes);
    w->reserved_jobs--;
    w->reserved_bytes -= bytes;
    if (w->stopping) {
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
}

void writer_submit(writer *w, writer_job *job)
{
    job->result = NULL;
    job->group = NULL;
    job->next = NULL;
    job->submitted_ns = clock_ns();
    pthread_mutex_lock(&w->mutex);
    *w->last = job;
    w->last = &job->next;
    w->waiting++;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

err_code writer_call(writer *w, writer_function fn, void *ctx, err *e)
{
    call c = {.fn = fn, .ctx = ctx, .e = e};
    pthread_mutex_lock(&w->mutex);
    if (w->joined) {
        pthread_mutex_unlock(&w->mutex);
        return err_set(e, ERR_UNAVAILABLE, "the service is stopping");
    }
    call **end = &w->calls;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = &c;
    pthread_cond_signal(&w->wake);
    while (!c.done) {
        pthread_cond_wait(&w->called, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return c.rc;
}

void writer_state(writer *w, writer_status *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&w->mutex);
    out->depth = w->reserved_jobs;
    out->writable = w->writable;
    out->stopping = w->stopping;
    out->seq = w->seq;
    memcpy(out->problem, w->problem, sizeof out->problem);
    pthread_mutex_unlock(&w->mutex);
}

/* --- applying ----------------------------------------------------------------------------- */

static void set_state(writer *w, bool writable, const char *problem)
{
    pthread_mutex_lock(&w->mutex);
    w->writable = writable;
    snprintf(w->problem, sizeof w->problem, "%s", problem);
    pthread_mutex_unlock(&w->mutex);
}

/* The disk has the op, so memory must follow: it is tried again for want of memory only, and a
 * table that cannot follow ends the process, since a start reads everything anew. */
static void publish(writer *w, const apply_result *r, base **taken)
{
    err e = ERR_INIT;
    err_code rc = ERR_NOMEM;
    for (int i = 0; i < LIVE_TRIES && rc == ERR_NOMEM; i++) {
        if (i > 0) {
            struct timespec pause = {0, 50 * 1000 * 1000};
            nanosleep(&pause, NULL);
        }
        e = (err)ERR_INIT;
        rc = live_apply(w->options.live, &r->changes, &e);
    }
    if (rc == ERR_OK && taken != NULL) {
        base *b = *taken;
        *taken = NULL;
        rc = live_activate(w->options.live, b, r->seq, &e);
    }
    if (rc != ERR_OK) {
        w->options.fatal(w->options.fatal_ctx, e.text);
    }
}

static bool went_in(const apply_result *r)
{
    return r->code == ERR_OK && !r->replayed && r->changes.seq != 0;
}

static void publish_group(writer *w, writer_job *jobs, const writer_group *g)
{
    uint64_t began = clock_ns();
    size_t i = 0;
    for (writer_job *j = jobs; j != NULL; j = j->next, i++) {
        const apply_result *r = &g->results[i];
        if (!went_in(r)) {
            continue;
        }
        publish(w, r, j->op->kind == OP_GENERATION_ACTIVATE ? &j->base : NULL);
        pthread_mutex_lock(&w->mutex);
        w->seq = r->seq;
        pthread_mutex_unlock(&w->mutex);
    }
    metric_observe(w->live_seconds, 1e-9 * (double)(clock_ns() - began));
}

/* Reads back what is on disk. The only outcome that can be served without a restart is that none
 * of the group is there: then the live tables and the disk agree. */
static void try_reopen(writer *w)
{
    err e = ERR_INIT;
    store_info info;
    err_code rc = store_reopen(w->options.store, &info, &e);
    if (rc != ERR_OK) {
        log_event(LOG_ERROR, "store_reopen_failed", log_text("error", e.text));
        return;
    }
    if (info.seq != w->seq) {
        w->options.fatal(w->options.fatal_ctx,
                         "a commit that was reported as failed is on disk; reading all anew");
        return;
    }
    log_event(LOG_WARN, "store_reopened", log_int("seq", info.seq));
    set_state(w, true, "");
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
    size_t full = 0;
    for (size_t i = 0; i < g->count; i++) {
        full += g->results[i].code == ERR_FULL ? 1 : 0;
    }
    if (full > 0) {
        metric_count(w->refused_full, full);
        log_event(LOG_WARN, "write_refused",
                  log_text("error", "the disk, the map or the quota is full"),
                  log_int("ops", full));
    }
    /* one op that went in says that there is room again */
    if (full == g->count) {
        set_state(w, true, "the disk, the map or the quota is full");
    } else if (full == 0) {
        set_state(w, true, "");
    }
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
    err_code rc = apply_group(w->options.store, w->ops, count, g->results, &e);
    w->commit_ns = clock_ns() - began;
    metric_observe(w->commit_seconds, 1e-9 * (double)w->commit_ns);
    metric_observe(w->group_ops, (double)count);
    /* also after a failure: ops that were tried alone may be in before the one that failed */
    publish_group(w, jobs, g);
    if (rc == ERR_OK) {
        metric_count(w->commits, 1);
        count_refusals(w, g);
        return;
    }
    log_event(LOG_ERROR, "write_failed", log_text("code", err_code_name(rc)),
              log_text("error", e.text), log_int("ops", count));
    if (rc == ERR_OUTCOME_UNKNOWN || rc == ERR_UNAVAILABLE) {
        metric_count(w->failed_commits, 1);
        set_state(w, false, "a commit failed; the store is being read back");
        try_reopen(w);
    } else {
        set_state(w, true, "the last write failed");
    }
}

/* The job may be gone as soon as `done` was called, so what is needed of it is read before. */
static void finish_jobs(writer *w, writer_job *jobs, writer_group *g)
{
    uint64_t now = clock_ns();
    size_t i = 0;
    for (writer_job *j = jobs; j != NULL; i++) {
        writer_job *next = j->next;
        size_t bytes = j->bytes;
        if (j->base != NULL) {
            base_release(j->base);
            j->base = NULL;
        }
        j->result = &g->results[i];
        j->group = g;
        j->done_ns = now;
        j->done(j);
        writer_unreserve(w, bytes);
        j = next;
    }
}

void writer_fail(writer *w, writer_job *job, err_code code, const char *why)
{
    writer_group *g = group_needed(1);
    refuse_all(g, code, why);
    job->next = NULL;
    job->taken_ns = clock_ns();
    finish_jobs(w, job, g);
}

static void run_group(writer *w, writer_job *jobs, size_t count)
{
    uint64_t now = clock_ns();
    writer_group *g = group_needed(count);
    for (writer_job *j = jobs; j != NULL; j = j->next) {
        j->taken_ns = now;
    }
    apply_jobs(w, jobs, count, g);
    finish_jobs(w, jobs, g);
}

/* Takes up to a group's worth of jobs off the queue. With the mutex held. */
static writer_job *take_jobs(writer *w, size_t *count)
{
    writer_job *jobs = w->first;
    writer_job **end = &jobs;
    *count = 0;
    while (*end != NULL && *count < w->options.group_jobs_max) {
        end = &(*end)->next;
        (*count)++;
    }
    w->first = *end;
    w->waiting -= *count;
    *end = NULL;
    if (w->first == NULL) {
        w->last = &w->first;
    }
    return jobs;
}

static void run_calls(writer *w, call *calls)
{
    for (call *c = calls; c != NULL;) {
        call *next = c->next;
        c->rc = c->fn(c->ctx, c->e);
        pthread_mutex_lock(&w->mutex);
        c->done = true;
        pthread_cond_broadcast(&w->called);
        pthread_mutex_unlock(&w->mutex);
        c = next;
    }
}

/* Waits for work; with a store that has to be read back, no longer than a second. */
static void wait_for_work(writer *w)
{
    while (w->first == NULL && w->calls == NULL && !(w->stopping && w->reserved_jobs == 0)) {
        if (w->writable) {
            pthread_cond_wait(&w->wake, &w->mutex);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += REOPEN_SECONDS;
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &until) != 0) {
            pthread_mutex_unlock(&w->mutex);
            try_reopen(w);
            pthread_mutex_lock(&w->mutex);
        }
    }
}

/* Clients that were answered together come back together, but not in the same instant: the first of
 * them would get a commit of its own and the others wait for it. So after a group of several the
 * thread waits for as many again, for a fraction of what a commit takes. A lone client is never
 * made to wait. With the mutex held. */
static void gather(writer *w)
{
    uint64_t most = w->commit_ns / 4 < GATHER_NS_MAX ? w->commit_ns / 4 : GATHER_NS_MAX;
    if (w->last_count < GATHER_FROM || w->stopping || most == 0) {
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)most;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
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
        wait_for_work(w);
        gather(w);
        size_t count = 0;
        call *calls = w->calls;
        w->calls = NULL;
        writer_job *jobs = take_jobs(w, &count);
        if (jobs == NULL && calls == NULL) {
            break;
        }
        pthread_mutex_unlock(&w->mutex);
        if (count > 0) {
            run_group(w, jobs, count);
            w->last_count = count;
        }
        run_calls(w, calls);
        pthread_mutex_lock(&w->mutex);
    }
    w->joined = true; /* later calls are refused */
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------- */

static err_code declare(writer *w, err *e)
{
    const struct {
        const metric_info *info;
        metric_series **series;
    } all[] = {
        {&info_commits, &w->commits},           {&info_failed, &w->failed_commits},
        {&info_full, &w->refused_full},         {&info_rejected, &w->rejected},
        {&info_group, &w->group_ops},           {&info_commit_seconds, &w->commit_seconds},
        {&info_live_seconds, &w->live_seconds},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        metric *added = NULL;
        err_code rc = metrics_add(w->options.metrics, all[i].info, &added, e);
        if (rc != ERR_OK) {
            return rc;
        }
        *all[i].series = metric_only(added);
    }
    return ERR_OK;
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
    err_code rc = w->ops != NULL ? declare(w, e) : err_nomem(e, "the writer");
    if (rc != ERR_OK) {
        mem_free(w->ops);
        mem_free(w);
        return rc;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_cond_init(&w->called, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&w->thread, NULL, writer_main, w);
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
    mem_free(w->ops);
    mem_free(w);
}
