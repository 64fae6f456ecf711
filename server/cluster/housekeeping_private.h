/* SPDX-License-Identifier: Apache-2.0 */
/*
 * housekeeping_private: what the files of a node's housekeeping share. housekeeping.c is the
 * thread, with snapshots and trimming; generation_share.c the tables of generations.
 */
#ifndef SERVER_HOUSEKEEPING_PRIVATE_H
#define SERVER_HOUSEKEEPING_PRIVATE_H

#include "server/cluster/housekeeping.h"
#include "server/cluster/parcels.h"

struct housekeeping {
    cluster *c;
    pthread_t thread;
    parcels_link link;
    json_t *index;           /* as read in this round */
    uint64_t alone_since_ns; /* tables lie here that are not beside the log; 0: none do */
    uint32_t wanted;         /* generation that wants to be active */
    uint64_t wanted_since_ns;
    uint32_t activated;      /* the last that this process activated */
    char told[CLUSTER_TOLD]; /* the last failure that was logged; "": all is well */
};

/* What the other nodes know of this one, in this round. */
typedef struct house_view {
    bool holder; /* this node has the lease */
    bool level;  /* it has applied all of the log that is known */
    log_facts facts;
    uint64_t least_position; /* of the nodes that live */
} house_view;

/* share_generations puts, fetches, activates and forgets tables. */
err_code share_generations(housekeeping *h, const house_view *v, err *e) ERR_CHECKED;

#endif
