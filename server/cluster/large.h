/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large: sends messages that are larger than the NATS servers accept.
 *
 * The message is stored as a blob, and a small message in the log names it. The small message is a
 * byte 0, with which no other message begins, and the blob's description as JSON. Readers fetch the
 * blob before they read on. The blob lives at least as long as the message that names it.
 *
 * Storing takes a while, so a thread with a connection of its own does it. Sending the same number
 * again has no effect while the blob is being stored. Afterwards it sends the small message again.
 *
 * Threading: the writer's thread calls large_send, the follow thread calls large_fetch.
 */
#ifndef SERVER_LARGE_H
#define SERVER_LARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cluster/cluster_private.h"

typedef struct large large;

err_code large_new(large **out, cluster *c, err *e) ERR_CHECKED;
/* large_free ends the thread. Call it when the cluster is stopping. It accepts NULL. */
void large_free(large *x);

/* large_send copies the bytes, stores them and sends the message that names them. */
void large_send(large *x, uint64_t number, slice bytes);

/* large_named tells whether a message of the log names a blob. large_fetch reads that blob; free
 * the bytes with mem_free. ERR_CORRUPT: the blob is missing or damaged. */
bool large_named(slice message);
err_code large_fetch(cluster *c, const nats_link *k, slice message, slice *out, err *e) ERR_CHECKED;

#endif
