/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "server/cluster/cluster_private.h"
#include "server/cluster/housekeeping.h"
#include "server/cluster/identity.h"
#include "server/cluster/large.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/env/sha256.h"

/* A node that is more than BEHIND_MAX messages behind admits no writes: it would read them back too
 * late. */
enum { BEHIND_MAX = 4096 };

/* --- what the engine asks ------------------------------------------------------------------- */

/* The caller holds the mutex. */
static unsigned oldest_reader(const cluster *c)
{
    unsigned least = OP_VERSION;
    for (size_t i = 0; i < c->node_count; i++) {
        least = c->nodes[i].op_version < least ? c->nodes[i].op_version : least;
    }
    return least;
}

static unsigned on_version(void *ctx)
{
    cluster *c = ctx;
    pthread_mutex_lock(&c->mutex);
    unsigned least = oldest_reader(c);
    pthread_mutex_unlock(&c->mutex);
    return least;
}

static void on_publish(void *ctx, uint64_t number, slice bytes)
{
    cluster *c = ctx;
    if (bytes.length > publish_bytes_max(c) && c->large != NULL) {
        large_send(c->large, number, bytes);
    } else {
        publish_message(c, number, bytes);
    }
}

static err_code on_admit(void *ctx, err *e)
{
    cluster *c = ctx;
    err_code code = ERR_OK;
    pthread_mutex_lock(&c->mutex);
    if (!c->following || c->link == NULL || !link_alive(c->link->k)) {
        code =
            err_set(e, ERR_UNAVAILABLE, "the cluster's log cannot be reached; nothing was written");
    } else if (!c->led) {
        code = err_set(
            e, ERR_UNAVAILABLE,
            "the cluster's log has no leader, so it accepts no writes; nothing was written");
    } else if (!c->nodes_known) {
        code = err_set(e, ERR_UNAVAILABLE,
                       "the cluster's nodes are not known yet; nothing was written");
    } else if (oldest_reader(c) < OP_VERSION_OLDEST) {
        code = err_set(e, ERR_UNAVAILABLE,
                       "a node of the cluster reads writes only up to version %u, but this node "
                       "makes versions %d to %d; nothing was written",
                       oldest_reader(c), OP_VERSION_OLDEST, OP_VERSION);
    } else if (c->last > c->position + BEHIND_MAX) {
        code = err_set(e, ERR_UNAVAILABLE,
                       "this node is %" PRIu64
                       " messages behind the cluster's log; nothing was written",
                       c->last - c->position);
    } else if (clock_ns() < atomic_load(&c->full_until_ns)) {
        code = err_set(e, ERR_FULL, "the cluster's log is full");
    }
    pthread_mutex_unlock(&c->mutex);
    return code;
}

static void on_applied(void *ctx, slice position, const char *stopped)
{
    uint64_t at = 0;
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)position.length, position.at);
    bool known = log_position_read(text, &at);
    cluster_set_applied(ctx, known ? &at : NULL, stopped);
}

static void on_confirmed(void *ctx, double seconds)
{
    metric_observe(((cluster *)ctx)->gauges.publish, seconds);
}

/* If one thread does not start, on_stop joins the other. */
static err_code start_threads(cluster *c, err *e)
{
    int failed = pthread_create(&c->follow_thread, NULL, follow_main, c);
    if (failed != 0) {
        return err_set(e, ERR_IO, "the cluster's thread: %s", strerror(failed));
    }
    failed = pthread_create(&c->watch_thread, NULL, watch_main, c);
    if (failed != 0) {
        pthread_mutex_lock(&c->mutex);
        c->stopping = true;
        pthread_cond_broadcast(&c->wake);
        pthread_mutex_unlock(&c->mutex);
        pthread_join(c->follow_thread, NULL);
        return err_set(e, ERR_IO, "the cluster's thread: %s", strerror(failed));
    }
    c->started = true;
    /* if either fails, on_stop ends the threads above */
    err_code made = large_new(&c->large, c, e);
    return made == ERR_OK ? housekeeping_new(&c->house, c, e) : made;
}

/* The place identifies this host and folder. A store has one owner, so two processes of one place
 * never run at the same time. */
static void set_place(cluster *c)
{
    char text[PATH_MAX + 256] = "", path[PATH_MAX];
    unsigned char sum[SHA256_BYTES];
    (void)gethostname(text, 255);
    size_t length = strlen(text);
    const char *dir = store_dir(c->host.store);
    snprintf(text + length, sizeof text - length, "/%s", realpath(dir, path) != NULL ? path : dir);
    if (sha256(slice_of(text), sum, NULL) != ERR_OK) {
        /* without a place, a predecessor that died counts as a twin until its heartbeat expires */
        return;
    }
    for (size_t i = 0; i < (INCARNATION_TEXT - 1) / 2; i++) {
        snprintf(c->place + 2 * i, 3, "%02x", sum[i]);
    }
}

static err_code on_start(void *ctx, const log_host *host, err *e)
{
    cluster *c = ctx;
    store_info info;
    err why = ERR_INIT;
    c->host = *host;
    err_code code = store_stat(host->store, &info, e);
    if (code == ERR_OK && !log_position_read(info.external, &c->delivered)) {
        code = err_set(e, ERR_CONFLICT,
                       "this store belongs to no cluster: create one with stair cluster init, or "
                       "fill an empty folder from one with stair cluster join");
    }
    if (code != ERR_OK) {
        return code;
    }
    store_lineage_text(info.lineage, c->identity.lineage);
    c->position = c->delivered;
    set_place(c);
    code = follow_connect(c, &why);
    code = code == ERR_OK ? watch_name(c, &why) : code;
    if (code == ERR_OK) {
        (void)watch_once(c);
    }
    if (code == ERR_UNAVAILABLE) {
        log_event(LOG_WARN, "cluster_not_following", log_text("error", why.text));
        cluster_set_following(c, false, why.text);
        code = ERR_OK;
    }
    return code == ERR_OK ? start_threads(c, e) : err_set(e, code, "%s", why.text);
}

static void on_stop(void *ctx)
{
    cluster *c = ctx;
    pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->mutex);
    housekeeping_free(c->house);
    large_free(c->large);
    c->house = NULL;
    c->large = NULL;
    if (c->started) {
        pthread_join(c->follow_thread, NULL);
        pthread_join(c->watch_thread, NULL);
        c->started = false;
    }
    watch_end(c);
    cluster_set_link(c, NULL);
}

/* --- life ------------------------------------------------------------------------------------- */

/* The incarnation hashes the node's name with random bytes, so that one node with a wrong clock
 * counts once. */
static err_code make_incarnation(const char *node, unsigned char out[PUBLISHER_BYTES], err *e)
{
    unsigned char digest[SHA256_BYTES];
    err_code code = sha256(slice_of(node), digest, e);
    if (code != ERR_OK) {
        return code;
    }
    memcpy(out, digest, PUBLISHER_NODE_BYTES);
    for (size_t have = PUBLISHER_NODE_BYTES; have < PUBLISHER_BYTES;) {
        ssize_t got = getrandom(out + have, PUBLISHER_BYTES - have, 0);
        if (got < 0 && errno != EINTR) {
            return err_set(e, ERR_IO, "random bytes: %s", strerror(errno));
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return ERR_OK;
}

static bool on_keeps_house(void *ctx)
{
    cluster *c = ctx;
    pthread_mutex_lock(&c->mutex);
    bool holds = c->lease_until_ns > clock_ns();
    pthread_mutex_unlock(&c->mutex);
    return holds;
}

err_code cluster_new(cluster **out, const cluster_setup *setup, err *e)
{
    *out = NULL;
    cluster *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "the cluster");
    }
    pthread_mutex_init(&c->mutex, NULL);
    clock_cond_init(&c->wake);
    c->setup = *setup;
    c->log = (replicated_log){.ctx = c,
                              .start = on_start,
                              .stop = on_stop,
                              .admit = on_admit,
                              .version = on_version,
                              .bytes_max = publish_bytes_max,
                              .publish = on_publish,
                              .applied = on_applied,
                              .keeps_house = on_keeps_house,
                              .confirmed = on_confirmed};
    log_stream_subject(setup->options->name, c->subject);
    err_code code = identity_set(&c->identity, setup->interaction_types, setup->encoder, e);
    code = code == ERR_OK ? identity_node(setup->options, c->node, e) : code;
    code = code == ERR_OK ? make_incarnation(c->node, c->log.publisher, e) : code;
    code = code == ERR_OK ? cluster_metrics_declare(c, e) : code;
    if (code != ERR_OK) {
        cluster_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void cluster_free(cluster *c)
{
    if (c != NULL) {
        link_end();
        pthread_mutex_destroy(&c->mutex);
        pthread_cond_destroy(&c->wake);
        mem_free(c);
    }
}

const replicated_log *cluster_log(cluster *c)
{
    return &c->log;
}
