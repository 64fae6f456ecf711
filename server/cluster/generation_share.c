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

enum { LIST_BYTES_MAX = 64 * 1024 * 1024, KEY_MAX = 64 };

/* ALONE_NS is how long a node that does not hold the lease waits before it uploads tables that only
 * it has; the holder uploads its own at once. READY_NS is how long an activation waits for the
 * nodes that have not loaded the generation. */
static const uint64_t ALONE_NS = 8ULL * NS_PER_SECOND, READY_NS = 60ULL * NS_PER_SECOND;

/* How long the holder waits for a node with the tables to upload them again, before it fetches the
 * uploaded ones itself. */
static const uint64_t ORPHAN_NS = 24ULL * NS_PER_SECOND;

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

static const json_t *entry_of(const sharing *x, const generation_info *g)
{
    char key[KEY_MAX];
    key_of(g, key);
    return json_object_get(x->h->index, key);
}

static uint64_t erased_seq_of(const json_t *entry)
{
    return (uint64_t)json_integer_value(json_object_get(entry, "erased_seq"));
}

/* is_stale returns true if the uploaded tables may contain the row of a user who was erased after
 * the upload. */
static bool is_stale(const sharing *x, const generation_info *g, const json_t *entry)
{
    uint64_t erased = x->v->info.erased_seq;
    return erased > g->seq && erased > erased_seq_of(entry);
}

/* is_to_put tells whether tables must be uploaded: they never were, or may contain an erased user.
 * They are uploaded again at most once in SETTLE_SECONDS, however many erasures follow one
 * another. */
static bool is_to_put(const sharing *x, const generation_info *g)
{
    const json_t *entry = entry_of(x, g);
    int64_t stored = json_integer_value(json_object_get(entry, "stored"));
    return entry == NULL || (is_stale(x, g, entry) && stored + SETTLE_SECONDS <= x->v->now);
}

/* --- putting --- */

static err_code read_tables(void *ctx, void *out, size_t room, size_t *got, err *e)
{
    return generation_source_read(ctx, out, room, got, e);
}

/* enter adds the uploaded blob to the index. If another node has meanwhile uploaded tables that are
 * free of the same users, its copy stays and this one is purged. Otherwise this copy replaces the
 * earlier one, which is purged. */
static err_code enter(const sharing *x, const char *key, const parcel *file, err *e)
{
    parcels *blobs = x->h->link.blobs;
    json_t *now = NULL;
    parcel before;
    uint64_t erased = x->v->info.erased_seq;
    err_code code = parcel_index_list(blobs, &now, e);
    const json_t *other = json_object_get(now, key);
    if (code == ERR_OK && other != NULL && erased_seq_of(other) >= erased) {
        code = parcel_purge(blobs, file->id, e);
    } else if (code == ERR_OK) {
        json_t *entry = parcel_json(file);
        json_object_set_new(entry, "created", json_integer((json_int_t)clock_now()));
        json_object_set_new(entry, "erased_seq", json_integer((json_int_t)erased));
        code = parcel_index_put(blobs, key, entry, e);
        if (code == ERR_OK && parcel_from_json(&before, other)) {
            code = parcel_purge(blobs, before.id, e);
        }
    }
    json_decref(now);
    return code;
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
    err_code code = generation_source_open(&source, x->h->c->host.store, g->number, &bytes, e);
    code = code == ERR_OK ? parcel_put(x->h->link.blobs, &file, read_tables, source, e) : code;
    generation_source_close(source);
    code = code == ERR_OK ? enter(x, key, &file, e) : code;
    if (code == ERR_OK) {
        log_event(LOG_INFO, "generation_put", log_int("generation", g->number),
                  log_int("bytes", bytes), log_real("seconds", clock_seconds() - began));
    }
    return code;
}

static err_code put_missing(const sharing *x, err *e)
{
    err_code code = ERR_OK;
    bool alone = false;
    for (size_t i = 0; i < x->count && code == ERR_OK; i++) {
        const generation_info *g = &x->list[i];
        if (!g->held || !is_to_put(x, g)) {
            continue;
        }
        alone = true;
        bool waited = x->h->alone_since_ns != 0 && clock_ns() > x->h->alone_since_ns + ALONE_NS;
        if (x->v->holder || waited) {
            code = put_tables(x, g, e);
        }
    }
    x->h->alone_since_ns = !alone                      ? 0
                           : x->h->alone_since_ns != 0 ? x->h->alone_since_ns
                                                       : clock_ns();
    return code;
}

/* --- fetching --- */

static err_code write_tables(void *ctx, const void *bytes, size_t count, err *e)
{
    return generation_sink_write(ctx, bytes, count, e);
}

static err_code fetch_tables(const sharing *x, const generation_info *g, err *e)
{
    parcel file;
    generation_sink *sink = NULL;
    double began = clock_seconds();
    if (!parcel_from_json(&file, entry_of(x, g))) {
        return err_set(e, ERR_CORRUPT, "the index entry of generation %u is damaged", g->number);
    }
    err_code code = generation_sink_open(&sink, x->h->c->host.store, g->number, e);
    if (code != ERR_OK) {
        return code;
    }
    code = parcel_get(x->h->link.blobs, &file, write_tables, sink, e);
    if (code != ERR_OK) {
        generation_sink_abort(sink);
        return code;
    }
    code = generation_sink_finish(sink, e);
    if (code == ERR_OK) {
        log_event(LOG_INFO, "generation_fetched", log_int("generation", g->number),
                  log_int("bytes", file.bytes), log_real("seconds", clock_seconds() - began));
        x->h->c->host.look(x->h->c->host.ctx);
    }
    return code;
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

/* is_orphan returns true for tables that must be uploaded again but that no live node has. The
 * holder downloads them, which zeroes the rows, and uploads them in the next round. */
static bool is_orphan(const sharing *x, const generation_info *g)
{
    return x->v->holder && !g->held && entry_of(x, g) != NULL && is_to_put(x, g);
}

static err_code fetch_needed(const sharing *x, err *e)
{
    housekeeping *h = x->h;
    err_code code = ERR_OK;
    bool orphans = false;
    const generation_info *next = wanted(x);
    bool waited = h->orphan_since_ns != 0 && clock_ns() > h->orphan_since_ns + ORPHAN_NS;
    for (size_t i = 0; i < x->count && code == ERR_OK; i++) {
        const generation_info *g = &x->list[i];
        bool orphan = is_orphan(x, g), served = g->active || g == next;
        orphans = orphans || orphan;
        if (!g->held && entry_of(x, g) != NULL && (served || (orphan && waited))) {
            code = fetch_tables(x, g, e);
        }
    }
    h->orphan_since_ns = !orphans ? 0 : h->orphan_since_ns != 0 ? h->orphan_since_ns : clock_ns();
    return code;
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
    op o = {.kind = OP_GENERATION_ACTIVATE,
            .time = (int64_t)clock_now(),
            .count = 1,
            .generation = g->number};
    err_code code = own_write(h->c->host.writer, &o, NULL, e);
    if (code == ERR_OK) {
        h->activated = g->number;
        log_event(LOG_INFO, "generation_activated", log_int("generation", g->number),
                  log_bool("all_ready", !late));
    }
    return code;
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
    err_code code = ERR_OK;
    json_object_foreach(x->h->index, key, entry)
    {
        parcel file;
        int64_t stored = json_integer_value(json_object_get(entry, "stored"));
        if (code == ERR_OK && strncmp(key, "generation.", 11) == 0 && !is_registered(x, key) &&
            stored + SETTLE_SECONDS < x->v->now && parcel_from_json(&file, entry)) {
            code = parcel_index_remove(x->h->link.blobs, key, e);
            code = code == ERR_OK ? parcel_purge(x->h->link.blobs, file.id, e) : code;
        }
    }
    return code;
}

/* all_clean tells whether no uploaded tables can contain an erased user. Tables of pruned
 * generations count as unclean until they are removed. */
static bool all_clean(const sharing *x)
{
    size_t known = 0, there = 0;
    const char *key = NULL;
    json_t *entry = NULL;
    for (size_t i = 0; i < x->count; i++) {
        const json_t *own = entry_of(x, &x->list[i]);
        known += own != NULL && !is_stale(x, &x->list[i], own);
    }
    json_object_foreach(x->h->index, key, entry)
    {
        there += strncmp(key, "generation.", 11) == 0;
    }
    return known == there;
}

err_code share_generations(housekeeping *h, const house_view *v, bool *clean, err *e)
{
    sharing x = {.h = h, .v = v};
    store_read *r = NULL;
    arena_init(&x.memory, LIST_BYTES_MAX);
    err_code code = store_read_begin(h->c->host.store, &r, e);
    code = code == ERR_OK ? generation_list(r, &x.memory, &x.list, &x.count, e) : code;
    store_read_end(r);
    code = code == ERR_OK ? put_missing(&x, e) : code;
    code = code == ERR_OK ? fetch_needed(&x, e) : code;
    code = code == ERR_OK && v->holder ? activate_wanted(&x, e) : code;
    code = code == ERR_OK && v->holder && v->level ? forget_pruned(&x, e) : code;
    *clean = code == ERR_OK && all_clean(&x);
    arena_fini(&x.memory);
    return code;
}
