/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: fills an empty folder with the store of a new node.
 *
 * It asks no other node. It downloads the newest snapshot beside the log; the node reads the rest
 * of the log when it serves.
 */
#ifndef SERVER_JOIN_H
#define SERVER_JOIN_H

#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cluster/log_stream.h"

/* cluster_join fills the folder and reports the store's position. `own` is this node's identity;
 * its lineage is ignored. ERR_CONFLICT: the folder holds a store already, or the log is not for
 * this node. ERR_NOT_FOUND: there is no snapshot. ERR_CORRUPT: the snapshot is damaged.
 * ERR_UNAVAILABLE: the NATS servers gave no answer for half a minute. */
err_code cluster_join(const cluster_options *o, const log_identity *own, const char *dir,
                      uint64_t *position, err *e) ERR_CHECKED;

#endif
