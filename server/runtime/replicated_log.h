/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replicated_log: the interface through which the writer and the engine use a log that several
 * nodes share.
 *
 * Without a log (NULL) the writer applies its own ops at once. With one, it publishes them, and
 * applies what the log passes to writer_deliver, its own messages and those of other nodes, in the
 * log's order. server/cluster implements it for NATS JetStream.
 *
 * Threading: all functions are thread-safe, except start and stop, which the engine calls once.
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

/* A node's state, which it tells the others. */
typedef struct log_node {
    uint64_t seq;
    uint32_t active, serving, warmed; /* numbers of generations; 0 if none */
} log_node;

/* What the engine provides to the log. */
typedef struct log_host {
    store *store;
    struct writer *writer;
    void *ctx;
    void (*tell)(void *ctx, log_node *out);
    void (*look)(void *ctx); /* the tables of a generation have arrived */
} log_host;

typedef struct replicated_log {
    void *ctx; /* first argument of all functions below */
    /* id of this process; its messages are numbered from 1 */
    unsigned char publisher[PUBLISHER_BYTES];
    /* start checks that the store belongs to the log, and begins to deliver messages from the
     * store's position on. The log may be out of reach. On any error the service must not start. */
    err_code (*start)(void *ctx, const log_host *host, err *e);
    /* stop ends the threads. Nothing is delivered afterwards. */
    void (*stop)(void *ctx);
    /* admit returns ERR_UNAVAILABLE unless a message published now can be expected to come back. */
    err_code (*admit)(void *ctx, err *e);
    /* version returns the newest version of ops that all nodes read, at most OP_VERSION. */
    unsigned (*version)(void *ctx);
    /* bytes_max returns how large a message should be at most. A larger one takes longer. */
    size_t (*bytes_max)(void *ctx);
    /* publish sends a message, for the first time or again. It reports no failure, because only a
     * message that comes back counts. */
    void (*publish)(void *ctx, uint64_t number, slice bytes);
    /* applied tells how far the store is now, and why it does not continue; "" if it does. */
    void (*applied)(void *ctx, slice position, const char *stopped);
    /* keeps_house tells whether this node does the work that one node does for all. It is harmless
     * if two nodes do it for a moment. */
    bool (*keeps_house)(void *ctx);
    /* confirmed tells how long a message took from its first publication until it was applied
     * here. */
    void (*confirmed)(void *ctx, double seconds);
} replicated_log;

#endif
