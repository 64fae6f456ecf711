/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_stream: the JetStream stream that is a cluster's log, and whose it is.
 *
 * The stream STAIR_<name>_LOG has one subject, stair.<name>.log, and nothing is ever taken out of
 * its middle: its sequence has no holes, so that a node notices a message that is missing. Its
 * description says which shop it belongs to (the store's lineage) and what all nodes must have in
 * common. A position in the log is the sequence of the last message, in decimal.
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

/* What the description holds. */
typedef struct log_identity {
    unsigned format;
    char lineage[LINEAGE_TEXT];
    char encoder[256];        /* "modality model", or "-" */
    char types[LOG_TEXT_MAX]; /* the interaction types, as configured */
} log_identity;

typedef struct log_facts {
    uint64_t first, last; /* sequences; first > last: it is empty */
    uint64_t bytes;
    int replicas;
    bool led; /* its replicas have a leader */
} log_facts;

void log_stream_name(const char *cluster, char out[LOG_NAME_MAX]);
void log_stream_subject(const char *cluster, char out[LOG_NAME_MAX]);

/* log_stream_create makes the stream of this identity; ERR_CONFLICT if there is one of that name.
 */
err_code log_stream_create(const nats_link *k, const cluster_options *o, const log_identity *id,
                           err *e) ERR_CHECKED;

/* log_stream_read tells what the stream is and holds. `id` may be NULL. ERR_NOT_FOUND: there is
 * none; ERR_CONFLICT: it is no log of stair's, or one of a newer format. */
err_code log_stream_read(const nats_link *k, const char *cluster, log_identity *id,
                         log_facts *facts, err *e) ERR_CHECKED;

/* log_stream_expect refuses with ERR_CONFLICT a log that a node with this identity, whose store
 * stands at `position`, must not follow. */
err_code log_stream_expect(const log_identity *own, uint64_t position, const log_identity *id,
                           const log_facts *facts, err *e) ERR_CHECKED;

/* log_position_read reads a position. False: it is none. */
bool log_position_read(const char *text, uint64_t *out);

#endif
