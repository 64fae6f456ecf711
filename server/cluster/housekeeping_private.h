/* SPDX-License-Identifier: Apache-2.0 */
/*
 * housekeeping_private: what the files of housekeeping share. housekeeping.c holds the thread, the
 * snapshots and the trimming; generation_share.c copies the tables of generations.
 */
#ifndef SERVER_HOUSEKEEPING_PRIVATE_H
#define SERVER_HOUSEKEEPING_PRIVATE_H

#include "server/cluster/housekeeping.h"
#include "server/cluster/parcels.h"

struct housekeeping {
    cluster *c;
    pthread_t thread;
    parcels_link link;
    json_t *index; /* the index of the blobs (parcels.h), read in this round */
    /* time since which this node has tables to upload; 0 if it has none */
    uint64_t alone_since_ns;
    /* time since which tables must be uploaded again that the holder lacks; 0 if there are none */
    uint64_t orphan_since_ns;
    uint64_t strays_ns; /* time of the last search for parts without an index entry; 0 before */
    uint32_t wanted;    /* number of the generation to activate */
    uint64_t wanted_since_ns;
    uint32_t activated;      /* number of the last generation that this process activated */
    char told[CLUSTER_TOLD]; /* the last failure logged; "" after a success */
};

/* The state of the cluster in this round, as this node knows it. */
typedef struct house_view {
    bool holder; /* this node holds the lease */
    bool level;  /* this node has applied all of the log that it knows */
    log_facts facts;
    store_info info;
    int64_t now;             /* by the servers' clock, epoch seconds; 0 if not known */
    uint64_t least_position; /* least position of the live nodes */
} house_view;

/* share_generations uploads, downloads, activates and removes tables. *clean tells that no uploaded
 * tables contain the row of an erased user. */
err_code share_generations(housekeeping *h, const house_view *v, bool *clean, err *e) ERR_CHECKED;

#endif
