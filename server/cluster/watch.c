/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: the thread that watches the log and the other nodes. It checks that the log has a leader,
 * how long it is, which nodes live, that no other process has this node's name, and which node
 * holds the lease.
 */
#include <stdio.h>
#include <string.h>

#include "server/cluster/cluster_private.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/version.h"
#include "storage/log/op.h"

/* A twin is another process whose heartbeats continue. TWIN_MS is long enough for those of a
 * process that died to stop. */
enum { WATCH_MS = 500, WATCH_LEADERLESS_MS = 100, TWIN_MS = 2500, TWIN_STEP_MS = 250 };

static const uint64_t BEAT_NS = NS_PER_SECOND, LEASE_NS = 2ULL * NS_PER_SECOND,
                      LEASE_SURE_NS = 8ULL * NS_PER_SECOND;

/* --- this node ------------------------------------------------------------------------------- */

static void describe(cluster *c, member *out)
{
    log_node node = {0};
    cluster_status status;
    cluster_tell(c, &status);
    c->host.tell(c->host.ctx, &node);
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", c->node);
    snprintf(out->place, sizeof out->place, "%s", c->place);
    snprintf(out->version, sizeof out->version, "%s", STAIR_VERSION);
    for (size_t i = 0; i < PUBLISHER_BYTES; i++) {
        snprintf(out->incarnation + 2 * i, 3, "%02x", c->log.publisher[i]);
    }
    out->op_version = OP_VERSION;
    out->seq = node.seq;
    out->position = status.position;
    out->active = node.active;
    out->serving = node.serving;
    out->warmed = node.warmed;
    out->lag_seconds = status.lag_seconds;
    out->ready = status.ready;
}

/* --- the buckets ------------------------------------------------------------------------------ */

static void close_members(cluster *c)
{
    members_close(c->members);
    c->members = NULL;
    cluster_link_put(c->members_link);
    c->members_link = NULL;
}

/* open_members binds the buckets to the current link. */
static err_code open_members(cluster *c, shared_link *l, int replicas, err *e)
{
    if (c->members != NULL && c->members_link == l) {
        return ERR_OK;
    }
    close_members(c);
    err_code code = members_open(&c->members, l->k, c->setup.options->name, replicas, e);
    if (code == ERR_OK) {
        atomic_fetch_add(&l->holders, 1);
        c->members_link = l;
    }
    return code;
}

/* has_twin tells whether another process uses this node's name. Once this node has sent a
 * heartbeat, an entry of its name that it did not write belongs to a twin. */
static bool has_twin(const cluster *c, const member *self, const member *list, size_t count)
{
    for (size_t i = 0; c->beaten && i < count; i++) {
        if (strcmp(list[i].name, self->name) == 0 &&
            strcmp(list[i].incarnation, self->incarnation) != 0) {
            return true;
        }
    }
    return false;
}

/* read_clock reads the servers' clock from the newest heartbeat. The caller holds the mutex. */
static void read_clock(cluster *c)
{
    int64_t newest = 0;
    for (size_t i = 0; i < c->node_count; i++) {
        newest = c->nodes[i].stored_ns > newest ? c->nodes[i].stored_ns : newest;
    }
    if (newest != 0) {
        c->servers_ns = newest;
        c->servers_at_ns = clock_ns();
    }
}

static err_code look_at_nodes(cluster *c, const member *self, err *e)
{
    member list[MEMBERS_MAX];
    size_t count = 0;
    err_code code = members_list(c->members, list, &count, e);
    if (code != ERR_OK) {
        return code;
    }
    bool twin = has_twin(c, self, list, count);
    pthread_mutex_lock(&c->mutex);
    bool told = c->twin;
    memcpy(c->nodes, list, count * sizeof list[0]);
    c->node_count = count;
    c->nodes_known = true;
    read_clock(c);
    c->twin = twin;
    pthread_mutex_unlock(&c->mutex);
    if (twin && !told) {
        log_event(LOG_ERROR, "cluster_name_taken", log_text("node", c->node));
    }
    return ERR_OK;
}

static void keep_lease(cluster *c, const member *self, uint64_t now)
{
    char holder[CLUSTER_NODE_BYTES_MAX + 1];
    bool held = false;
    if (c->lease_ns != 0 && now < c->lease_ns + LEASE_NS) {
        return;
    }
    c->lease_ns = now;
    members_lease(c->members, self, holder, &held);
    pthread_mutex_lock(&c->mutex);
    bool before = c->lease_until_ns != 0;
    c->lease_until_ns = held ? now + LEASE_SURE_NS : 0;
    memcpy(c->holder, holder, sizeof holder);
    pthread_mutex_unlock(&c->mutex);
    if (held != before) {
        log_event(LOG_INFO, held ? "lease_taken" : "lease_lost");
    }
}

static void look_after_nodes(cluster *c, shared_link *l, int replicas)
{
    err e = ERR_INIT;
    member self;
    uint64_t now = clock_ns();
    if (c->beat_ns != 0 && now < c->beat_ns + BEAT_NS) {
        return;
    }
    c->beat_ns = now;
    describe(c, &self);
    err_code code = open_members(c, l, replicas, &e);
    code = code == ERR_OK ? look_at_nodes(c, &self, &e) : code;
    code = code == ERR_OK ? members_beat(c->members, &self, &e) : code;
    if (code != ERR_OK) {
        if (cluster_is_news(c->told, e.text)) {
            log_event(LOG_WARN, "cluster_nodes_unknown", log_text("error", e.text));
        }
        close_members(c);
        return;
    }
    c->told[0] = '\0';
    c->beaten = true;
    keep_lease(c, &self, now);
}

/* --- the log ---------------------------------------------------------------------------------- */

bool watch_once(cluster *c)
{
    log_facts facts = {0};
    shared_link *l = cluster_link_get(c);
    const char *name = c->setup.options->name;
    bool led = l != NULL && (c->led_before || log_stream_is_led(l->k, name)) &&
               log_stream_read(l->k, name, NULL, &facts, NULL) == ERR_OK && facts.led;
    c->led_before = led;
    pthread_mutex_lock(&c->mutex);
    c->led = led;
    c->facts = led ? facts : c->facts;
    pthread_mutex_unlock(&c->mutex);
    if (led) {
        cluster_set_last(c, facts.last);
        look_after_nodes(c, l, facts.replicas);
    }
    cluster_link_put(l);
    return led;
}

err_code watch_name(cluster *c, err *e)
{
    member self, first, now;
    shared_link *l = cluster_link_get(c);
    describe(c, &self);
    err_code code = open_members(c, l, c->facts.replicas, e);
    cluster_link_put(l);
    code = code == ERR_OK ? members_find(c->members, c->node, &first, e) : code;
    if (code != ERR_OK || strcmp(first.place, self.place) == 0) {
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    }
    for (unsigned waited = 0; waited < TWIN_MS && code == ERR_OK; waited += TWIN_STEP_MS) {
        cluster_pause(c, TWIN_STEP_MS);
        code = members_find(c->members, c->node, &now, e);
        if (code == ERR_OK && now.revision != first.revision) {
            return err_set(
                e, ERR_CONFLICT,
                "another node of the cluster is called %s: give each node its own cluster_node",
                c->node);
        }
    }
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

void *watch_main(void *argument)
{
    cluster *c = argument;
    pthread_setname_np(pthread_self(), "cluster-watch");
    while (!cluster_is_stopping(c)) {
        cluster_pause(c, watch_once(c) ? WATCH_MS : WATCH_LEADERLESS_MS);
    }
    nats_ReleaseThreadMemory();
    return NULL;
}

void watch_end(cluster *c)
{
    if (c->members != NULL && c->beaten && link_alive(c->members_link->k)) {
        member self;
        describe(c, &self);
        members_leave(c->members, &self);
    }
    close_members(c);
}
