/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address: converts "HOST:PORT" to a listening socket and back. Pure helpers, thread-safe.
 */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "core/common/err.h"

enum { ADDRESS_TEXT_MAX = 80 };

typedef struct address {
    struct sockaddr_storage at;
    socklen_t length;
    bool loopback; /* only this machine can reach it */
} address;

/* address_parse accepts "127.0.0.1:8080", "[::1]:8080", "localhost:0" or ":8080" (every address).
 * ERR_INVALID says what is wrong. It may use the resolver. */
err_code address_parse(address *out, const char *text, err *e) ERR_CHECKED;

/* address_check is address_parse without the result: the check of an option. */
err_code address_check(const char *text, err *e) ERR_CHECKED;

/* address_listen opens a listening, non-blocking socket. `text` receives the address with the
 * actual port. ERR_IO; the text says so if the address is in use. */
err_code address_listen(const address *a, int *fd, char text[ADDRESS_TEXT_MAX], err *e) ERR_CHECKED;

/* address_connect opens a blocking connection. The time-out applies to the connection and to later
 * calls. */
err_code address_connect(const address *a, unsigned timeout_seconds, int *fd, err *e) ERR_CHECKED;

#endif
