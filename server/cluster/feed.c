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

enum { WAIT_MS = 100, PENDING_MESSAGES = 65536, PENDING_BYTES = 256 * 1024 * 1024 };

static const int64_t HEARTBEAT_NS = 500000000, INACTIVE_NS = 10 * (int64_t)1000000000;
static const uint64_t SILENCE_NS = 1600000000;

struct feed {
    const nats_link *k;
    natsSubscription *sub;
    char stream[LOG_NAME_MAX];
    bool whole;
    char *consumer;    /* the consumer's name; NULL until it is made */
    uint64_t pushed;   /* by the consumer, the last one's number */
    uint64_t sequence; /* of the last message */
    uint64_t heard_ns;
};

static err_code add_consumer(feed *f, const char *subject, const char *inbox, err *e)
{
    jsConsumerConfig config;
    jsConsumerInfo *made = NULL;
    jsErrCode refusal = 0;
    (void)jsConsumerConfig_Init(&config);
    config.DeliverSubject = inbox;
    config.DeliverPolicy = js_DeliverByStartSequence;
    config.OptStartSeq = f->sequence + 1;
    config.AckPolicy = js_AckNone;
    config.ReplayPolicy = js_ReplayInstant;
    config.FilterSubject = subject;
    config.FlowControl = true;
    config.Heartbeat = HEARTBEAT_NS;
    config.InactiveThreshold = INACTIVE_NS;
    config.MemoryStorage = true;
    config.Replicas = 1;
    config.MaxDeliver = 1;
    natsStatus s = js_AddConsumer(&made, f->k->stream, f->stream, &config, NULL, &refusal);
    if (s != NATS_OK) {
        return link_error(f->k, s, refusal, "reading the cluster's log", e);
    }
    f->consumer = made->Name != NULL ? mem_string(made->Name, strlen(made->Name)) : NULL;
    jsConsumerInfo_Destroy(made);
    return ERR_OK;
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
    f->heard_ns = clock_ns();
    snprintf(f->stream, sizeof f->stream, "%s", from->stream);
    natsStatus s = natsConnection_SubscribeSync(&f->sub, k->connection, inbox);
    s = s == NATS_OK ? natsSubscription_SetPendingLimits(f->sub, PENDING_MESSAGES, PENDING_BYTES)
                     : s;
    err_code code = s == NATS_OK ? add_consumer(f, from->subject, inbox, e)
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

/* $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with a
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

/* A heartbeat, or a question of flow control that wants an answer. */
static void answer_control(const feed *f, natsMsg *m)
{
    const char *stalled = NULL;
    if (natsMsg_GetReply(m) != NULL) {
        (void)natsConnection_Publish(f->k->connection, natsMsg_GetReply(m), NULL, 0);
    } else if (natsMsgHeader_Get(m, "Nats-Consumer-Stalled", &stalled) == NATS_OK) {
        (void)natsConnection_Publish(f->k->connection, stalled, NULL, 0);
    }
}

/* What the heartbeat says was pushed last must be here. */
static bool heartbeat_agrees(const feed *f, natsMsg *m)
{
    const char *last = NULL;
    return natsMsgHeader_Get(m, "Nats-Last-Consumer", &last) != NATS_OK ||
           strtoull(last, NULL, 10) == f->pushed;
}

static err_code take(feed *f, natsMsg *m, feed_message *out, err *e)
{
    uint64_t sequence = 0, pushed = 0, pending = 0;
    const char *reply = natsMsg_GetReply(m);
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

err_code feed_next(feed *f, feed_message *out, err *e)
{
    natsMsg *m = NULL;
    memset(out, 0, sizeof *out);
    natsStatus s = natsSubscription_NextMsg(&m, f->sub, WAIT_MS);
    if (s == NATS_OK) {
        f->heard_ns = clock_ns();
        return take(f, m, out, e);
    }
    if (s != NATS_TIMEOUT || !link_alive(f->k)) {
        return err_set(e, ERR_UNAVAILABLE, "the connection to the NATS server broke: %s",
                       natsStatus_GetText(s));
    }
    return clock_ns() - f->heard_ns > SILENCE_NS
               ? err_set(e, ERR_UNAVAILABLE, "the cluster's log is silent")
               : ERR_OK;
}

void feed_message_free(feed_message *m)
{
    natsMsg_Destroy(m->owned);
    m->owned = NULL;
}
