/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_options: the options for the log that several nodes share, as entries of an option table.
 *
 * serve and cluster have the same ones, so that one configuration file serves both. None of them is
 * secret: credentials and keys are files.
 */
#ifndef SERVER_CLUSTER_OPTIONS_H
#define SERVER_CLUSTER_OPTIONS_H

#include <stdint.h>

#include "server/cli/options.h"

typedef struct cluster_options {
#define OPTION OPTION_MEMBER
#include "server/cli/cluster_options.def"
} cluster_options;

enum { CLUSTER_JOIN_NO = 0, CLUSTER_JOIN_YES };

enum { CLUSTER_NAME_BYTES_MAX = 32, CLUSTER_NODE_BYTES_MAX = 64, CLUSTER_URLS_MAX = 16 };

/* cluster_urls_check refuses everything but a list of nats or tls addresses, and user information
 * in them. */
err_code cluster_urls_check(const char *text, err *e) ERR_CHECKED;

/* cluster_name_check and cluster_node_check check what becomes part of the names of streams and
 * keys. */
err_code cluster_name_check(const char *text, err *e) ERR_CHECKED;
err_code cluster_node_check(const char *text, err *e) ERR_CHECKED;

/* cluster_options_check checks that the options fit together. */
err_code cluster_options_check(const cluster_options *o, err *e) ERR_CHECKED;

#endif
