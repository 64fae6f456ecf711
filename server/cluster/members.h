/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members: which nodes a cluster has now, and which of them keeps house.
 *
 * Each node puts a heartbeat into a key-value bucket whose entries die after some seconds; those
 * that are there are the nodes that live. Another bucket holds the lease: one entry, which its
 * holder renews in time or loses. Nothing that must be right rests on either: for a moment two
 * nodes may both believe that they hold the lease. A bucket has one time to live, so there are two;
 * both are in the servers' memory, since a restart of all makes them anew.
 *
 * One thread at a time. Bound to a link; when it breaks, open another.
 */
#ifndef SERVER_MEMBERS_H
#define SERVER_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/cluster_options.h"
#include "server/cluster/link.h"

enum { MEMBERS_MAX = 64, INCARNATION_TEXT = 33, MEMBER_SECONDS = 5, LEASE_SECONDS = 10 };

typedef struct member {
    char name[CLUSTER_NODE_BYTES_MAX + 1];
    char incarnation[INCARNATION_TEXT]; /* of the process */
    char place[INCARNATION_TEXT];       /* hash of host and folder: a store has one process */
    char version[32];                   /* of its stair */
    unsigned op_version;                /* the newest that it reads */
    uint64_t seq, position;
    uint32_t active, serving, warmed; /* generations */
    double lag_seconds;
    bool ready;
    uint64_t revision; /* of the entry */
} member;

typedef struct members members;

/* members_open makes the buckets where there are none, with as many replicas as the log. */
err_code members_open(members **out, const nats_link *k, const char *cluster, int replicas,
                      err *e) ERR_CHECKED;
void members_close(members *m); /* accepts NULL */

/* members_beat puts this node's heartbeat; members_leave takes it away, and the lease if it is
 * held.
 */
err_code members_beat(members *m, const member *self, err *e) ERR_CHECKED;
void members_leave(members *m, const member *self);

/* members_list writes the nodes that live, by name; more than MEMBERS_MAX are left out. */
err_code members_list(members *m, member *out, size_t *count, err *e) ERR_CHECKED;

/* members_find writes the entry of one name; ERR_NOT_FOUND, with `e` unset, without one. */
err_code members_find(members *m, const char *name, member *out, err *e) ERR_CHECKED;

/* members_lease takes the lease if nobody has it, or renews it. `holder` is whose it is then, ""
 * if that cannot be told; *held: this node's. */
void members_lease(members *m, const member *self, char holder[CLUSTER_NODE_BYTES_MAX + 1],
                   bool *held);

#endif
