/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_info: what a NATS server says of itself to whoever connects.
 *
 * The client library hides the server's version. The protocol's first line, INFO, tells it before
 * any TLS or credentials, so it is read on a connection of its own.
 */
#ifndef SERVER_SERVER_INFO_H
#define SERVER_SERVER_INFO_H

#include <stddef.h>

#include "core/common/err.h"

/* server_info_version writes the version of the server at this URL ("nats://host:port"). Blocks
 * for some seconds at most. ERR_UNAVAILABLE: it cannot be reached or says nothing of the kind. */
err_code server_info_version(const char *url, char *out, size_t bytes, err *e) ERR_CHECKED;

/* server_info_compare orders "MAJOR.MINOR.PATCH" by another version: < 0, 0 or > 0. */
int server_info_compare(const char *version, int major, int minor, int patch);

#endif
