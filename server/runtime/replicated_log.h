/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replicated_log: what the writer and the engine ask of a log that several nodes share.
 *
 * Without one (NULL) the writer applies its own ops at once. With one it publishes them, and
 * applies what the log hands back to writer_deliver, its own and other nodes' messages alike, in
 * the log's order. Who implements it is none of their business: server/cluster does, for NATS
 * JetStream.
 *
 * Threading: all functions are thread-safe, but for start and stop, which the engine calls once.
 */
#ifndef SERVER_REPLICATED_LOG_H
#define SERVER_REPLICATED_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"
#include "storage/log/apply.h"

struct writer;

/* What a node is at, as it tells the others. */
typedef struct log_node {
    uint64_t seq;
    uint32_t active, serving, warmed; /* generations; 0: none */
} log_node;

/* What the engine gives to the log. */
typedef struct log_host {
    store *store;
    struct writer *writer;
    void *ctx;
    void (*tell)(void *ctx, log_node *out);
    void (*look)(void *ctx); /* tables of a generation have come */
} log_host;

typedef struct replicated_log {
    void *ctx; /* first argument of all that follows */
    /* of this process; its messages are numbered from 1 on */
    unsigned char publisher[PUBLISHER_BYTES];
    /* looks whether the store belongs to the log and begins to hand messages over, from the store's
     * position on; the log may be out of reach. Any error: the service must not start. */
    err_code (*start)(void *ctx, const log_host *host, err *e);
    /* ends the threads; nothing is delivered any more */
    void (*stop)(void *ctx);
    /* ERR_UNAVAILABLE unless a message that is published now can be expected to come back */
    err_code (*admit)(void *ctx, err *e);
    /* the most that one message should take; a larger one takes longer */
    size_t (*bytes_max)(void *ctx);
    /* sends a message, or sends it once more; what fails is silent, since only the message that
     * comes back counts */
    void (*publish)(void *ctx, uint64_t number, slice bytes);
    /* how far the store is now, and why it gets no further; "" if it does */
    void (*applied)(void *ctx, slice position, const char *stopped);
    /* whether this node does what one node does for all; a second one for a moment does no harm */
    bool (*keeps_house)(void *ctx);
    /* how long it took from the first publish until the message was applied here */
    void (*confirmed)(void *ctx, double seconds);
} replicated_log;

#endif
