/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surroundings: metrics about what the service depends on: free disk space, the newest snapshot,
 * the certificate, and failed reloads. They are read at each scrape.
 *
 * Threading: surroundings_add before other threads start; surroundings_reload_failed from any
 * thread.
 */
#ifndef SERVER_SURROUNDINGS_H
#define SERVER_SURROUNDINGS_H

#include "core/common/err.h"
#include "server/telemetry/metrics.h"

typedef struct surroundings surroundings;

/* surroundings_add registers the metrics. `store_dir` and `snapshot_dir` are copied. Call
 * surroundings_free after the last scrape. */
err_code surroundings_add(surroundings **out, metrics *m, const char *store_dir,
                          const char *snapshot_dir, err *e) ERR_CHECKED;
void surroundings_free(surroundings *s);

/* surroundings_reload_failed counts a reload of keys or certificate that failed. */
void surroundings_reload_failed(surroundings *s);

#endif
