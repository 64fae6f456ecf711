/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity: what a node's configuration and store say about the log that they belong to.
 */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/cluster/log_stream.h"

/* identity_set fills all members but the lineage. It writes the interaction types in one canonical
 * form, so that only a difference in meaning counts as one. ERR_INVALID: the types are wrong, or
 * their text is too long for the log's description. */
err_code identity_set(log_identity *out, const char *types, const encoder_options *encoder,
                      err *e) ERR_CHECKED;

/* identity_node writes the node's name: the configured one, or the host's. */
err_code identity_node(const cluster_options *o, char out[CLUSTER_NODE_BYTES_MAX + 1],
                       err *e) ERR_CHECKED;

#endif
