/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linger: closes a connection whose client may still be sending, so that the client can read the
 * answer.
 *
 * If a socket is closed with unread bytes, the kernel resets the connection, and the client loses
 * the answer: a 401 or 413 that says why. So the socket stays open for reading, and whatever
 * arrives is dropped until the client closes, LINGER_BYTES_MAX have arrived or LINGER_SECONDS have
 * passed.
 *
 * Threading: linger_take from any thread; the rest from one.
 */
#ifndef SERVER_HTTP_LINGER_H
#define SERVER_HTTP_LINGER_H

#include "core/common/err.h"

enum { LINGER_SOCKETS_MAX = 64, LINGER_BYTES_MAX = 64 * 1024 * 1024, LINGER_SECONDS = 5 };

typedef struct lingering lingering;

/* linger_new starts the thread that reads and drops. */
err_code linger_new(lingering **out, err *e) ERR_CHECKED;

/* linger_take keeps a duplicate of a socket that its owner is about to close. If there are
 * LINGER_SOCKETS_MAX already, it does nothing, and the owner's close ends the connection. */
void linger_take(lingering *l, int socket);

/* linger_free closes all sockets; it accepts NULL. */
void linger_free(lingering *l);

#endif
