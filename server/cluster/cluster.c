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
#include "server/cluster/feed.h"
#include "server/cluster/housekeeping.h"
#include "server/cluster/identity.h"
#include "server/cluster/large.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/env/sha256.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MOST_MS = 1000, PAUSE_REFUSED_MS = 2000 };

/* A node that is more than BEHIND_MAX messages behind admits no writes: it would read them back too
 * late. A node that has been behind for LAG_SECONDS_MAX is not ready. */
enum { BEHIND_MAX = 4096, LAG_SECONDS_MAX = 10 };

/* --- state -------------------------------------------------------------------------------- */

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

static void set_link(cluster *c, shared_link *l)
{
    pthread_mutex_lock(&c->mutex);
    shared_link *before = c->link;
    c->link = l;
    pthread_mutex_unlock(&c->mutex);
    cluster_link_put(before);
}

/* The caller holds the mutex. */
static void measure(cluster *c)
{
    if (c->position >= c->last) {
        c->marked_ns = 0;
    } else if (c->marked_ns == 0 || c->position >= c->mark) {
        c->mark = c->last;
        c->marked_ns = clock_ns();
    }
}

void cluster_set_last(cluster *c, uint64_t last)
{
    pthread_mutex_lock(&c->mutex);
    c->last = last > c->last ? last : c->last;
    measure(c);
    pthread_mutex_unlock(&c->mutex);
}

static void set_following(cluster *c, bool following, const char *problem)
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

/* --- the follow thread --------------------------------------------------------------------- */

/* connect_log opens a link and checks that the log belongs to this store. */
static err_code connect_log(cluster *c, err *e)
{
    shared_link *l = mem_array(1, sizeof *l);
    log_identity id;
    log_facts facts;
    if (l == NULL) {
        return err_nomem(e, "a connection");
    }
    atomic_init(&l->holders, 1);
    err_code code = link_open(&l->k, c->setup.options, LINK_ASK_MS, e);
    if (code != ERR_OK) {
        mem_free(l);
        return code;
    }
    code = log_stream_read(l->k, c->setup.options->name, &id, &facts, e);
    code = code == ERR_OK ? log_stream_expect(&c->identity, c->delivered, &id, &facts, e) : code;
    code = code == ERR_OK ? publish_listen(c, l, e) : code;
    if (code != ERR_OK) {
        cluster_link_put(l);
        return code;
    }
    pthread_mutex_lock(&c->mutex);
    c->facts = facts;
    pthread_mutex_unlock(&c->mutex);
    log_event(LOG_INFO, "cluster_connected", log_text("server", l->k->server),
              log_int("position", c->delivered), log_int("last", facts.last));
    cluster_set_last(c, facts.last);
    set_link(c, l);
    return ERR_OK;
}

/* A message that this version cannot read remains the next message to apply. */
static void note_unreadable(cluster *c, err_code code, const char *why)
{
    bool unreadable = code == ERR_CONFLICT || code == ERR_CORRUPT;
    pthread_mutex_lock(&c->mutex);
    snprintf(c->unreadable, sizeof c->unreadable, "%s", unreadable ? why : "");
    pthread_mutex_unlock(&c->mutex);
}

static err_code hand_over(cluster *c, const nats_link *k, const feed_message *m, err *e)
{
    slice fetched = {NULL, 0};
    char position[24];
    snprintf(position, sizeof position, "%" PRIu64, m->sequence);
    cluster_set_last(c, m->sequence + m->pending);
    err_code code = large_named(m->bytes) ? large_fetch(c, k, m->bytes, &fetched, e) : ERR_OK;
    slice bytes = fetched.at != NULL ? fetched : m->bytes;
    code = code == ERR_OK ? writer_deliver(c->host.writer, bytes, slice_of(position), e) : code;
    mem_free((char *)(uintptr_t)fetched.at);
    note_unreadable(c, code, e->text);
    if (code == ERR_OK) {
        c->delivered = m->sequence;
    }
    return code;
}

/* follow reads the log until it fails or the cluster stops. */
static err_code follow(cluster *c, const nats_link *k, err *e)
{
    feed *f = NULL;
    char stream[LOG_NAME_MAX];
    log_stream_name(c->setup.options->name, stream);
    const feed_from from = {
        .stream = stream, .subject = c->subject, .position = c->delivered, .whole = true};
    err_code code = feed_open(&f, k, &from, e);
    if (code != ERR_OK) {
        return code;
    }
    set_following(c, true, "");
    writer_resend(c->host.writer);
    while (code == ERR_OK && !cluster_is_stopping(c)) {
        feed_message m;
        code = feed_next(f, &m, e);
        if (code == ERR_OK && m.owned != NULL) {
            code = hand_over(c, k, &m, e);
            feed_message_free(&m);
        }
    }
    feed_close(f);
    return code;
}

static err_code session(cluster *c, err *e)
{
    shared_link *l = cluster_link_get(c);
    if (l != NULL && !link_alive(l->k)) {
        cluster_link_put(l);
        l = NULL;
        set_link(c, NULL);
    }
    err_code code = ERR_OK;
    if (l == NULL) {
        code = connect_log(c, e);
        l = code == ERR_OK ? cluster_link_get(c) : NULL;
    }
    code = code == ERR_OK ? follow(c, l->k, e) : code;
    cluster_link_put(l);
    return code;
}

static void *follow_main(void *argument)
{
    cluster *c = argument;
    unsigned pause = 0;
    char told[CLUSTER_TOLD] = "";
    pthread_setname_np(pthread_self(), "cluster");
    while (!cluster_is_stopping(c)) {
        err e = ERR_INIT;
        uint64_t before = c->delivered, began = clock_ns();
        err_code code = session(c, &e);
        if (code == ERR_OK) {
            continue;
        }
        set_following(c, false, e.text);
        bool lasted = c->delivered != before || clock_ns() - began > NS_PER_SECOND;
        if (c->delivered != before) {
            told[0] = '\0'; /* messages were read since the last failure: this is a new outage */
        }
        if (!cluster_is_stopping(c) && cluster_is_news(told, e.text)) {
            log_event(code == ERR_UNAVAILABLE ? LOG_WARN : LOG_ERROR, "cluster_not_following",
                      log_text("error", e.text));
        }
        pause = code != ERR_UNAVAILABLE     ? PAUSE_REFUSED_MS
                : lasted                    ? 0
                : pause == 0                ? PAUSE_FIRST_MS
                : 2 * pause < PAUSE_MOST_MS ? 2 * pause
                                            : PAUSE_MOST_MS;
        cluster_pause(c, pause);
    }
    nats_ReleaseThreadMemory();
    return NULL;
}

/* --- what the engine asks ------------------------------------------------------------------- */

/* oldest_reader returns the newest version of ops that every node can read. The caller holds the
 * mutex. */
static unsigned oldest_reader(const cluster *c)
{
    unsigned least = OP_VERSION;
    for (size_t i = 0; i < c->node_count; i++) {
        least = c->nodes[i].op_version < least ? c->nodes[i].op_version : least;
    }
    return least;
}

static err_code on_admit(void *ctx, err *e)
{
    cluster *c = ctx;
    err_code code = ERR_OK;
    pthread_mutex_lock(&c->mutex);
    if (!c->following || c->link == NULL || !link_alive(c->link->k)) {
        code =
            err_set(e, ERR_UNAVAILABLE, "the cluster's log is out of reach; nothing was written");
    } else if (!c->led) {
        code =
            err_set(e, ERR_UNAVAILABLE,
                    "the cluster's log has no leader, so it takes no writes; nothing was written");
    } else if (!c->nodes_known) {
        code = err_set(e, ERR_UNAVAILABLE,
                       "the cluster's nodes are not known yet; nothing was written");
    } else if (oldest_reader(c) < OP_VERSION) {
        code =
            err_set(e, ERR_UNAVAILABLE,
                    "a node of the cluster reads writes up to version %u, this one makes version "
                    "%d; nothing was written",
                    oldest_reader(c), OP_VERSION);
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
    cluster *c = ctx;
    uint64_t at = 0;
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)position.length, position.at);
    bool known = log_position_read(text, &at);
    pthread_mutex_lock(&c->mutex);
    c->position = known ? at : c->position;
    snprintf(c->stopped, sizeof c->stopped, "%s", stopped);
    measure(c);
    pthread_mutex_unlock(&c->mutex);
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
        code = err_set(
            e, ERR_CONFLICT,
            "this store belongs to no cluster: stair cluster init makes it the first of one, "
            "stair cluster join fills an empty folder from one");
    }
    if (code != ERR_OK) {
        return code;
    }
    store_lineage_text(info.lineage, c->identity.lineage);
    c->position = c->delivered;
    set_place(c);
    code = connect_log(c, &why);
    code = code == ERR_OK ? watch_name(c, &why) : code;
    if (code == ERR_OK) {
        watch_once(c);
    }
    if (code == ERR_UNAVAILABLE) {
        log_event(LOG_WARN, "cluster_not_following", log_text("error", why.text));
        set_following(c, false, why.text);
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
    set_link(c, NULL);
}

/* --- metrics --------------------------------------------------------------------------------- */

static const metric_info info_connected = {.name = "stair_cluster_connected",
                                           .help = "1 while this node reads the cluster's log.",
                                           .kind = METRIC_GAUGE};
static const metric_info info_lag_ops = {
    .name = "stair_cluster_lag_ops",
    .help = "Messages of the cluster's log that this node has not applied.",
    .kind = METRIC_GAUGE};
static const metric_info info_lag_seconds = {
    .name = "stair_cluster_lag_seconds",
    .help = "Since this node had last applied all of the cluster's log; 0: it has.",
    .kind = METRIC_GAUGE};
static const metric_info info_stopped = {
    .name = "stair_cluster_apply_stopped",
    .help = "1 while a message of the cluster's log cannot be applied here.",
    .kind = METRIC_GAUGE};
static const metric_info info_publish = {
    .name = "stair_cluster_publish_duration_seconds",
    .help = "From publishing a message of writes until it was read back and applied.",
    .kind = METRIC_HISTOGRAM};

static const metric_info info_nodes = {.name = "stair_cluster_nodes",
                                       .help = "Nodes of the cluster that live, as seen here.",
                                       .kind = METRIC_GAUGE};

static void collect(void *ctx)
{
    cluster *c = ctx;
    cluster_status status;
    cluster_tell(c, &status);
    metric_set(c->gauges.connected, status.connected ? 1 : 0);
    metric_set(c->gauges.lag_ops,
               status.last > status.position ? (double)(status.last - status.position) : 0);
    metric_set(c->gauges.lag_seconds, status.lag_seconds);
    metric_set(c->gauges.stopped, status.stopped ? 1 : 0);
    metric_set(c->gauges.nodes, (double)status.nodes);
}

static err_code declare(cluster *c, err *e)
{
    const metric_plain all[] = {
        {&info_connected, &c->gauges.connected},     {&info_lag_ops, &c->gauges.lag_ops},
        {&info_lag_seconds, &c->gauges.lag_seconds}, {&info_stopped, &c->gauges.stopped},
        {&info_publish, &c->gauges.publish},         {&info_nodes, &c->gauges.nodes},
    };
    err_code code = metrics_add_plain(c->setup.metrics, all, sizeof all / sizeof all[0], e);
    return code == ERR_OK ? metrics_on_scrape(c->setup.metrics, collect, c, e) : code;
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
                              .bytes_max = publish_bytes_max,
                              .publish = publish_bytes,
                              .applied = on_applied,
                              .keeps_house = on_keeps_house,
                              .confirmed = on_confirmed};
    log_stream_subject(setup->options->name, c->subject);
    err_code code = identity_set(&c->identity, setup->interaction_types, setup->encoder, e);
    code = code == ERR_OK ? identity_node(setup->options, c->node, e) : code;
    code = code == ERR_OK ? make_incarnation(c->node, c->log.publisher, e) : code;
    code = code == ERR_OK ? declare(c, e) : code;
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
                 "another node of the cluster has this one's name: %s", c->node);
    }
    if (out->problem[0] == '\0' && !out->led) {
        snprintf(out->problem, sizeof out->problem,
                 "the cluster's log takes no writes: it has no leader");
    }
}
