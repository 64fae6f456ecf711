/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication: the only connection between the service and the cluster; it also exists in a build
 * without the cluster.
 *
 * Without `cluster` in the configuration it starts no thread and no connection.
 */
#ifndef SERVER_REPLICATION_H
#define SERVER_REPLICATION_H

#include "api/api.h"
#include "core/common/err.h"
#include "server/cli/serve_options.h"
#include "server/runtime/replicated_log.h"
#include "server/telemetry/metrics.h"

typedef struct replication replication;

/* replication_open returns NULL for a single node. ERR_INVALID: the configuration contradicts
 * itself, or asks for a cluster in a build without it. */
err_code replication_open(replication **out, const serve_options *o, metrics *m,
                          err *e) ERR_CHECKED;

/* replication_erasure returns when the cluster's copies of a store no longer contain an erased
 * user; all 0 for a single node. */
void replication_erasure(const replication *r, const serve_options *o, api_erasure_terms *out);

/* replication_document makes the answer of GET /cluster. Not for a single node. */
struct json_t *replication_document(replication *r);

/* All three accept NULL: the log is then NULL and the health unchanged. */
const replicated_log *replication_log(replication *r);
void replication_health(replication *r, api_health *out);
void replication_close(replication *r);

#endif
