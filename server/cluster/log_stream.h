/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_stream: the JetStream stream that holds a cluster's log, and its owner.
 *
 * The stream STAIR_<name>_LOG has one subject, stair.<name>.log. No message is ever removed from
 * its middle, so its sequence has no holes and a node notices a missing message. Its description
 * names the shop it belongs to (the store's lineage) and the settings that all nodes must share. A
 * position in the log is the sequence of the last message, in decimal.
 *
 * Thread-safe: no state.
 */
#ifndef SERVER_LOG_STREAM_H
#define SERVER_LOG_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cluster/link.h"
#include "storage/env/store.h"

enum { LOG_FORMAT = 1, LOG_NAME_MAX = 96, LOG_TEXT_MAX = 3072 };

/* The content of the stream's description. */
typedef struct log_identity {
    unsigned format;
    char lineage[LINEAGE_TEXT];
    /* modality and model of the encoder, "MODALITY MODEL"; "-" without an encoder */
    char encoder[256];
    char types[LOG_TEXT_MAX]; /* the interaction types, in the form of identity_set */
} log_identity;

typedef struct log_facts {
    uint64_t first, last; /* sequences; first > last if the log is empty */
    int64_t first_time; /* when the first message was stored: epoch seconds by the servers' clock */
    uint64_t bytes;
    int replicas;
    bool led; /* the stream has a leader */
} log_facts;

void log_stream_name(const char *cluster, char out[LOG_NAME_MAX]);
void log_stream_subject(const char *cluster, char out[LOG_NAME_MAX]);

/* log_stream_create makes a stream with this identity. ERR_CONFLICT: one of that name exists. */
err_code log_stream_create(const nats_link *k, const cluster_options *o, const log_identity *id,
                           err *e) ERR_CHECKED;

/* log_stream_read reads the stream's description and state. `id` may be NULL. ERR_NOT_FOUND: there
 * is no stream. ERR_CONFLICT: it is not a log of stair's, or its format is newer. */
err_code log_stream_read(const nats_link *k, const char *cluster, log_identity *id,
                         log_facts *facts, err *e) ERR_CHECKED;

/* log_stream_is_led tells whether the log's leader answers within a short time. Ask it often while
 * there is no leader: nobody answers a question that was asked before the election. */
bool log_stream_is_led(const nats_link *k, const char *cluster);

/* log_stream_change gives the log this identity, whose lineage must be that of the log. Running
 * nodes notice it only when they connect again. */
err_code log_stream_change(const nats_link *k, const char *cluster, const log_identity *id,
                           err *e) ERR_CHECKED;

/* log_stream_expect refuses with ERR_CONFLICT a log that a node with this identity and position
 * must not follow. */
err_code log_stream_expect(const log_identity *own, uint64_t position, const log_identity *id,
                           const log_facts *facts, err *e) ERR_CHECKED;

/* log_position_read parses a position. It returns false for any other text. */
bool log_position_read(const char *text, uint64_t *out);

#endif
