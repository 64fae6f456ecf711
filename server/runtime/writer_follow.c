/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_follow: applies what the log delivers. It applies messages in order, many in one
 * transaction, each with its position, then updates the live tables, and then ends the jobs of this
 * node's ops.
 */
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/runtime/item_vectors.h"
#include "server/runtime/writer_log_private.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

enum { MESSAGES_MAX = 256, OPS_MAX = 4096 };

static const uint64_t RETRY_NS = NS_PER_SECOND;

/* --- deliveries --- */

err_code delivery_decode(delivery *d, op_render render, err *e)
{
    return d->m != NULL ? ERR_OK : message_decode(&d->m, d->bytes, render, e);
}

void delivery_free(delivery *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < d->prepared_count; i++) {
        cold_item_free(d->prepared[i]);
    }
    mem_free(d->prepared);
    message_free(d->m);
    mem_free((char *)(uintptr_t)d->bytes.at);
    mem_free(d);
}

/* prepare computes the vectors of a delivery's new items. A missing vector is also computed when
 * the item is applied; doing it here is only faster. */
static void prepare(delivery *d, live *l)
{
    size_t count = 0, made = 0;
    for (size_t i = 0; i < d->m->count; i++) {
        count += item_vectors_wanted(d->m->ops[i]);
    }
    d->prepared = count > 0 ? mem_array(count, sizeof(cold_item *)) : NULL;
    if (d->prepared == NULL) {
        return;
    }
    for (size_t i = 0; i < d->m->count; i++) {
        made += item_vectors_make(l, d->m->ops[i], d->prepared + made);
    }
    d->prepared_count = made;
}

err_code delivery_new(delivery **out, writer *w, slice bytes, slice position, err *e)
{
    delivery *d = mem_array(1, sizeof *d);
    *out = NULL;
    char *copy = mem_copy(bytes.at, bytes.length);
    if (d == NULL || copy == NULL) {
        mem_free(copy);
        mem_free(d);
        return err_nomem(e, "a message");
    }
    d->bytes = (slice){copy, bytes.length};
    snprintf(d->position, sizeof d->position, "%.*s", (int)position.length, position.at);
    err_code code = ERR_OK;
    bool known = message_peek(bytes, d->publisher, &d->number);
    bool own = known && memcmp(d->publisher, w->log->log->publisher, PUBLISHER_BYTES) == 0;
    if (!own) {
        code = delivery_decode(d, w->options.render, e);
        if (code == ERR_OK) {
            prepare(d, w->options.live);
        }
    }
    if (code != ERR_OK) {
        delivery_free(d);
        return code;
    }
    *out = d;
    return ERR_OK;
}

/* --- one transaction --- */

typedef struct following {
    writer *w;
    apply_message messages[MESSAGES_MAX]; /* (count) */
    /* the flight of an own message; NULL for another node's */
    flight *flights[MESSAGES_MAX];
    const op **ops; /* (op_count) ops of own messages, in order */
    size_t count, op_count, jobs;
} following;

/* gather_one adds a delivery to the transaction. Own ops are applied from memory: the bytes that
 * came back are the same. */
static err_code gather_one(following *x, delivery *d, err *e)
{
    flight *f = flight_find(x->w, d);
    /* if an own message comes twice, the first is this node's and the second a repeat, which is
     * dropped */
    for (size_t i = 0; f != NULL && i < x->count; i++) {
        if (x->flights[i] == f) {
            f = NULL;
        }
    }
    err_code code = f == NULL ? delivery_decode(d, x->w->options.render, e) : ERR_OK;
    if (code != ERR_OK) {
        return code;
    }
    apply_message *m = &x->messages[x->count];
    if (f == NULL) {
        *m = message_borrow(d->m, slice_of(d->position));
    } else {
        const op **ops = mem_array(f->count, sizeof *ops);
        size_t i = 0;
        if (ops == NULL) {
            return err_nomem(e, "a message");
        }
        for (const writer_job *j = f->jobs; j != NULL; j = j->next) {
            ops[i++] = j->op;
        }
        *m = (apply_message){.publisher = d->publisher,
                             .number = d->number,
                             .position = slice_of(d->position),
                             .ops = ops,
                             .count = f->count};
        x->jobs += f->count;
    }
    x->flights[x->count++] = f;
    x->op_count += m->count;
    return ERR_OK;
}

/* gather collects the held messages. A message that cannot be read ends the gathering; the messages
 * before it are applied first. */
static err_code gather(following *x, err *e)
{
    err_code code = ERR_OK;
    for (delivery *d = x->w->log->held; d != NULL && code == ERR_OK; d = d->next) {
        if (x->count == MESSAGES_MAX || x->op_count >= OPS_MAX) {
            break;
        }
        code = gather_one(x, d, e);
    }
    return x->count > 0 ? ERR_OK : code;
}

static void ungather(following *x)
{
    for (size_t i = 0; i < x->count; i++) {
        if (x->flights[i] != NULL) {
            mem_free((void *)(uintptr_t)x->messages[i].ops);
        }
    }
    mem_free(x);
}

/* publish_all updates the tables, before any job is answered. */
static void publish_all(following *x, writer_group *g)
{
    uint64_t began = clock_ns();
    const apply_result *r = g->results;
    for (size_t i = 0; i < x->count; i++) {
        writer_job *j = x->flights[i] != NULL ? x->flights[i]->jobs : NULL;
        for (size_t k = 0; k < x->messages[i].count; k++, r++) {
            base *none = NULL;
            writer_publish(x->w, x->messages[i].ops[k], r, j != NULL ? &j->base : &none);
            j = j != NULL ? j->next : NULL;
        }
    }
    metric_observe(x->w->live_seconds, 1e-9 * (double)(clock_ns() - began));
}

static void finish_flight(writer *w, flight *f, writer_group *g, apply_result *r)
{
    const replicated_log *log = w->log->log;
    writer_job *j = f->jobs;
    log->confirmed(log->ctx, 1e-9 * (double)(clock_ns() - f->began_ns));
    flight_land(w, f);
    for (; j != NULL; r++) {
        writer_job *next = j->next;
        if (r->dropped) { /* another process used this incarnation's number: it must never happen */
            r->code = ERR_OUTCOME_UNKNOWN;
        }
        writer_finish_job(w, j, g, r);
        j = next;
    }
}

/* expect notes how many writes can come soon: those that wait, and one of each client that gets its
 * answer now. */
static void expect(following *x)
{
    writer *w = x->w;
    if (x->jobs > 0) {
        pthread_mutex_lock(&w->mutex);
        w->log->expected = w->waiting + x->jobs;
        pthread_mutex_unlock(&w->mutex);
        w->log->landed_ns = clock_ns();
    }
}

static void finish_all(following *x, writer_group *g)
{
    writer_log *l = x->w->log;
    apply_result *r = g->results;
    expect(x);
    for (size_t i = 0; i < x->count; i++) {
        size_t count = x->messages[i].count;
        if (x->flights[i] != NULL) {
            finish_flight(x->w, x->flights[i], g, r);
            mem_free((void *)(uintptr_t)x->messages[i].ops);
            x->flights[i] = NULL;
        }
        r += count;
        delivery *d = l->held;
        memcpy(l->position, d->position, sizeof l->position);
        l->held = d->next;
        delivery_free(d);
    }
}

/* --- stopping --- */

static void stop(writer *w, err_code code, const char *why)
{
    writer_log *l = w->log;
    if (!l->stopped) {
        log_event(LOG_ERROR, "apply_stopped", log_text("code", err_code_name(code)),
                  log_text("error", why), log_text("position", l->position));
    }
    l->stopped = true;
    l->retry_ns = clock_ns() + RETRY_NS;
    if (code == ERR_OUTCOME_UNKNOWN || code == ERR_UNAVAILABLE) {
        metric_count(w->failed_commits, 1);
        writer_set_state(w, false, why);
        atomic_store(&w->own_since_ns, 0);
        writer_reopen(w);
    } else {
        writer_set_state(w, true, why);
    }
    l->log->applied(l->log->ctx, slice_of(l->position), why);
}

static void go_on(writer *w)
{
    writer_log *l = w->log;
    if (l->stopped) {
        log_event(LOG_INFO, "apply_resumed", log_text("position", l->position));
        writer_set_state(w, true, "");
    }
    l->stopped = false;
    l->log->applied(l->log->ctx, slice_of(l->position), "");
}

/* apply_some applies as many held messages as one transaction takes. */
static err_code apply_some(writer *w, err *e)
{
    following *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "messages");
    }
    x->w = w;
    err_code code = gather(x, e);
    if (code != ERR_OK) {
        ungather(x);
        return code;
    }
    writer_group *g = writer_group_needed(x->op_count, x->jobs + 1);
    uint64_t began = clock_ns();
    code = apply_messages(w->options.store, x->messages, x->count, g->results, e);
    uint64_t ended = clock_ns();
    atomic_store(&w->own_since_ns, ended);
    if (code == ERR_OK) {
        writer_count_in(w, x->op_count, ended - began);
        metric_count(w->commits, 1);
        publish_all(x, g);
        finish_all(x, g);
        writer_group_release(g);
    } else {
        writer_group_drop(g);
    }
    ungather(x);
    return code;
}

void follow_apply(writer *w, uint64_t now)
{
    writer_log *l = w->log;
    err e = ERR_INIT;
    err_code code = ERR_OK;
    if (l->held == NULL || (l->stopped && now < l->retry_ns) || !w->writable) {
        return;
    }
    while (l->held != NULL && code == ERR_OK) {
        code = apply_some(w, &e);
    }
    if (code == ERR_OK) {
        go_on(w);
    } else {
        stop(w, code, e.text);
    }
}
