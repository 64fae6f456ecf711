/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish: sends messages to the log.
 *
 * An acknowledgement by the server means nothing to a write, which waits until its message is read
 * back. Only refusals matter: a full log would refuse a repeat as well.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/cluster/cluster_private.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

enum { HEADER_BYTES = 512, PAYLOAD_LEAST = 4096, ID_TEXT = 2 * PUBLISHER_BYTES + 24 };

/* How long the log counts as full after it refused a message for lack of room. */
static const uint64_t FULL_NS = 5000000000;

size_t publish_bytes_max(void *ctx)
{
    shared_link *l = cluster_link_get(ctx);
    size_t most =
        l != NULL && l->k->payload_max > PAYLOAD_LEAST ? l->k->payload_max : PAYLOAD_LEAST;
    cluster_link_put(l);
    return most - HEADER_BYTES;
}

static void message_id(const cluster *c, uint64_t number, char out[ID_TEXT])
{
    for (size_t i = 0; i < PUBLISHER_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", c->log.publisher[i]);
    }
    snprintf(out + (size_t)2 * PUBLISHER_BYTES, ID_TEXT - (size_t)2 * PUBLISHER_BYTES, "-%llu",
             (unsigned long long)number);
}

void publish_message(cluster *c, uint64_t number, slice bytes)
{
    char id[ID_TEXT];
    natsMsg *m = NULL;
    shared_link *l = cluster_link_get(c);
    if (l == NULL) {
        return;
    }
    message_id(c, number, id);
    natsStatus s =
        natsMsg_Create(&m, c->subject, (const char *)l->acks, bytes.at, (int)bytes.length);
    s = s == NATS_OK ? natsMsgHeader_Set(m, "Nats-Msg-Id", id) : s;
    s = s == NATS_OK ? natsConnection_PublishMsg(l->k->connection, m) : s;
    if (s != NATS_OK) {
        log_event(LOG_DEBUG, "publish_failed", log_text("error", natsStatus_GetText(s)));
    }
    natsMsg_Destroy(m);
    cluster_link_put(l);
}

/* on_ack runs in a thread of the client library. The cluster outlives it. */
static void on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *ctx)
{
    cluster *c = ctx;
    (void)nc;
    (void)sub;
    json_t *answer = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, NULL);
    const json_t *refused = json_object_get(answer, "error");
    const char *why = json_string_value(json_object_get(refused, "description"));
    if (refused != NULL) {
        log_event(LOG_WARN, "log_refused_message", log_text("error", why));
        if (why != NULL && strstr(why, "maximum") != NULL) {
            atomic_store(&c->full_until_ns, clock_ns() + FULL_NS);
        }
    }
    json_decref(answer);
    natsMsg_Destroy(m);
}

err_code publish_listen(cluster *c, shared_link *l, err *e)
{
    natsStatus s = natsInbox_Create(&l->acks);
    s = s == NATS_OK ? natsConnection_Subscribe(&l->acks_sub, l->k->connection, l->acks, on_ack, c)
                     : s;
    return s == NATS_OK ? ERR_OK : link_error(l->k, s, 0, "listening for acknowledgements", e);
}
