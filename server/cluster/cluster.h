/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster: connects this node to the other nodes of its shop, through a log in NATS JetStream.
 *
 *     follow thread   connects, checks whose log it is, reads it in order and hands each
 *                     message to the writer
 *     watch thread    checks every half second that the log has a leader, how long it is,
 *                     and which nodes live
 *
 * While NATS is out of reach, reads go on, writes are refused, and the follow thread reconnects. A
 * node never follows a log that belongs to another store or has lost messages: it reports the
 * problem and stays at its position.
 *
 * Threading: thread-safe after cluster_new. Call cluster_free after the log's stop.
 */
#ifndef SERVER_CLUSTER_H
#define SERVER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/runtime/replicated_log.h"
#include "server/telemetry/metrics.h"

typedef struct cluster cluster;

typedef struct cluster_setup {
    const cluster_options *options; /* borrowed */
    const encoder_options *encoder;
    const char *interaction_types; /* text of the setting interaction_types */
    metrics *metrics;
} cluster_setup;

/* cluster_new does not connect; starting the log does. */
err_code cluster_new(cluster **out, const cluster_setup *setup, err *e) ERR_CHECKED;
void cluster_free(cluster *c);

/* cluster_log returns the functions that the engine calls, borrowed until cluster_free. */
const replicated_log *cluster_log(cluster *c);

typedef struct cluster_status {
    bool connected;    /* this node has a server and reads the log */
    bool led;          /* the log has a leader, as far as is known */
    uint64_t position; /* this store's position in the log */
    uint64_t last;     /* position of the log's last message, as far as is known */
    /* seconds since the store was last at the log's end; 0 if it is there now */
    double lag_seconds;
    bool twin;         /* another process has this node's name */
    size_t nodes;      /* live nodes, as seen here */
    bool stopped;      /* a message cannot be applied, and no later one is */
    bool ready;        /* neither stopped nor far behind */
    char problem[256]; /* text for people; "" if there is none */
} cluster_status;

void cluster_tell(cluster *c, cluster_status *out);

/* cluster_erasure_terms returns the times after an erasure by which each copy outside the nodes'
 * stores is free of the user. They hold while a node has the lease and the NATS servers accept
 * blobs. */
void cluster_erasure_terms(const cluster_options *o, api_erasure_terms *out);

/* cluster_document makes the answer of GET /cluster: the log, the live nodes, and the node that
 * holds the lease. It returns NULL if memory runs out. */
struct json_t *cluster_document(cluster *c);

#endif
