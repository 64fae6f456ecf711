/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication: the one place where the service meets the cluster, or a build without it.
 *
 * Without `cluster` in the configuration there is nothing of it: no thread, no connection.
 */
#ifndef SERVER_REPLICATION_H
#define SERVER_REPLICATION_H

#include "api/api.h"
#include "core/common/err.h"
#include "server/cli/serve_options.h"
#include "server/runtime/replicated_log.h"
#include "server/telemetry/metrics.h"

typedef struct replication replication;

/* replication_open gives NULL for a single node. ERR_INVALID: the configuration asks for what does
 * not fit together, or for a cluster where this build has none. */
err_code replication_open(replication **out, const serve_options *o, metrics *m,
                          err *e) ERR_CHECKED;

/* replication_erasure tells of the copies of a store that a cluster keeps; all 0 for a single node.
 */
void replication_erasure(const replication *r, const serve_options *o, api_erasure_terms *out);

/* replication_document makes the answer of GET /cluster; not for a single node. */
struct json_t *replication_document(replication *r);

/* All three accept NULL; then the log is NULL and the health stays as it was. */
const replicated_log *replication_log(replication *r);
void replication_health(replication *r, api_health *out);
void replication_close(replication *r);

#endif
