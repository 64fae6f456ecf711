/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "server/cluster/log_stream.h"
#include "server/runtime/writer.h"
#include "server/telemetry/clock.h"

enum {
    WAIT_MS = 100,
    WAIT_BRIEF_MS = 5,
    PENDING_MESSAGES = 65536,
    PENDING_BYTES = 256 * 1024 * 1024
};

static const int64_t HEARTBEAT_NS = 500000000, INACTIVE_NS = 10 * (int64_t)1000000000;
static const uint64_t LATE_NS = 700000000, SILENCE_NS = 1600000000;

struct feed {
    const nats_link *k;
    natsSubscription *sub;
    char stream[LOG_NAME_MAX];
    bool whole;
    uint64_t ask_ns;   /* how long to wait for the consumer */
    bool pushes;       /* the consumer exists and pushes messages */
    char *consumer;    /* its name; NULL until the server told it */
    uint64_t pushed;   /* number of the last message that the consumer has pushed */
    uint64_t sequence; /* number in the stream of the last message that was handed out */
    uint64_t heard_ns;
};

/* ask_for_consumer sends the question that js_AddConsumer would send and wait for. The answer comes
 * into the feed's own inbox. */
static err_code ask_for_consumer(feed *f, const char *subject, const char *inbox, err *e)
{
    char to[LOG_NAME_MAX + 64];
    json_t *asked =
        json_pack("{s:s, s:{s:s, s:s, s:I, s:s, s:s, s:s, s:b, s:I, s:I, s:b, s:i, s:i}}",
                  "stream_name", f->stream, "config", "deliver_subject", inbox, "deliver_policy",
                  "by_start_sequence", "opt_start_seq", (json_int_t)(f->sequence + 1), "ack_policy",
                  "none", "replay_policy", "instant", "filter_subject", subject, "flow_control", 1,
                  "idle_heartbeat", (json_int_t)HEARTBEAT_NS, "inactive_threshold",
                  (json_int_t)INACTIVE_NS, "mem_storage", 1, "num_replicas", 1, "max_deliver", 1);
    char *text = asked != NULL ? json_dumps(asked, JSON_COMPACT) : NULL;
    json_decref(asked);
    if (text == NULL) {
        return err_nomem(e, "a reader of the log");
    }
    snprintf(to, sizeof to, "$JS.API.CONSUMER.CREATE.%s", f->stream);
    natsStatus s =
        natsConnection_PublishRequest(f->k->connection, to, inbox, text, (int)strlen(text));
    free(text); /* allocated by json_dumps */
    return s == NATS_OK ? ERR_OK : link_error(f->k, s, 0, "reading the cluster's log", e);
}

err_code feed_open(feed **out, const nats_link *k, const feed_from *from, err *e)
{
    *out = NULL;
    natsInbox *inbox = NULL;
    feed *f = mem_array(1, sizeof *f);
    if (f == NULL || natsInbox_Create(&inbox) != NATS_OK) {
        mem_free(f);
        return err_nomem(e, "a reader of the log");
    }
    f->k = k;
    f->sequence = from->position;
    f->whole = from->whole;
    f->ask_ns = (uint64_t)from->ask_ms * NS_PER_MS;
    f->heard_ns = clock_ns();
    snprintf(f->stream, sizeof f->stream, "%s", from->stream);
    natsStatus s = natsConnection_SubscribeSync(&f->sub, k->connection, inbox);
    s = s == NATS_OK ? natsSubscription_SetPendingLimits(f->sub, PENDING_MESSAGES, PENDING_BYTES)
                     : s;
    err_code code = s == NATS_OK ? ask_for_consumer(f, from->subject, inbox, e)
                                 : link_error(k, s, 0, "reading the cluster's log", e);
    natsInbox_Destroy(inbox);
    if (code != ERR_OK) {
        feed_close(f);
        return code;
    }
    *out = f;
    return ERR_OK;
}

void feed_close(feed *f)
{
    if (f == NULL) {
        return;
    }
    if (f->consumer != NULL && link_alive(f->k)) {
        jsOptions brief;
        (void)jsOptions_Init(&brief);
        brief.Wait = WAIT_MS;
        (void)js_DeleteConsumer(f->k->stream, f->stream, f->consumer, &brief, NULL);
    }
    natsSubscription_Destroy(f->sub);
    mem_free(f->consumer);
    mem_free(f);
}

/* --- one message --- */

/* read_numbers parses the reply subject of a pushed message:
 * $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with a
 * domain and an account's hash before the stream. */
static bool read_numbers(const char *reply, uint64_t *sequence, uint64_t *pushed, uint64_t *pending)
{
    const char *tokens[16];
    size_t count = 0;
    for (const char *at = reply; at != NULL && count < 16; at = strchr(at, '.')) {
        at += *at == '.';
        tokens[count++] = at;
    }
    size_t first = count == 9 ? 5 : 7;
    if (count < 9 || count == 10 || strncmp(reply, "$JS.ACK.", 8) != 0) {
        return false;
    }
    *sequence = strtoull(tokens[first], NULL, 10);
    *pushed = strtoull(tokens[first + 1], NULL, 10);
    *pending = strtoull(tokens[first + 3], NULL, 10);
    return true;
}

/* answer_control answers a heartbeat or a flow-control request if the server expects an answer. */
static void answer_control(const feed *f, natsMsg *m)
{
    const char *stalled = NULL;
    if (natsMsg_GetReply(m) != NULL) {
        (void)natsConnection_Publish(f->k->connection, natsMsg_GetReply(m), NULL, 0);
    } else if (natsMsgHeader_Get(m, "Nats-Consumer-Stalled", &stalled) == NATS_OK) {
        (void)natsConnection_Publish(f->k->connection, stalled, NULL, 0);
    }
}

/* heartbeat_agrees tells whether every message that the server says it has pushed has arrived. */
static bool heartbeat_agrees(const feed *f, natsMsg *m)
{
    const char *last = NULL;
    return natsMsgHeader_Get(m, "Nats-Last-Consumer", &last) != NATS_OK ||
           strtoull(last, NULL, 10) == f->pushed;
}

/* take_answer reads what the server says to the question for a consumer. */
static err_code take_answer(feed *f, natsMsg *m, err *e)
{
    json_t *answer = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, NULL);
    const json_t *refused = json_object_get(answer, "error");
    const char *why = json_string_value(json_object_get(refused, "description"));
    const char *name = json_string_value(json_object_get(answer, "name"));
    err_code code = ERR_OK;
    if (refused != NULL) {
        code = err_set(e, ERR_UNAVAILABLE, "reading the cluster's log: %.200s",
                       why != NULL ? why : "the NATS servers refuse it");
    } else if (name != NULL) {
        f->consumer = mem_string(name, strlen(name));
        f->pushes = true;
    }
    json_decref(answer);
    natsMsg_Destroy(m);
    return code;
}

static err_code take(feed *f, natsMsg *m, feed_message *out, err *e)
{
    uint64_t sequence = 0, pushed = 0, pending = 0;
    const char *reply = natsMsg_GetReply(m);
    if (natsMsg_IsNoResponders(m)) {
        natsMsg_Destroy(m);
        return link_error(f->k, NATS_NO_RESPONDERS, 0, "reading the cluster's log", e);
    }
    if (reply == NULL && natsMsg_GetDataLength(m) > 0) {
        return take_answer(f, m, e);
    }
    f->pushes = true;
    if (reply == NULL || !read_numbers(reply, &sequence, &pushed, &pending)) {
        bool agrees = heartbeat_agrees(f, m);
        answer_control(f, m);
        natsMsg_Destroy(m);
        return agrees ? ERR_OK
                      : err_set(e, ERR_UNAVAILABLE, "messages of the cluster's log are missing");
    }
    if (pushed != f->pushed + 1) {
        natsMsg_Destroy(m);
        return err_set(e, ERR_UNAVAILABLE, "messages of the cluster's log are missing");
    }
    if (f->whole && sequence != f->sequence + 1) {
        natsMsg_Destroy(m);
        return err_set(e, ERR_CORRUPT,
                       "the cluster's log has no message %" PRIu64 ": the next one is %" PRIu64,
                       f->sequence + 1, sequence);
    }
    f->pushed = pushed;
    f->sequence = sequence;
    *out = (feed_message){.bytes = {natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)},
                          .sequence = sequence,
                          .pending = pending,
                          .owned = m};
    return ERR_OK;
}

bool feed_pushes(const feed *f)
{
    return f->pushes && clock_ns() - f->heard_ns < LATE_NS;
}

bool feed_get(const feed *f, uint64_t sequence, feed_message *out)
{
    natsMsg *m = NULL;
    jsOptions brief;
    jsDirectGetMsgOptions what;
    memset(out, 0, sizeof *out);
    (void)jsOptions_Init(&brief);
    (void)jsDirectGetMsgOptions_Init(&what);
    brief.Wait = WAIT_MS;
    what.Sequence = sequence;
    natsStatus s = js_DirectGetMsg(&m, f->k->stream, f->stream, &brief, &what);
    if (s == NATS_OK) {
        *out = (feed_message){.bytes = {natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)},
                              .sequence = sequence,
                              .owned = m};
    }
    return s == NATS_OK || s == NATS_NOT_FOUND;
}

err_code feed_next(feed *f, feed_message *out, err *e)
{
    natsMsg *m = NULL;
    memset(out, 0, sizeof *out);
    natsStatus s = natsSubscription_NextMsg(&m, f->sub, feed_pushes(f) ? WAIT_MS : WAIT_BRIEF_MS);
    if (s == NATS_OK) {
        f->heard_ns = clock_ns();
        return take(f, m, out, e);
    }
    if (s != NATS_TIMEOUT || !link_alive(f->k)) {
        return err_set(e, ERR_UNAVAILABLE, "the connection to the NATS server broke: %s",
                       natsStatus_GetText(s));
    }
    uint64_t silent_ns = clock_ns() - f->heard_ns;
    if (!f->pushes) {
        return silent_ns > f->ask_ns
                   ? link_error(f->k, NATS_TIMEOUT, 0, "reading the cluster's log", e)
                   : ERR_OK;
    }
    return silent_ns > SILENCE_NS
               ? err_set(e, ERR_UNAVAILABLE, "the cluster's log has stopped sending")
               : ERR_OK;
}

void feed_message_free(feed_message *m)
{
    natsMsg_Destroy(m->owned);
    m->owned = NULL;
}
