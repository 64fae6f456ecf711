/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members: which nodes a cluster has now, and which of them holds the lease.
 *
 * Each node puts a heartbeat into a key-value bucket whose entries expire after some seconds; the
 * entries that are present are the live nodes. Another bucket holds the lease: one entry, which
 * expires unless its holder renews it. Correctness rests on neither: two nodes may both believe for
 * a moment that they hold the lease. All entries of a bucket have the same time to live, so there
 * are two buckets. Both are in the servers' memory; nodes fill them again after a restart of all
 * servers.
 *
 * One thread at a time. Bound to a link; when the link breaks, open another.
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
    char incarnation[INCARNATION_TEXT]; /* random id of the node's process */
    char place[INCARNATION_TEXT];       /* hash of host and folder; a store has one process */
    char version[32];                   /* version of stair that the node runs */
    unsigned op_version;                /* the newest version of ops that the node reads */
    uint64_t seq, position;
    uint32_t active, serving, warmed; /* numbers of generations; 0 if none */
    double lag_seconds;
    bool ready;
    uint64_t revision; /* revision of the node's entry in the bucket */
    int64_t stored_ns; /* when, by the servers' clock, since the epoch */
} member;

typedef struct members members;

/* members_open makes the buckets if they are missing, with as many replicas as the log. */
err_code members_open(members **out, const nats_link *k, const char *cluster, int replicas,
                      err *e) ERR_CHECKED;
void members_close(members *m); /* accepts NULL */

/* members_beat puts this node's heartbeat. members_leave removes it, and the lease if this node
 * holds it. */
err_code members_beat(members *m, const member *self, err *e) ERR_CHECKED;
void members_leave(members *m, const member *self);

/* members_list writes the live nodes, by name, and leaves out any beyond MEMBERS_MAX. */
err_code members_list(members *m, member *out, size_t *count, err *e) ERR_CHECKED;

/* members_find reads the entry of one name. ERR_NOT_FOUND, with `e` unset: there is none. */
err_code members_find(members *m, const char *name, member *out, err *e) ERR_CHECKED;

/* members_lease takes the lease if it is free, or renews it. `holder` is then its holder, or "" if
 * that is not known. *held tells whether this node holds it. */
void members_lease(members *m, const member *self, char holder[CLUSTER_NODE_BYTES_MAX + 1],
                   bool *held);

#endif
