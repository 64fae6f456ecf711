/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_private: what the files of server/cluster share.
 *
 * cluster.c makes the object, starts the threads and answers the engine. follow.c holds the thread
 * that follows the log, watch.c the one that watches the log and the other nodes. publish.c sends
 * messages to the log. All call cluster_state.c, which calls none of them.
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

/* Tells which copies outside the nodes' stores are free of the users who were erased up to
 * `seq`. */
typedef struct erasure_progress {
    uint64_t seq; /* seq of the last erasure; 0 if there was none */
    /* true: the copies in the log, in the snapshots, in the generations are free of them */
    bool log, snapshots, generations;
} erasure_progress;

/* A link that several threads use. The last holder closes it. */
typedef struct shared_link {
    atomic_uint holders;
    nats_link *k;
    natsInbox *acks; /* the inbox that receives JetStream's acknowledgements */
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
    pthread_cond_t wake; /* signalled when the cluster stops */
    bool stopping;
    shared_link *link; /* NULL if there is none */
    bool following;    /* the log is being read */
    bool led;
    uint64_t position, last; /* in the log: of this store, and of the last message */
    /* `mark` is an end of the log that the store has not reached since `marked_ns`; 0 if it is not
     * behind */
    uint64_t mark, marked_ns;
    char problem[256];         /* why the log is not read */
    char stopped[128];         /* why nothing is applied */
    char unreadable[128];      /* why the next message cannot be read */
    log_facts facts;           /* state of the log's stream when it was last read */
    member nodes[MEMBERS_MAX]; /* (node_count) live nodes, as far as is known */
    size_t node_count;
    bool nodes_known, twin;                  /* twin: another process has this node's name */
    char holder[CLUSTER_NODE_BYTES_MAX + 1]; /* name of the node with the lease; "" if not known */
    /* when this node's lease expires; 0 if it holds none */
    uint64_t lease_until_ns;
    int64_t servers_ns;     /* the servers' clock at the last reading, since the epoch; 0 before */
    uint64_t servers_at_ns; /* this node's clock at that reading */
    erasure_progress erasure;
    /* atomic */
    /* writes are refused until then, because the log was full */
    atomic_uint_fast64_t full_until_ns;
    /* used by the watch thread alone */
    members *members; /* the list of nodes and the lease; NULL while not open */
    shared_link *members_link;
    /* when this node last wrote its heartbeat, and asked for the lease; 0 before */
    uint64_t beat_ns, lease_ns;
    bool beaten, led_before;
    /* why the nodes are not known, as last logged; "" while they are known */
    char told[CLUSTER_TOLD];
    /* used by the follow thread alone */
    uint64_t delivered; /* position of the last message handed to the writer */
    bool known;         /* the log was found to be this store's, over an earlier link */
    struct {
        metric_series *connected, *lag_ops, *lag_seconds, *stopped, *publish, *nodes, *overdue;
    } gauges;
};

/* cluster_set_applied records the store's position in the log (NULL: unchanged), and why the next
 * messages cannot be applied ("": they can). */
void cluster_set_applied(cluster *c, const uint64_t *position, const char *stopped);

/* cluster_set_last records the log's last position. cluster_pause waits; it returns at once when
 * the cluster stops. */
void cluster_set_last(cluster *c, uint64_t last);
void cluster_pause(cluster *c, unsigned ms);
bool cluster_is_stopping(cluster *c);

/* cluster_replicas returns how many servers keep the log, as far as is known. */
int cluster_replicas(cluster *c);

/* cluster_servers_now returns the time of the NATS servers' clock in epoch seconds, a second or two
 * late, or 0 if it is not known. Ages of blobs and messages are measured only by this clock, so a
 * wrong clock of a node does no harm. */
int64_t cluster_servers_now(cluster *c);

/* cluster_is_news tells whether the text differs from the last one in `told`, and stores it there.
 * A failure that repeats is thus logged once. The caller clears `told` after a success. */
bool cluster_is_news(char told[CLUSTER_TOLD], const char *text);

/* cluster_metrics_declare adds the cluster's metrics to the service's. */
err_code cluster_metrics_declare(cluster *c, err *e) ERR_CHECKED;

/* watch_main is the watch thread. Before the threads start, watch_once runs one round, and
 * watch_name refuses with ERR_CONFLICT a name that another node has. */
void *watch_main(void *cluster);
bool watch_once(cluster *c);
err_code watch_name(cluster *c, err *e) ERR_CHECKED;
/* watch_end removes this node from the list of nodes. Call it after the thread has ended. */
void watch_end(cluster *c);

/* follow_main is the function of the follow thread. follow_connect opens the link; it refuses the
 * log of another store with ERR_CONFLICT. It may be called before the threads start. */
void *follow_main(void *cluster);
err_code follow_connect(cluster *c, err *e) ERR_CHECKED;
void cluster_set_following(cluster *c, bool following, const char *problem);

/* cluster_set_link takes ownership of the link and releases the previous one. */
void cluster_set_link(cluster *c, shared_link *l);

/* cluster_link_get takes a reference to the link, or returns NULL if there is none.
 * cluster_link_put releases it. */
shared_link *cluster_link_get(cluster *c);
void cluster_link_put(shared_link *l);

/* publish_listen subscribes to the acknowledgements of messages that are sent over this link. */
err_code publish_listen(cluster *c, shared_link *l, err *e) ERR_CHECKED;

/* publish_message sends a message that fits into one message of NATS, which takes up to
 * publish_bytes_max bytes (a function of replicated_log: `ctx` is the cluster). */
void publish_message(cluster *c, uint64_t number, slice bytes);
size_t publish_bytes_max(void *ctx);

#endif
