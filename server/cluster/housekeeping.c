/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/housekeeping.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cluster/erasures.h"
#include "server/cluster/housekeeping_private.h"
#include "server/cluster/snapshots.h"
#include "server/cluster/strays.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

/* A round runs every ROUND_MS. A snapshot is due when the log has grown by more than GROWTH_BYTES
 * and by more than GROWTH_FACTOR times the newest snapshot. */
enum { ROUND_MS = 2000, GROWTH_FACTOR = 2 };
static const uint64_t GROWTH_BYTES = (uint64_t)256 << 20;

/* --- snapshots --- */

/* lacks_erasure tells whether fewer than two snapshots were made after the last erasure. Two are
 * due even if nothing else is written: the log is trimmed behind the second, and older ones are
 * removed. */
static bool lacks_erasure(const cluster_snapshot *list, size_t count, const store_info *info)
{
    return count < SNAPSHOTS_KEPT ? info->erased_seq != 0
                                  : info->erased_seq > list[SNAPSHOTS_KEPT - 1].seq;
}

/* blocks_trimming returns true if the oldest message is older than the log's age but no two
 * snapshots cover it. That happens when little is written. */
static bool blocks_trimming(const housekeeping *h, const house_view *v,
                            const cluster_snapshot *list, size_t count)
{
    int64_t age = (int64_t)h->c->setup.options->log_age;
    return v->facts.first <= v->facts.last && v->facts.first_time + age < v->now &&
           (count < SNAPSHOTS_KEPT || list[SNAPSHOTS_KEPT - 1].position < v->facts.first);
}

/* due returns the reason for making a snapshot now, or NULL. */
static const char *due(const housekeeping *h, const house_view *v, const cluster_snapshot *list,
                       size_t count)
{
    uint64_t position = 0;
    const cluster_snapshot *newest = &list[0];
    (void)log_position_read(v->info.external, &position);
    if (count == 0) {
        return "none";
    }
    int64_t age = v->now - newest->stored;
    if (lacks_erasure(list, count, &v->info) && age >= SETTLE_SECONDS) {
        return "erasure";
    }
    if (blocks_trimming(h, v, list, count) && age >= SETTLE_SECONDS) {
        return "trimming";
    }
    if (position <= newest->position) {
        return NULL;
    }
    uint64_t growth = v->facts.bytes > newest->log_bytes ? v->facts.bytes - newest->log_bytes : 0;
    if ((double)age >= h->c->setup.options->snapshot_every) {
        return "age";
    }
    return growth > GROWTH_BYTES && growth > GROWTH_FACTOR * newest->file.bytes ? "growth" : NULL;
}

static err_code put_if_due(housekeeping *h, const house_view *v, const cluster_snapshot *list,
                           size_t count, err *e)
{
    const char *why = due(h, v, list, count);
    if (why == NULL) {
        return ERR_OK;
    }
    double began = clock_seconds();
    err_code code = snapshots_put(h->link.blobs, h->c->host.store, v->facts.bytes, e);
    if (code == ERR_OK) {
        log_event(LOG_INFO, "cluster_snapshot", log_text("due", why), log_int("seq", v->info.seq),
                  log_real("seconds", clock_seconds() - began));
    }
    return code;
}

static err_code remove_old(housekeeping *h, const cluster_snapshot *list, size_t count, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = SNAPSHOTS_KEPT; i < count && code == ERR_OK; i++) {
        code = snapshots_remove(h->link.blobs, &list[i], e);
    }
    return code;
}

/* --- trimming --- */

/* message_time returns when a message was stored, in epoch seconds, or 0 if that is not known. */
static int64_t message_time(const housekeeping *h, const char *stream, uint64_t sequence)
{
    natsMsg *m = NULL;
    int64_t time = 0;
    if (js_GetMsg(&m, h->link.k->stream, stream, sequence, NULL, NULL) == NATS_OK) {
        time = natsMsg_GetTime(m) / NS_PER_SECOND;
    }
    natsMsg_Destroy(m);
    return time;
}

/* last_before returns the last message up to `most` that is older than `limit`, or 0. */
static uint64_t last_before(const housekeeping *h, const char *stream, uint64_t first,
                            uint64_t most, int64_t limit)
{
    uint64_t found = 0;
    while (first <= most) {
        uint64_t middle = first + (most - first) / 2;
        int64_t time = message_time(h, stream, middle);
        if (time == 0) {
            return 0;
        }
        if (time < limit) {
            found = middle;
            first = middle + 1;
        } else {
            most = middle - 1;
        }
    }
    return found;
}

/* trim removes messages that two snapshots cover, that every live node has applied, and that are
 * older than log_age. */
static err_code trim(housekeeping *h, const house_view *v, const cluster_snapshot *list,
                     size_t count, err *e)
{
    char stream[LOG_NAME_MAX];
    jsOptions how;
    jsErrCode refusal = 0;
    if (count < SNAPSHOTS_KEPT || v->facts.first > v->facts.last) {
        return ERR_OK;
    }
    uint64_t most = list[SNAPSHOTS_KEPT - 1].position;
    most = v->least_position < most ? v->least_position : most;
    int64_t limit = v->now - (int64_t)h->c->setup.options->log_age;
    log_stream_name(h->c->setup.options->name, stream);
    uint64_t last = last_before(h, stream, v->facts.first, most, limit);
    if (last == 0) {
        return ERR_OK;
    }
    (void)jsOptions_Init(&how);
    how.Stream.Purge.Sequence = last + 1; /* the first message that stays */
    natsStatus s = js_PurgeStream(h->link.k->stream, stream, &how, &refusal);
    if (s != NATS_OK) {
        return link_error(h->link.k, s, refusal, "trimming the cluster's log", e);
    }
    log_event(LOG_INFO, "log_trimmed", log_int("up_to", last));
    return ERR_OK;
}

/* forget_large removes the blobs of large writes whose messages have been trimmed. A blob is stored
 * just before its message is sent, so it can go SETTLE_SECONDS after messages of its age have been
 * trimmed. */
static err_code forget_large(housekeeping *h, const house_view *v, err *e)
{
    char stream[LOG_NAME_MAX];
    const char *key = NULL;
    json_t *entry = NULL;
    err_code code = ERR_OK;
    log_stream_name(h->c->setup.options->name, stream);
    int64_t oldest = v->facts.first <= 1              ? 0
                     : v->facts.first > v->facts.last ? v->now
                                                      : message_time(h, stream, v->facts.first);
    json_object_foreach(h->index, key, entry)
    {
        parcel file;
        int64_t stored = json_integer_value(json_object_get(entry, "stored"));
        if (code == ERR_OK && strncmp(key, "op.", 3) == 0 && stored + SETTLE_SECONDS < oldest &&
            parcel_from_json(&file, entry)) {
            code = parcel_purge(h->link.blobs, file.id, e);
            code = code == ERR_OK ? parcel_index_remove(h->link.blobs, key, e) : code;
        }
    }
    return code;
}

static err_code keep_snapshots(housekeeping *h, const house_view *v, err *e)
{
    cluster_snapshot *list = mem_array(SNAPSHOTS_MAX, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the snapshots");
    }
    size_t count = snapshots_of(h->index, list);
    err_code code = put_if_due(h, v, list, count, e);
    code = code == ERR_OK ? remove_old(h, list, count, e) : code;
    code = code == ERR_OK ? trim(h, v, list, count, e) : code;
    code = code == ERR_OK ? forget_large(h, v, e) : code;
    code = code == ERR_OK ? strays_remove(h, v, e) : code;
    mem_free(list);
    return code;
}

/* --- the thread --- */

static bool look_around(cluster *c, house_view *v)
{
    cluster_status status;
    cluster_tell(c, &status);
    v->now = cluster_servers_now(c);
    pthread_mutex_lock(&c->mutex);
    v->holder = c->lease_until_ns > clock_ns();
    v->facts = c->facts;
    v->least_position = c->position;
    for (size_t i = 0; i < c->node_count; i++) {
        uint64_t at = c->nodes[i].position;
        v->least_position = at < v->least_position ? at : v->least_position;
    }
    pthread_mutex_unlock(&c->mutex);
    v->level = status.led && !status.stopped && status.position >= status.last;
    return status.led;
}

static err_code keep_house(housekeeping *h, house_view *v, err *e)
{
    bool clean = false;
    err_code code = parcels_link_up(&h->link, h->c->setup.options, v->facts.replicas, e);
    code = code == ERR_OK ? store_stat(h->c->host.store, &v->info, e) : code;
    code = code == ERR_OK ? parcel_index_list(h->link.blobs, &h->index, e) : code;
    code = code == ERR_OK ? share_generations(h, v, &clean, e) : code;
    if (code == ERR_OK) {
        erasures_look(h, v, clean);
    }
    code = code == ERR_OK && v->holder && v->now != 0 ? keep_snapshots(h, v, e) : code;
    json_decref(h->index);
    h->index = NULL;
    return code;
}

static void *housekeeping_main(void *argument)
{
    housekeeping *h = argument;
    pthread_setname_np(pthread_self(), "cluster-house");
    snapshots_clean(h->c->host.store);
    while (!cluster_is_stopping(h->c)) {
        err e = ERR_INIT;
        house_view v;
        bool led = look_around(h->c, &v);
        err_code code = led ? keep_house(h, &v, &e) : ERR_OK;
        if (code != ERR_OK && cluster_is_news(h->told, e.text)) {
            log_event(LOG_WARN, "housekeeping_failed", log_text("error", e.text));
        } else if (led && code == ERR_OK) {
            h->told[0] = '\0';
        }
        cluster_pause(h->c, ROUND_MS);
    }
    parcels_link_down(&h->link);
    nats_ReleaseThreadMemory();
    return NULL;
}

err_code housekeeping_new(housekeeping **out, cluster *c, err *e)
{
    *out = NULL;
    housekeeping *h = mem_array(1, sizeof *h);
    if (h == NULL) {
        return err_nomem(e, "the cluster");
    }
    h->c = c;
    int failed = pthread_create(&h->thread, NULL, housekeeping_main, h);
    if (failed != 0) {
        mem_free(h);
        return err_set(e, ERR_IO, "the cluster's thread: %s", strerror(failed));
    }
    *out = h;
    return ERR_OK;
}

void housekeeping_free(housekeeping *h)
{
    if (h != NULL) {
        pthread_join(h->thread, NULL);
        mem_free(h);
    }
}
