/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: one connection to a NATS server, checked before it is used.
 *
 * A link that breaks stays broken: its owner opens another, which checks everything anew. So no
 * subscription survives unnoticed and every server that is used is new enough.
 *
 * Failures: ERR_UNAVAILABLE if no server can be reached or JetStream gives no answer now, which a
 * later try may mend; ERR_CONFLICT if the server refuses this client or is not fit: old, without
 * JetStream, without rights; ERR_INVALID for files of the configuration that cannot be used.
 *
 * Threading: link_open and link_close by the owner; the functions of <nats/nats.h> on `connection`
 * and `stream` are thread-safe.
 */
#ifndef SERVER_LINK_H
#define SERVER_LINK_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"

typedef struct nats_link {
    natsConnection *connection;
    jsCtx *stream;
    size_t payload_max; /* bytes of one message */
    char server[64];    /* its version */
} nats_link;

/* How long JetStream may take to answer. What is only read takes milliseconds, or there is no
 * leader to give it. Making a replicated stream takes its replicas' disks; a busy disk takes
 * seconds. */
enum { LINK_ASK_MS = 700, LINK_MAKE_MS = 10000 };

/* link_open connects and looks at what the server is. `ask_ms`: of every later question. Blocks. */
err_code link_open(nats_link **out, const cluster_options *o, int ask_ms, err *e) ERR_CHECKED;

/* link_close accepts NULL. */
void link_close(nats_link *k);

/* link_alive tells whether the connection still stands. */
bool link_alive(const nats_link *k);

/* link_error turns what a call on the link gave into an error; `what` was tried. `code` is
 * JetStream's own, 0 if it gave none. */
err_code link_error(const nats_link *k, natsStatus status, jsErrCode code, const char *what,
                    err *e);

/* link_end ends the client library's own threads, at the end of the process. */
void link_end(void);

#endif
