/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: one connection to a NATS server, checked before it is used.
 *
 * A link that breaks stays broken. Its owner opens a new one, which repeats all checks. So no
 * broken subscription goes unnoticed, and every server in use is new enough.
 *
 * Errors:
 *     ERR_UNAVAILABLE   no server can be reached, or JetStream does not answer now; try again later
 *     ERR_CONFLICT      the server refuses this client, is too old, or lacks JetStream or rights
 *     ERR_INVALID       a file that the configuration names cannot be used
 *
 * Threading: the owner calls link_open and link_close. The functions of <nats/nats.h> on
 * `connection` and `stream` are thread-safe.
 */
#ifndef SERVER_LINK_H
#define SERVER_LINK_H

#include <jansson.h>
#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"

struct violations;

typedef struct nats_link {
    natsConnection *connection;
    jsCtx *stream;
    size_t payload_max;            /* largest message that the server accepts */
    char server[64];               /* version of the NATS server */
    struct violations *violations; /* of rights, which the server has reported */
} nats_link;

/* How long to wait for JetStream. A read takes milliseconds, unless no leader answers. Making a
 * replicated stream writes to the disks of all replicas, which takes seconds on a busy disk. */
enum { LINK_ASK_MS = 700, LINK_MAKE_MS = 10000 };

/* link_open connects and checks the server. `ask_ms` limits every later request. Blocks.
 * link_reopen does not ask for JetStream, which only the leader of all streams can answer. */
err_code link_open(nats_link **out, const cluster_options *o, int ask_ms, err *e) ERR_CHECKED;
err_code link_reopen(nats_link **out, const cluster_options *o, int ask_ms, err *e) ERR_CHECKED;

/* link_close accepts NULL. */
void link_close(nats_link *k);

/* link_alive tells whether the connection is up. */
bool link_alive(const nats_link *k);

/* link_error turns the status of a call on the link into an error. `what` names the attempt.
 * `refusal` is JetStream's error code, or 0. A violation of rights that the server has reported
 * explains one request that got no answer, and no later one. */
err_code link_error(const nats_link *k, natsStatus status, jsErrCode refusal, const char *what,
                    err *e);

/* link_subjects returns an array with the rest of each subject of a stream after `prefix`. It does
 * not create consumers, because each would be an entry in the log of all streams and would need
 * that log's leader. */
err_code link_subjects(const nats_link *k, const char *stream, const char *prefix, json_t **out,
                       err *e) ERR_CHECKED;

/* link_end ends the client library's threads. Call it at the end of the process. */
void link_end(void);

#endif
