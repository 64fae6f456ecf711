/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_private: what the files of a node's part in a cluster share.
 *
 * cluster.c is the object and the thread that follows the log, watch.c the thread that looks after
 * the log and the other nodes, publish.c the way into the log.
 */
#ifndef SERVER_CLUSTER_PRIVATE_H
#define SERVER_CLUSTER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/cluster/cluster.h"
#include "server/cluster/link.h"
#include "server/cluster/log_stream.h"
#include "server/cluster/members.h"
#include "server/runtime/writer_log.h"

enum { CLUSTER_TOLD = ERR_TEXT_MAX };

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
    char place[INCARNATION_TEXT]; /* hash of host and folder */
    char subject[LOG_NAME_MAX];
    log_host host;
    pthread_t follow_thread, watch_thread;
    bool started;
    struct housekeeping *house;
    struct large *large;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the end */
    bool stopping;
    shared_link *link; /* NULL: none */
    bool following;    /* the log is being read */
    bool led;
    uint64_t position, last;
    uint64_t mark, marked_ns;  /* the log was seen to reach `mark` then, and it is not applied yet;
                                  0: not behind */
    char problem[256];         /* why the log is not read */
    char stopped[128];         /* why nothing is applied */
    char unreadable[128];      /* why the next message cannot be read */
    log_facts facts;           /* of the log, when it was last asked for */
    member nodes[MEMBERS_MAX]; /* (node_count) that live, as far as is known */
    size_t node_count;
    bool nodes_known, twin;                  /* twin: another process has this node's name */
    char holder[CLUSTER_NODE_BYTES_MAX + 1]; /* of the lease; "": not known */
    uint64_t lease_until_ns;                 /* this node holds it until then; 0: it does not */
    /* atomic */
    atomic_uint_fast64_t full_until_ns; /* the log refused a message for want of room */
    /* the watch thread alone */
    members *members; /* NULL: not open */
    shared_link *members_link;
    uint64_t beat_ns, lease_ns;
    bool beaten;
    char told[CLUSTER_TOLD]; /* why the nodes are not known, as it was logged; "": they are */
    /* the follow thread alone */
    uint64_t delivered; /* position of the last message that the writer has */
    struct {
        metric_series *connected, *lag_ops, *lag_seconds, *stopped, *publish, *nodes;
    } gauges;
};

/* cluster_set_last notes how long the log is; cluster_pause waits, or returns at the end at once.
 */
void cluster_set_last(cluster *c, uint64_t last);
void cluster_pause(cluster *c, unsigned ms);
bool cluster_is_stopping(cluster *c);

/* cluster_replicas gives how many servers keep the log, as far as is known. */
int cluster_replicas(cluster *c);

/* cluster_is_news tells whether the text differs from what was told last, and notes it: what fails
 * again and again is logged once. The caller clears `told` when all is well again. */
bool cluster_is_news(char told[CLUSTER_TOLD], const char *text);

/* watch_main is the watch thread; watch_once looks once, watch_name refuses with ERR_CONFLICT a
 * name that another node has. Both before the threads start. */
void *watch_main(void *cluster);
void watch_once(cluster *c);
err_code watch_name(cluster *c, err *e) ERR_CHECKED;
/* watch_end takes this node from the list; after the thread's end. */
void watch_end(cluster *c);

/* cluster_link_get borrows the link; NULL: there is none. */
shared_link *cluster_link_get(cluster *c);
void cluster_link_put(shared_link *l);

/* publish_listen subscribes to the acknowledgements of messages that are sent on this link. */
err_code publish_listen(cluster *c, shared_link *l, err *e) ERR_CHECKED;

/* The functions of replicated_log; publish_message sends what one message takes. */
void publish_bytes(void *ctx, uint64_t number, slice bytes);
void publish_message(void *ctx, uint64_t number, slice bytes);
size_t publish_bytes_max(void *ctx);

#endif
