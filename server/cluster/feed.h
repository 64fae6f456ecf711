/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed: reads the messages of a stream in order, from a given position.
 *
 * An ephemeral consumer in the server's memory pushes the messages. They are not acknowledged: the
 * store holds the position. The server numbers what it pushes and sends heartbeats while it has
 * nothing to push. A missing message, one out of order, or a silence that lasts too long ends the
 * feed; its owner then opens a new one after the last message that it received.
 *
 * Making a consumer needs the leader of all streams, and the consumer can land on a server that has
 * just died. So nothing waits for it: meanwhile feed_get reads single messages, which any server
 * with a replica of the stream can answer.
 *
 * One thread at a time.
 */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cluster/link.h"

typedef struct feed feed;

typedef struct feed_message {
    slice bytes;       /* borrowed until feed_message_free */
    uint64_t sequence; /* the message's number in the stream */
    uint64_t pending;  /* messages that follow it in the stream */
    natsMsg *owned;
} feed_message;

typedef struct feed_from {
    const char *stream, *subject;
    uint64_t position; /* the feed begins after this position of the stream */
    bool whole;        /* the stream has no other subjects and no holes */
    int ask_ms;        /* how long the server may take to make the consumer */
} feed_from;

/* feed_open begins to read and does not wait for the server. It copies what `from` names. */
err_code feed_open(feed **out, const nats_link *k, const feed_from *from, err *e) ERR_CHECKED;

/* feed_next waits a few tenths of a second for the next message; out->owned is NULL if none came.
 * ERR_UNAVAILABLE: the feed has ended. ERR_CORRUPT: the stream lacks a message that must be
 * there. */
err_code feed_next(feed *f, feed_message *out, err *e) ERR_CHECKED;
void feed_message_free(feed_message *m);

/* feed_pushes tells whether the consumer is there and has not been silent for longer than usual. */
bool feed_pushes(const feed *f);

/* feed_get asks for one message of the stream. It returns false if no server answered in a tenth of
 * a second; out->owned is NULL if the answering server has no such message. */
bool feed_get(const feed *f, uint64_t sequence, feed_message *out);

/* feed_close accepts NULL. */
void feed_close(feed *f);

#endif
