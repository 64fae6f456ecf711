/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/writer_log.h"

#include <stdio.h>

#include "core/common/mem.h"
#include "server/runtime/writer_log_private.h"
#include "server/telemetry/clock.h"

/* How much may wait to be applied before the log has to wait, and how often the thread checks what
 * is in flight or held. */
enum {
    WAITING_MAX = 1024,
    WAITING_BYTES_MAX = 64 * 1024 * 1024,
    TICK_NS = 50 * 1000 * 1000,
    REOPEN_NS = 1000 * 1000 * 1000
};

/* A commit costs up to half of what a node spends on a message of another node. So messages of
 * other nodes share commits: after one commit they wait until FOLLOW_GAP_NS have passed. They do
 * not wait if a message of this node follows, if a request waits for a write, or if there are many.
 */
enum { FOLLOW_GAP_NS = 20 * 1000 * 1000, FOLLOW_MESSAGES = 64, FOLLOW_BYTES = 1024 * 1024 };

/* follow_at returns the time at which to apply what was delivered; 0 means now. The caller holds
 * the mutex. */
static uint64_t follow_at(const writer *w)
{
    const writer_log *l = w->log;
    bool hurry = l->own > 0 || l->waiting >= FOLLOW_MESSAGES || l->waiting_bytes >= FOLLOW_BYTES ||
                 (w->options.waits != NULL && seq_waits_count(w->options.waits) > 0);
    return hurry ? 0 : l->taken_ns + FOLLOW_GAP_NS;
}

static bool follows_now(const writer *w)
{
    const writer_log *l = w->log;
    return l->first != NULL && !l->stopped && follow_at(w) <= clock_ns();
}

/* --- the log's thread --- */

err_code writer_deliver(writer *w, slice bytes, slice position, err *e)
{
    writer_log *l = w->log;
    delivery *d = NULL;
    err_code code = delivery_new(&d, w, bytes, position, e);
    if (code != ERR_OK) {
        return code;
    }
    pthread_mutex_lock(&w->mutex);
    while (!w->joined && l->waiting > 0 &&
           (l->waiting >= WAITING_MAX || l->waiting_bytes + bytes.length > WAITING_BYTES_MAX)) {
        pthread_cond_wait(&l->room, &w->mutex);
    }
    if (w->joined) {
        pthread_mutex_unlock(&w->mutex);
        delivery_free(d);
        return err_set(e, ERR_UNAVAILABLE, "the service is stopping");
    }
    *l->last = d;
    l->last = &d->next;
    l->waiting++;
    l->waiting_bytes += bytes.length;
    l->own += d->m == NULL ? 1 : 0;
    if (l->waiting == 1 || follow_at(w) == 0) {
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
    return ERR_OK;
}

void writer_hurry(writer *w)
{
    pthread_mutex_lock(&w->mutex);
    if (w->log != NULL && w->log->first != NULL) {
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
}

void writer_resend(writer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->log->resend = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

/* --- the writer's thread --- */

/* All functions below that read the queue are called with the mutex held. */
static bool has_work(const writer *w)
{
    const writer_log *l = w->log;
    return follows_now(w) || w->calls != NULL || l->resend || flight_may_launch(w) ||
           (w->stopping && w->reserved_jobs == 0);
}

/* Messages in flight, held messages and waiting jobs are checked every tick. */
static void wait_for_work(writer *w)
{
    const writer_log *l = w->log;
    while (!has_work(w)) {
        w->wake_at = flight_wake_at(w);
        if (l->flights == NULL && l->held == NULL && w->first == NULL && l->first == NULL &&
            w->writable) {
            pthread_cond_wait(&w->wake, &w->mutex);
            continue;
        }
        bool gathers = w->first != NULL && l->flights == NULL && l->held == NULL && w->writable;
        uint64_t now = clock_ns(), until = now + (gathers ? FLIGHT_GAP_NS : TICK_NS);
        if (l->first != NULL && !l->stopped && follow_at(w) < until) {
            until = follow_at(w);
        }
        struct timespec at = clock_deadline(until > now ? until - now : 0);
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &at) != 0) {
            return;
        }
    }
}

static void take_deliveries(writer_log *l)
{
    delivery **end = &l->held;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    /* a node that cannot apply keeps its messages and makes the log wait */
    if (l->first != NULL && !l->stopped) {
        *end = l->first;
        l->heard_ns = l->taken_ns = clock_ns();
        l->first = NULL;
        l->last = &l->first;
        l->waiting = l->waiting_bytes = l->own = 0;
        pthread_cond_signal(&l->room);
    }
}

static void step(writer *w, writer_job *jobs, bool resend)
{
    uint64_t now = clock_ns();
    if (!w->writable && now >= w->log->retry_ns) {
        w->log->retry_ns = now + REOPEN_NS;
        writer_reopen(w);
    }
    follow_apply(w, now);
    atomic_store(&w->own_since_ns, clock_ns());
    if (jobs != NULL) {
        flight_launch(w, jobs);
    }
    if (resend) {
        flight_resend(w);
    }
    flight_tick(w, now);
    const replicated_log *log = w->log->log;
    w->log->closed = w->log->flights != NULL && log->admit(log->ctx, NULL) != ERR_OK;
}

/* drop_deliveries frees what was not applied, at the end and with the mutex held. It is in the log,
 * and is applied after the next start. */
static void drop_deliveries(writer *w)
{
    writer_log *l = w->log;
    w->joined = true;
    pthread_cond_broadcast(&l->room);
    take_deliveries(l);
    while (l->held != NULL) {
        delivery *next = l->held->next;
        delivery_free(l->held);
        l->held = next;
    }
}

void *writer_log_main(void *argument)
{
    writer *w = argument;
    pthread_setname_np(pthread_self(), "writer");
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        size_t count = 0;
        atomic_store(&w->own_since_ns, 0);
        w->idle = true;
        wait_for_work(w);
        w->idle = false;
        if (w->stopping && w->reserved_jobs == 0 && w->calls == NULL) {
            break;
        }
        writer_call_entry *calls = w->calls;
        w->calls = NULL;
        if (follows_now(w)) {
            take_deliveries(w->log);
        }
        writer_job *jobs = flight_may_launch(w) ? writer_take_jobs(w, &count) : NULL;
        bool resend = w->log->resend;
        w->log->resend = false;
        pthread_mutex_unlock(&w->mutex);
        step(w, jobs, resend);
        atomic_store(&w->own_since_ns, clock_ns());
        writer_run_calls(w, calls);
        pthread_mutex_lock(&w->mutex);
    }
    drop_deliveries(w);
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* --- life --- */

err_code writer_log_new(writer_log **out, const replicated_log *log, slice position, err *e)
{
    writer_log *l = mem_array(1, sizeof *l);
    *out = l;
    if (l == NULL) {
        return err_nomem(e, "the writer");
    }
    l->log = log;
    l->last = &l->first;
    snprintf(l->position, sizeof l->position, "%.*s", (int)position.length, position.at);
    pthread_cond_init(&l->room, NULL);
    return ERR_OK;
}

void writer_log_free(writer_log *l)
{
    if (l != NULL) {
        while (l->first != NULL) {
            delivery *next = l->first->next;
            delivery_free(l->first);
            l->first = next;
        }
        pthread_cond_destroy(&l->room);
        mem_free(l);
    }
}
