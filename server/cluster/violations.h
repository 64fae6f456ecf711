/* SPDX-License-Identifier: Apache-2.0 */
/*
 * violations: what a NATS server has refused on a connection for lack of rights.
 *
 * A server does not answer a request for which the client has no rights. It reports the violation
 * on the connection, and the request times out. The library keeps that report for as long as the
 * connection lasts, so it cannot tell why a later request fails. Here a violation explains one
 * failure, and only while the request that caused it can still be waiting.
 *
 * Thread-safe.
 */
#ifndef SERVER_VIOLATIONS_H
#define SERVER_VIOLATIONS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

enum { VIOLATION_TEXT = 256 };

typedef struct violations violations;

/* violations_new starts to note those of `connection`. NULL: no memory. violations_free accepts
 * NULL. */
violations *violations_new(const natsConnection *connection);
void violations_free(violations *v);

/* violations_note is the error handler of all connections. Threads of the library call it, possibly
 * after the connection was closed here. */
void violations_note(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *ctx);

/* violations_take copies the text of the last violation, unless it has been taken or is older than
 * `age_ns`. It returns false if there is none. */
bool violations_take(violations *v, uint64_t age_ns, char out[VIOLATION_TEXT]);

#endif
