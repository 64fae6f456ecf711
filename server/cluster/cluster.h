/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster: this node's part in a shop that several nodes serve, over a log in NATS JetStream.
 *
 *     follow thread   connects, checks whose log it is, reads it in order and hands it to the
 * writer watch thread    asks now and then whether the log has a leader and how long it is
 *
 * NATS may be out of reach at any time: reads go on, writes are refused, and the follow thread
 * connects again. A log that is not this store's, or that has lost messages, is never followed: the
 * node says so and stays where it is.
 *
 * Threading: thread-safe after cluster_new; cluster_free after the log's stop.
 */
#ifndef SERVER_CLUSTER_H
#define SERVER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/runtime/replicated_log.h"
#include "server/telemetry/metrics.h"

typedef struct cluster cluster;

typedef struct cluster_setup {
    const cluster_options *options; /* borrowed */
    const encoder_options *encoder;
    const char *interaction_types; /* as configured */
    metrics *metrics;
} cluster_setup;

/* cluster_new connects to nothing: the log's start does. */
err_code cluster_new(cluster **out, const cluster_setup *setup, err *e) ERR_CHECKED;
void cluster_free(cluster *c);

/* cluster_log borrows what the engine takes. */
const replicated_log *cluster_log(cluster *c);

typedef struct cluster_status {
    bool connected;     /* to a server, and reading the log */
    bool led;           /* the log takes writes, as far as is known */
    uint64_t position;  /* of the store in the log */
    uint64_t last;      /* message of the log, as far as is known */
    double lag_seconds; /* since the store was last at the log's end; 0: it is */
    bool twin;          /* another node has this one\'s name */
    size_t nodes;       /* that live, as seen here */
    bool stopped;       /* a message cannot be applied */
    bool ready;         /* not stopped or far behind */
    char problem[256];  /* for people; "": none */
} cluster_status;

void cluster_tell(cluster *c, cluster_status *out);

/* cluster_document makes the answer of GET /cluster: the log, the nodes that live, and who has the
 * lease. NULL without memory. */
struct json_t *cluster_document(cluster *c);

#endif
