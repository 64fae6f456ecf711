/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_queue: the queue of the writer: places in it, jobs, and functions to call between groups.
 */
#include <assert.h>
#include <string.h>

#include "server/runtime/writer_private.h"
#include "server/telemetry/clock.h"

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
    w->newest_ns = job->submitted_ns;
    if (++w->waiting >= w->wake_at) {
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
}

err_code writer_call(writer *w, writer_function fn, void *ctx, err *e)
{
    writer_call_entry c = {.fn = fn, .ctx = ctx, .e = e};
    pthread_mutex_lock(&w->mutex);
    if (w->joined) {
        pthread_mutex_unlock(&w->mutex);
        return err_set(e, ERR_UNAVAILABLE, "the service is stopping");
    }
    writer_call_entry **end = &w->calls;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = &c;
    pthread_cond_signal(&w->wake);
    while (!c.done) {
        pthread_cond_wait(&w->called, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return c.code;
}

/* stuck_seconds returns writer_status.stuck_seconds. The caller holds the mutex. */
static double stuck_seconds(const writer *w)
{
    uint64_t since = atomic_load(&w->own_since_ns);
    if (since == 0 && w->idle && w->first != NULL) {
        since = w->first->submitted_ns;
    }
    uint64_t now = clock_ns();
    return since != 0 && now > since ? 1e-9 * (double)(now - since) : 0;
}

void writer_state(writer *w, writer_status *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&w->mutex);
    out->stuck_seconds = stuck_seconds(w);
    out->depth = w->reserved_jobs;
    out->writable = w->writable;
    out->stopping = w->stopping;
    out->seq = w->seq;
    memcpy(out->problem, w->problem, sizeof out->problem);
    pthread_mutex_unlock(&w->mutex);
}

writer_job *writer_take_jobs(writer *w, size_t *count)
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

void writer_run_calls(writer *w, writer_call_entry *calls)
{
    for (writer_call_entry *c = calls; c != NULL;) {
        writer_call_entry *next = c->next;
        c->code = c->fn(c->ctx, c->e);
        pthread_mutex_lock(&w->mutex);
        c->done = true;
        pthread_cond_broadcast(&w->called);
        pthread_mutex_unlock(&w->mutex);
        c = next;
    }
}
