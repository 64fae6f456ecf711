/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large: messages that are larger than the servers take.
 *
 * The message is stored as a blob, and a small message in the log names it: a byte 0, which begins
 * no other message, and the blob's description as JSON. Readers fetch the blob before they go on.
 * The blob lives at least as long as the message that names it.
 *
 * Storing takes a while, so a thread with a connection of its own does it. Whoever asks again for
 * the same number meanwhile changes nothing; afterwards the small message is sent again.
 *
 * Threading: large_send from the writer's thread, large_fetch from the follow thread.
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
/* large_free ends the thread, once the cluster is stopping; accepts NULL. */
void large_free(large *x);

/* large_send stores the bytes, which are copied, and sends the message that names them. */
void large_send(large *x, uint64_t number, slice bytes);

/* large_named tells whether a message of the log names a blob; large_fetch gets the bytes, to be
 * freed with mem_free. ERR_CORRUPT if they are not there or damaged. */
bool large_named(slice message);
err_code large_fetch(cluster *c, const nats_link *k, slice message, slice *out, err *e) ERR_CHECKED;

#endif
