/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erasures: computes when the copies outside a node's store are free of erased users.
 *
 * An erasure is an op, which every node applies to its own store. Three kinds of copies outlive it:
 * the messages of the log, the snapshots, and the blobs of generations and large writes. The node
 * with the lease replaces them (housekeeping.c, generation_share.c). The terms give the time
 * limits; the progress tells which copies have been replaced.
 *
 * Threading: one thread at a time.
 */
#ifndef SERVER_ERASURES_H
#define SERVER_ERASURES_H

#include "api/api.h"
#include "server/cluster/housekeeping_private.h"

/* erasures_look records for GET /cluster which copies are free of the users erased so far.
 * `generations` tells that all uploaded tables are. */
void erasures_look(housekeeping *h, const house_view *v, bool generations);

#endif
