/* SPDX-License-Identifier: Apache-2.0 */
/*
 * housekeeping: what a cluster's nodes do beside serving, in a thread with a connection of its own,
 * so that much data never stands in the way of the log.
 *
 *     whoever holds the lease   puts snapshots, by age and by the log's growth, keeps the newest
 * two, trims the log behind them, activates what wants to be active every node                puts
 * tables that only it has, fetches those that it needs
 *
 * Two holders for a moment do no harm: a second snapshot is one more, activating is an op.
 *
 * Threading: new and free by the owner; between them the thread works by itself.
 */
#ifndef SERVER_HOUSEKEEPING_H
#define SERVER_HOUSEKEEPING_H

#include "core/common/err.h"
#include "server/cluster/cluster_private.h"

typedef struct housekeeping housekeeping;

err_code housekeeping_new(housekeeping **out, cluster *c, err *e) ERR_CHECKED;
/* housekeeping_free ends the thread; accepts NULL. */
void housekeeping_free(housekeeping *h);

#endif
