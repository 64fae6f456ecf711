/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a node's part in a cluster that its threads share. These functions take the mutex
 * and call none of the threads.
 */
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cluster/cluster_private.h"
#include "server/telemetry/clock.h"

/* A node that has been behind for so long is not ready. */
enum { LAG_SECONDS_MAX = 10 };

shared_link *cluster_link_get(cluster *c)
{
    pthread_mutex_lock(&c->mutex);
    shared_link *l = c->link;
    if (l != NULL) {
        atomic_fetch_add(&l->holders, 1);
    }
    pthread_mutex_unlock(&c->mutex);
    return l;
}

void cluster_link_put(shared_link *l)
{
    if (l != NULL && atomic_fetch_sub(&l->holders, 1) == 1) {
        natsSubscription_Destroy(l->acks_sub);
        link_close(l->k);
        natsInbox_Destroy(l->acks);
        mem_free(l);
    }
}

void cluster_set_link(cluster *c, shared_link *l)
{
    pthread_mutex_lock(&c->mutex);
    shared_link *before = c->link;
    c->link = l;
    pthread_mutex_unlock(&c->mutex);
    cluster_link_put(before);
}

/* measure updates `mark` after the position or the end of the log has changed. The caller holds the
 * mutex. */
static void measure(cluster *c)
{
    if (c->position >= c->last) {
        c->marked_ns = 0;
    } else if (c->marked_ns == 0 || c->position >= c->mark) {
        c->mark = c->last;
        c->marked_ns = clock_ns();
    }
}

void cluster_set_applied(cluster *c, const uint64_t *position, const char *stopped)
{
    pthread_mutex_lock(&c->mutex);
    c->position = position != NULL ? *position : c->position;
    snprintf(c->stopped, sizeof c->stopped, "%s", stopped);
    measure(c);
    pthread_mutex_unlock(&c->mutex);
}

void cluster_set_last(cluster *c, uint64_t last)
{
    pthread_mutex_lock(&c->mutex);
    c->last = last > c->last ? last : c->last;
    measure(c);
    pthread_mutex_unlock(&c->mutex);
}

void cluster_set_following(cluster *c, bool following, const char *problem)
{
    pthread_mutex_lock(&c->mutex);
    c->following = following;
    c->led = c->led || following;
    snprintf(c->problem, sizeof c->problem, "%s", problem);
    pthread_mutex_unlock(&c->mutex);
}

bool cluster_is_stopping(cluster *c)
{
    pthread_mutex_lock(&c->mutex);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->mutex);
    return stopping;
}

/* cluster_pause returns at once when the cluster stops. */
void cluster_pause(cluster *c, unsigned ms)
{
    struct timespec until = clock_deadline((uint64_t)ms * NS_PER_MS);
    pthread_mutex_lock(&c->mutex);
    while (!c->stopping && pthread_cond_timedwait(&c->wake, &c->mutex, &until) == 0) {
    }
    pthread_mutex_unlock(&c->mutex);
}

int cluster_replicas(cluster *c)
{
    pthread_mutex_lock(&c->mutex);
    int replicas = c->facts.replicas;
    pthread_mutex_unlock(&c->mutex);
    return replicas;
}

int64_t cluster_servers_now(cluster *c)
{
    pthread_mutex_lock(&c->mutex);
    int64_t now = c->servers_ns == 0
                      ? 0
                      : (c->servers_ns + (int64_t)(clock_ns() - c->servers_at_ns)) / NS_PER_SECOND;
    pthread_mutex_unlock(&c->mutex);
    return now;
}

bool cluster_is_news(char told[CLUSTER_TOLD], const char *text)
{
    bool news = strcmp(told, text) != 0;
    snprintf(told, CLUSTER_TOLD, "%s", text);
    return news;
}

void cluster_tell(cluster *c, cluster_status *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&c->mutex);
    out->connected = c->following && c->link != NULL && link_alive(c->link->k);
    out->led = out->connected && c->led && c->nodes_known;
    out->twin = c->twin;
    out->position = c->position;
    out->last = c->last > c->position ? c->last : c->position;
    out->lag_seconds = c->marked_ns != 0 ? 1e-9 * (double)(clock_ns() - c->marked_ns) : 0;
    out->nodes = out->connected ? c->node_count : 0;
    const char *stopped = c->stopped[0] != '\0' ? c->stopped : c->unreadable;
    out->stopped = stopped[0] != '\0';
    snprintf(out->problem, sizeof out->problem, "%s", out->stopped ? stopped : c->problem);
    pthread_mutex_unlock(&c->mutex);
    out->ready = out->lag_seconds < LAG_SECONDS_MAX && !(out->stopped && out->last > out->position);
    if (out->problem[0] == '\0' && out->twin) {
        snprintf(out->problem, sizeof out->problem,
                 "another node of the cluster has the same name: %s", c->node);
    }
    if (out->problem[0] == '\0' && !out->led) {
        snprintf(out->problem, sizeof out->problem,
                 "the cluster's log accepts no writes: it has no leader");
    }
}
