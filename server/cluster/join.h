/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: an empty folder becomes the store of another node.
 *
 * No other node is asked: the newest snapshot beside the log is taken, and the log after it when
 * the node serves.
 */
#ifndef SERVER_JOIN_H
#define SERVER_JOIN_H

#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cluster/log_stream.h"

/* cluster_join fills the folder, and tells the store's position. `own` is this node's identity; its
 * lineage is not looked at. ERR_CONFLICT if there is a store, or the log is not for this node;
 * ERR_NOT_FOUND without a snapshot; ERR_CORRUPT if it is damaged. */
err_code cluster_join(const cluster_options *o, const log_identity *own, const char *dir,
                      uint64_t *position, err *e) ERR_CHECKED;

#endif
