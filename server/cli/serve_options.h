/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_options: the configuration of the service, as one table.
 *
 * deploy/stair.conf.example and docs/configuration.md are printed from it (stair --help-config,
 * --help-markdown), so a setting is in all of them or in none.
 */
#ifndef SERVER_SERVE_OPTIONS_H
#define SERVER_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/cli/options.h"

typedef struct serve_options {
#define OPTION OPTION_MEMBER
#include "server/cli/serve_options.def"
    encoder_options encoder;
    cluster_options cluster;
} serve_options;

/* Connections beyond connections_max that may only ask for /health, and connections of
 * admin_listen. */
enum { CONNECTIONS_RESERVED = 16, CONNECTIONS_OF_ADMIN = 64 };

/* The size requested for each socket's buffers; the kernel doubles it for its own records. By
 * default the kernel lets them grow to megabytes, and no limit here would bound that. */
enum { SOCKET_BUFFER_BYTES = 128 * 1024, SOCKET_BUFFERS_BYTES = 2 * SOCKET_BUFFER_BYTES };

extern const option serve_option_table[];

#endif
