/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that follows the log. It connects, checks that the log belongs to this store, reads it
 * in order and hands each message to the writer. After an interruption it reads again from the last
 * delivered message.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/common/mem.h"
#include "server/cluster/cluster_private.h"
#include "server/cluster/feed.h"
#include "server/cluster/large.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

/* NATS elects a leader within some seconds, and these pauses add to the time that writes wait. */
enum { PAUSE_FIRST_MS = 50, PAUSE_MOST_MS = 200, PAUSE_REFUSED_MS = 2000, LED_TRIES = 10 };

/* follow_connect opens a link and checks that the log belongs to this store. */
err_code follow_connect(cluster *c, err *e)
{
    shared_link *l = mem_array(1, sizeof *l);
    log_identity id;
    log_facts facts;
    if (l == NULL) {
        return err_nomem(e, "a connection");
    }
    atomic_init(&l->holders, 1);
    err_code code = c->known ? link_reopen(&l->k, c->setup.options, LINK_ASK_MS, e)
                             : link_open(&l->k, c->setup.options, LINK_ASK_MS, e);
    if (code != ERR_OK) {
        mem_free(l);
        return code;
    }
    for (int i = 0; i < LED_TRIES && !log_stream_is_led(l->k, c->setup.options->name); i++) {
        cluster_pause(c, PAUSE_FIRST_MS);
    }
    code = log_stream_read(l->k, c->setup.options->name, &id, &facts, e);
    code = code == ERR_OK ? log_stream_expect(&c->identity, c->delivered, &id, &facts, e) : code;
    code = code == ERR_OK ? publish_listen(c, l, e) : code;
    if (code != ERR_OK) {
        cluster_link_put(l);
        return code;
    }
    pthread_mutex_lock(&c->mutex);
    c->facts = facts;
    c->led = facts.led;
    pthread_mutex_unlock(&c->mutex);
    c->known = true;
    log_event(LOG_INFO, "cluster_connected", log_text("server", l->k->server),
              log_int("position", c->delivered), log_int("last", facts.last));
    cluster_set_last(c, facts.last);
    cluster_set_link(c, l);
    return ERR_OK;
}

/* note_unreadable records why this version cannot read the next message, or that it can. The
 * message stays the next one to apply. */
static void note_unreadable(cluster *c, err_code code, const char *why)
{
    bool unreadable = code == ERR_CONFLICT || code == ERR_CORRUPT;
    pthread_mutex_lock(&c->mutex);
    snprintf(c->unreadable, sizeof c->unreadable, "%.*s", (int)sizeof c->unreadable - 1,
             unreadable ? why : "");
    pthread_mutex_unlock(&c->mutex);
}

static err_code hand_over(cluster *c, const nats_link *k, const feed_message *m, err *e)
{
    slice fetched = {NULL, 0};
    char position[24];
    snprintf(position, sizeof position, "%" PRIu64, m->sequence);
    cluster_set_last(c, m->sequence + m->pending);
    err_code code = large_named(m->bytes) ? large_fetch(c, k, m->bytes, &fetched, e) : ERR_OK;
    slice bytes = fetched.at != NULL ? fetched : m->bytes;
    code = code == ERR_OK ? writer_deliver(c->host.writer, bytes, slice_of(position), e) : code;
    mem_free((char *)(uintptr_t)fetched.at);
    note_unreadable(c, code, e->text);
    if (code == ERR_OK) {
        c->delivered = m->sequence;
    }
    return code;
}

/* read_one hands over the next message without the feed's consumer. It sets *answered if a server
 * with a replica of the log answered. */
static err_code read_one(cluster *c, const feed *f, const nats_link *k, bool *answered, err *e)
{
    feed_message m;
    *answered = feed_get(f, c->delivered + 1, &m);
    err_code code = m.owned != NULL ? hand_over(c, k, &m, e) : ERR_OK;
    feed_message_free(&m);
    return code;
}

/* follow reads the log until it fails or the cluster stops. */
static err_code follow(cluster *c, const nats_link *k, err *e)
{
    feed *f = NULL;
    char stream[LOG_NAME_MAX];
    log_stream_name(c->setup.options->name, stream);
    const feed_from from = {.stream = stream,
                            .subject = c->subject,
                            .position = c->delivered,
                            .whole = true,
                            .ask_ms = LINK_ASK_MS};
    err_code code = feed_open(&f, k, &from, e);
    bool reads = false;
    while (code == ERR_OK && !cluster_is_stopping(c)) {
        feed_message m;
        code = feed_next(f, &m, e);
        bool answered = code == ERR_OK && feed_pushes(f);
        if (m.owned != NULL && m.sequence > c->delivered) {
            code = hand_over(c, k, &m, e);
        } else if (code == ERR_OK && !answered) {
            code = read_one(c, f, k, &answered, e);
        }
        feed_message_free(&m);
        if (code == ERR_OK && answered && !reads) {
            reads = true;
            cluster_set_following(c, true, "");
            writer_resend(c->host.writer);
        }
    }
    feed_close(f);
    return code;
}

static err_code session(cluster *c, err *e)
{
    shared_link *l = cluster_link_get(c);
    if (l != NULL && !link_alive(l->k)) {
        cluster_link_put(l);
        l = NULL;
        cluster_set_link(c, NULL);
    }
    err_code code = ERR_OK;
    if (l == NULL) {
        code = follow_connect(c, e);
        l = code == ERR_OK ? cluster_link_get(c) : NULL;
    }
    code = code == ERR_OK ? follow(c, l->k, e) : code;
    cluster_link_put(l);
    return code;
}

void *follow_main(void *argument)
{
    cluster *c = argument;
    unsigned pause = 0;
    char told[CLUSTER_TOLD] = "";
    pthread_setname_np(pthread_self(), "cluster");
    while (!cluster_is_stopping(c)) {
        err e = ERR_INIT;
        uint64_t before = c->delivered, began = clock_ns();
        err_code code = session(c, &e);
        if (code == ERR_OK) {
            continue;
        }
        cluster_set_following(c, false, e.text);
        bool lasted = c->delivered != before || clock_ns() - began > NS_PER_SECOND;
        if (c->delivered != before) {
            told[0] = '\0'; /* messages were read since the last failure: this is a new outage */
        }
        if (!cluster_is_stopping(c) && cluster_is_news(told, e.text)) {
            log_event(code == ERR_UNAVAILABLE ? LOG_WARN : LOG_ERROR, "cluster_not_following",
                      log_text("error", e.text));
        }
        pause = code != ERR_UNAVAILABLE     ? PAUSE_REFUSED_MS
                : lasted                    ? 0
                : pause == 0                ? PAUSE_FIRST_MS
                : 2 * pause < PAUSE_MOST_MS ? 2 * pause
                                            : PAUSE_MOST_MS;
        cluster_pause(c, pause);
    }
    nats_ReleaseThreadMemory();
    return NULL;
}
