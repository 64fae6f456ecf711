/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_share: copies the tables of generations between nodes.
 *
 * Training writes tables into one node's store, and an op registers them on every node. The node
 * that has the tables uploads them beside the log. The other nodes download the active generation
 * and the one to be activated. The holder of the lease activates a generation once every live node
 * has loaded it, or after a time-out: a node that is not ready keeps serving its old one.
 */
#include <stdio.h>
#include <string.h>

#include "core/common/arena.h"
#include "server/cluster/housekeeping_private.h"
#include "server/runtime/own_write.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/models/generation_stream.h"
#include "storage/models/generations.h"

enum { LIST_BYTES_MAX = 64 * 1024 * 1024, KEY_MAX = 64, FORGET_SECONDS = 600 };

/* If the holder of the lease has the tables, it uploads them. Another node uploads tables that only
 * it has after ALONE_NS. */
static const uint64_t ALONE_NS = 8ULL * NS_PER_SECOND, READY_NS = 60ULL * NS_PER_SECOND;

typedef struct sharing {
    housekeeping *h;
    const house_view *v;
    arena memory;
    const generation_info *list; /* (count) registered, by number */
    size_t count;
} sharing;

static void key_of(const generation_info *g, char out[KEY_MAX])
{
    char id[GENERATION_ID_TEXT];
    generation_id_text(&g->id, id);
    snprintf(out, KEY_MAX, "generation.%s", id);
}

static bool indexed(const sharing *x, const generation_info *g)
{
    char key[KEY_MAX];
    key_of(g, key);
    return json_object_get(x->h->index, key) != NULL;
}

/* --- putting --- */

static err_code read_tables(void *ctx, void *out, size_t room, size_t *got, err *e)
{
    return generation_source_read(ctx, out, room, got, e);
}

/* If another node uploaded the same tables meanwhile, its copy is kept and this one purged. */
static err_code enter(const sharing *x, const char *key, const parcel *file, err *e)
{
    json_t *now = NULL;
    err_code rc = parcel_index_list(x->h->link.blobs, &now, e);
    if (rc == ERR_OK && json_object_get(now, key) != NULL) {
        rc = parcel_purge(x->h->link.blobs, file->id, e);
    } else if (rc == ERR_OK) {
        json_t *entry = parcel_json(file);
        json_object_set_new(entry, "created", json_integer((json_int_t)clock_now()));
        rc = parcel_index_put(x->h->link.blobs, key, entry, e);
    }
    json_decref(now);
    return rc;
}

static err_code put_tables(const sharing *x, const generation_info *g, err *e)
{
    char key[KEY_MAX];
    parcel file;
    uint64_t bytes = 0;
    generation_source *source = NULL;
    double began = clock_seconds();
    key_of(g, key);
    parcel_name(&file, key);
    err_code rc = generation_source_open(&source, x->h->c->host.store, g->number, &bytes, e);
    rc = rc == ERR_OK ? parcel_put(x->h->link.blobs, &file, read_tables, source, e) : rc;
    generation_source_close(source);
    rc = rc == ERR_OK ? enter(x, key, &file, e) : rc;
    if (rc == ERR_OK) {
        log_event(LOG_INFO, "generation_put", log_int("generation", g->number),
                  log_int("bytes", bytes), log_real("seconds", clock_seconds() - began));
    }
    return rc;
}

static err_code put_missing(const sharing *x, err *e)
{
    err_code rc = ERR_OK;
    bool alone = false;
    for (size_t i = 0; i < x->count && rc == ERR_OK; i++) {
        const generation_info *g = &x->list[i];
        if (!g->held || indexed(x, g)) {
            continue;
        }
        alone = true;
        bool waited = x->h->alone_since_ns != 0 && clock_ns() > x->h->alone_since_ns + ALONE_NS;
        if (x->v->holder || waited) {
            rc = put_tables(x, g, e);
        }
    }
    x->h->alone_since_ns = !alone                      ? 0
                           : x->h->alone_since_ns != 0 ? x->h->alone_since_ns
                                                       : clock_ns();
    return rc;
}

/* --- fetching --- */

static err_code write_tables(void *ctx, const void *bytes, size_t count, err *e)
{
    return generation_sink_write(ctx, bytes, count, e);
}

static err_code fetch_tables(const sharing *x, const generation_info *g, err *e)
{
    char key[KEY_MAX];
    parcel file;
    generation_sink *sink = NULL;
    double began = clock_seconds();
    key_of(g, key);
    if (!parcel_from_json(&file, json_object_get(x->h->index, key))) {
        return err_set(e, ERR_CORRUPT, "the index entry of generation %u is damaged", g->number);
    }
    err_code rc = generation_sink_open(&sink, x->h->c->host.store, g->number, e);
    if (rc != ERR_OK) {
        return rc;
    }
    rc = parcel_get(x->h->link.blobs, &file, write_tables, sink, e);
    if (rc != ERR_OK) {
        generation_sink_abort(sink);
        return rc;
    }
    rc = generation_sink_finish(sink, e);
    if (rc == ERR_OK) {
        log_event(LOG_INFO, "generation_fetched", log_int("generation", g->number),
                  log_int("bytes", file.bytes), log_real("seconds", clock_seconds() - began));
        x->h->c->host.look(x->h->c->host.ctx);
    }
    return rc;
}

static uint32_t active_number(const sharing *x)
{
    for (size_t i = 0; i < x->count; i++) {
        if (x->list[i].active) {
            return x->list[i].number;
        }
    }
    return 0;
}

/* wanted returns the newest generation that is to be activated, or NULL. */
static const generation_info *wanted(const sharing *x)
{
    const generation_info *found = NULL;
    for (size_t i = 0; i < x->count; i++) {
        if (x->list[i].activate && !x->list[i].active && x->list[i].number > active_number(x)) {
            found = &x->list[i];
        }
    }
    return found;
}

static err_code fetch_needed(const sharing *x, err *e)
{
    err_code rc = ERR_OK;
    const generation_info *next = wanted(x);
    for (size_t i = 0; i < x->count && rc == ERR_OK; i++) {
        const generation_info *g = &x->list[i];
        if (!g->held && (g->active || g == next) && indexed(x, g)) {
            rc = fetch_tables(x, g, e);
        }
    }
    return rc;
}

/* --- activating --- */

static bool all_ready(cluster *c, uint32_t generation)
{
    bool ready = true;
    pthread_mutex_lock(&c->mutex);
    for (size_t i = 0; i < c->node_count; i++) {
        const member *m = &c->nodes[i];
        ready = ready && (m->warmed == generation || m->serving == generation);
    }
    pthread_mutex_unlock(&c->mutex);
    return ready;
}

static err_code activate_wanted(const sharing *x, err *e)
{
    housekeeping *h = x->h;
    const generation_info *g = wanted(x);
    if (g == NULL || g->number == h->activated) {
        return ERR_OK;
    }
    if (h->wanted != g->number) {
        h->wanted = g->number;
        h->wanted_since_ns = clock_ns();
    }
    bool late = clock_ns() > h->wanted_since_ns + READY_NS;
    if (!all_ready(h->c, g->number) && !(late && g->held)) {
        return ERR_OK;
    }
    const op o = {.kind = OP_GENERATION_ACTIVATE,
                  .time = (int64_t)clock_now(),
                  .count = 1,
                  .generation = g->number};
    err_code rc = own_write(h->c->host.writer, &o, NULL, e);
    if (rc == ERR_OK) {
        h->activated = g->number;
        log_event(LOG_INFO, "generation_activated", log_int("generation", g->number),
                  log_bool("all_ready", !late));
    }
    return rc;
}

/* --- forgetting --- */

static bool is_registered(const sharing *x, const char *key)
{
    char own[KEY_MAX];
    for (size_t i = 0; i < x->count; i++) {
        key_of(&x->list[i], own);
        if (strcmp(own, key) == 0) {
            return true;
        }
    }
    return false;
}

/* forget_pruned removes the tables of generations that an op has pruned. Only a node that has
 * applied the whole log knows what is registered. */
static err_code forget_pruned(const sharing *x, err *e)
{
    const char *key = NULL;
    json_t *entry = NULL;
    err_code rc = ERR_OK;
    json_object_foreach(x->h->index, key, entry)
    {
        parcel file;
        long long created = json_integer_value(json_object_get(entry, "created"));
        if (rc == ERR_OK && strncmp(key, "generation.", 11) == 0 && !is_registered(x, key) &&
            created + FORGET_SECONDS < clock_now() && parcel_from_json(&file, entry)) {
            rc = parcel_index_remove(x->h->link.blobs, key, e);
            rc = rc == ERR_OK ? parcel_purge(x->h->link.blobs, file.id, e) : rc;
        }
    }
    return rc;
}

err_code share_generations(housekeeping *h, const house_view *v, err *e)
{
    sharing x = {.h = h, .v = v};
    store_read *r = NULL;
    arena_init(&x.memory, LIST_BYTES_MAX);
    err_code rc = store_read_begin(h->c->host.store, &r, e);
    rc = rc == ERR_OK ? generation_list(r, &x.memory, &x.list, &x.count, e) : rc;
    store_read_end(r);
    rc = rc == ERR_OK ? put_missing(&x, e) : rc;
    rc = rc == ERR_OK ? fetch_needed(&x, e) : rc;
    rc = rc == ERR_OK && v->holder ? activate_wanted(&x, e) : rc;
    rc = rc == ERR_OK && v->holder && v->level ? forget_pruned(&x, e) : rc;
    arena_fini(&x.memory);
    return rc;
}
