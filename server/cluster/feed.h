/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed: the messages of a stream in order, from a position on.
 *
 * A consumer that lives in the server's memory pushes them; nothing is acknowledged, since the
 * store holds the position. The server numbers what it pushes and sends a heartbeat when there is
 * nothing. Whatever is missing, out of order or silent for too long ends the feed: its owner opens
 * another one behind the last message that it has.
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
    uint64_t sequence; /* in the stream */
    uint64_t pending;  /* messages of the stream behind it */
    natsMsg *owned;
} feed_message;

typedef struct feed_from {
    const char *stream, *subject;
    uint64_t position; /* of the stream, behind which it begins */
    bool whole;        /* the stream has no other subjects and no holes */
} feed_from;

/* feed_open begins to read. What `from` names is copied. */
err_code feed_open(feed **out, const nats_link *k, const feed_from *from, err *e) ERR_CHECKED;

/* feed_next waits some tenths of a second for the next message; out->owned is NULL if none came.
 * ERR_UNAVAILABLE: the feed has ended. ERR_CORRUPT: the stream has no message where there must be
 * one.
 */
err_code feed_next(feed *f, feed_message *out, err *e) ERR_CHECKED;
void feed_message_free(feed_message *m);

/* feed_close accepts NULL. */
void feed_close(feed *f);

#endif
