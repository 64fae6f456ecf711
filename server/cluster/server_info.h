/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_info: reads the version of a NATS server.
 *
 * The client library hides the server's version. The first line of the protocol, INFO, tells it
 * before TLS and credentials, so it is read over a separate connection.
 */
#ifndef SERVER_SERVER_INFO_H
#define SERVER_SERVER_INFO_H

#include <stddef.h>

#include "core/common/err.h"

/* server_info_version writes the version of the server at this URL ("nats://host:port"). It blocks
 * for some seconds at most. ERR_UNAVAILABLE: the server cannot be reached, or its first line is not
 * an INFO. */
err_code server_info_version(const char *url, char *out, size_t bytes, err *e) ERR_CHECKED;

/* server_info_compare compares "MAJOR.MINOR.PATCH" with another version and returns < 0, 0 or >
 * 0. */
int server_info_compare(const char *version, int major, int minor, int patch);

#endif
