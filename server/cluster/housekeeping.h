/* SPDX-License-Identifier: Apache-2.0 */
/*
 * housekeeping: a node's background work in a cluster. It has a thread and a connection of its own,
 * so that large transfers do not delay the log.
 *
 *     holder of the lease   makes snapshots by age and by growth of the log, keeps the newest
 *                           two, trims the log behind them, activates generations
 *     every node            uploads tables that only it has, downloads those that it needs
 *
 * It is harmless if two nodes hold the lease for a moment: they make one snapshot more, and
 * activation is an op, which has the same effect when repeated.
 *
 * Threading: the owner calls new and free. The thread works alone in between.
 */
#ifndef SERVER_HOUSEKEEPING_H
#define SERVER_HOUSEKEEPING_H

#include "core/common/err.h"
#include "server/cluster/cluster_private.h"

typedef struct housekeeping housekeeping;

err_code housekeeping_new(housekeeping **out, cluster *c, err *e) ERR_CHECKED;
/* housekeeping_free ends the thread. It accepts NULL. */
void housekeeping_free(housekeeping *h);

#endif
