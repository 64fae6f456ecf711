/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_private: what the files of a node's part in a cluster share.
 *
 * cluster.c is the object and its threads, publish.c the way into the log.
 */
#ifndef SERVER_CLUSTER_PRIVATE_H
#define SERVER_CLUSTER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/cluster/cluster.h"
#include "server/cluster/link.h"
#include "server/cluster/log_stream.h"
#include "server/runtime/writer_log.h"

/* A link that several threads use; closed by the last. */
typedef struct shared_link {
    atomic_uint holders;
    nats_link *k;
    natsInbox *acks; /* where acknowledgements go */
    natsSubscription *acks_sub;
} shared_link;

struct cluster {
    /* immutable once started */
    cluster_setup setup;
    replicated_log log;
    log_identity identity;
    char node[CLUSTER_NODE_BYTES_MAX + 1];
    char subject[LOG_NAME_MAX];
    store *store;
    writer *writer;
    pthread_t follow_thread, watch_thread;
    bool started;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the end */
    bool stopping;
    shared_link *link; /* NULL: none */
    bool following;    /* the log is being read */
    bool led;
    uint64_t position, last;
    uint64_t mark, marked_ns; /* the log was seen to reach `mark` then, and it is not applied yet;
                                 0: not behind */
    char problem[256];        /* why the log is not read */
    char stopped[128];        /* why nothing is applied */
    /* atomic */
    atomic_uint_fast64_t full_until_ns; /* the log refused a message for want of room */
    /* the follow thread alone */
    uint64_t delivered; /* position of the last message that the writer has */
    struct {
        metric_series *connected, *lag_ops, *lag_seconds, *stopped, *publish, *nodes;
    } gauges;
};

/* cluster_link_get borrows the link; NULL: there is none. */
shared_link *cluster_link_get(cluster *c);
void cluster_link_put(shared_link *l);

/* publish_listen subscribes to the acknowledgements of messages that are sent on this link. */
err_code publish_listen(cluster *c, shared_link *l, err *e) ERR_CHECKED;

/* The functions of replicated_log. */
void publish_message(void *ctx, uint64_t number, slice bytes);
size_t publish_bytes_max(void *ctx);

#endif
