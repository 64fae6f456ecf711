/* SPDX-License-Identifier: Apache-2.0 */
#include "server/load/live_load.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/search/index.h"
#include "server/load/words_load.h"
#include "storage/models/model_store.h"
#include "storage/models/words_store.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

static err_code load_item(void *ctx, const stored_item *it, err *e)
{
    if (it->deleted) {
        return it->predecessor == 0 ? ERR_OK : live_load_gone(ctx, it->predecessor, it->row, e);
    }
    change_item loaded = {.row = it->row,
                          .created = true,
                          .hidden = it->hidden,
                          .id = it->id,
                          .predecessor = it->predecessor,
                          .created_at = it->created,
                          .updated_seq = it->updated_seq,
                          .categories = it->categories,
                          .category_count = it->category_count,
                          .attributes = it->attributes,
                          .attribute_count = it->attribute_count};
    return live_load_item(ctx, &loaded, e);
}

/* Interactions are read by user, in row order, like the users. One user's list is collected, and
 * handed over when the next user begins. */
typedef struct gathering {
    live *l;
    store_read *r;
    const dataset *judged; /* load only its training pairs; NULL: load all */
    size_t at;             /* index of the next pair in judged->train */
    live_edge *edges;
    size_t count, room;
    uint32_t user; /* owner of the collected edges; UINT32_MAX if there is none yet */
    uint32_t next; /* the first user that is not loaded yet */
} gathering;

typedef struct until_row {
    gathering *g;
    uint32_t last; /* the user whose edges were collected; users up to this row are loaded */
} until_row;

/* keep_judged keeps only the collected edges that are among the user's training pairs in the
 * dataset. */
static void keep_judged(gathering *g)
{
    const dataset *d = g->judged;
    size_t kept = 0;
    while (g->at < d->train_count && d->train[g->at].user < g->user) {
        g->at++;
    }
    for (size_t i = 0, p = g->at; i < g->count; i++) {
        while (p < d->train_count && d->train[p].user == g->user &&
               d->train[p].item < g->edges[i].item) {
            p++;
        }
        if (p < d->train_count && d->train[p].user == g->user &&
            d->train[p].item == g->edges[i].item) {
            g->edges[kept++] = g->edges[i];
        }
    }
    g->count = kept;
}

static err_code load_user(void *ctx, const stored_user *u, err *e)
{
    until_row *until = ctx;
    gathering *g = until->g;
    if (u->row > until->last) {
        return ERR_CANCELLED;
    }
    bool has_edges = u->row == g->user;
    g->next = u->row + 1;
    return live_load_user(g->l, u->row, u->id, has_edges ? g->edges : NULL,
                          has_edges ? g->count : 0, e);
}

/* hand_over loads the users without interactions before g->user, and then this user. */
static err_code hand_over(gathering *g, uint32_t last, err *e)
{
    until_row until = {g, last};
    if (g->judged != NULL) {
        keep_judged(g);
    }
    err_code code = user_each(g->r, g->next, load_user, &until, e);
    if (code == ERR_OK && g->user != UINT32_MAX && g->user == last && g->next != last + 1) {
        code = err_set(e, ERR_CORRUPT, "user row %u has interactions but no record", last);
    }
    g->count = 0;
    return code;
}

static err_code gather(void *ctx, const interaction *x, err *e)
{
    gathering *g = ctx;
    if (x->user != g->user) {
        err_code code = g->user != UINT32_MAX ? hand_over(g, g->user, e) : ERR_OK;
        if (code != ERR_OK) {
            return code;
        }
        g->user = x->user;
    }
    live_edge *edges = mem_reserve(g->edges, &g->room, g->count + 1, sizeof *edges);
    if (edges == NULL) {
        return err_nomem(e, "a user's interactions");
    }
    g->edges = edges;
    g->edges[g->count++] = (live_edge){.item = x->item,
                                       .weight = x->weight,
                                       .time = live_edge_time(x->time),
                                       .type = x->type,
                                       .split = x->split,
                                       .flags = x->flags};
    return ERR_OK;
}

static err_code load_users(store_read *r, live *l, const dataset *judged, err *e)
{
    gathering g = {.l = l, .r = r, .judged = judged, .user = UINT32_MAX};
    err_code code = interactions_each(r, gather, &g, e);
    if (code == ERR_OK && g.user != UINT32_MAX) {
        code = hand_over(&g, g.user, e);
    }
    g.user = UINT32_MAX;
    if (code == ERR_OK) {
        code = hand_over(&g, UINT32_MAX, e);
    }
    mem_free(g.edges);
    return code;
}

static err_code load_all(store *s, live *l, const dataset *judged, store_info *info, err *e)
{
    store_read *r = NULL;
    store_info now;
    err_code code = store_read_begin(s, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    code = store_read_stat(r, &now, e);
    if (code == ERR_OK) {
        code = item_each(r, 0, load_item, l, e);
    }
    /* otherwise the items' pages count as memory until the interactions are read */
    store_forget_pages(s);
    if (code == ERR_OK) {
        code = load_users(r, l, judged, e);
    }
    store_read_end(r);
    if (code == ERR_OK) {
        code = live_load_end(l, now.seq, e);
    }
    store_forget_pages(s);
    if (code == ERR_OK && info != NULL) {
        *info = now;
    }
    return code;
}

err_code live_load(store *s, live *l, store_info *info, err *e)
{
    return load_all(s, l, NULL, info, e);
}

err_code live_load_judged(store *s, live *l, const dataset *d, store_info *info, err *e)
{
    return load_all(s, l, d, info, e);
}

/* --- the base --- */

/* One modality's stored features, for the neighbours of later items. */
typedef struct stored_rows {
    store *s;
    uint8_t number;
} stored_rows;

static err_code read_stored(void *ctx, size_t first, size_t count, float *out, err *e)
{
    const stored_rows *rows = ctx;
    store_read *r = NULL;
    err_code code = store_read_begin(rows->s, &r, e);
    if (code == ERR_OK) {
        code = features_read(r, rows->number, (uint32_t)first, count, out, e);
        store_read_end(r);
    }
    return code;
}

/* find_sources makes a source for every modality of the model that the store has. */
static err_code find_sources(store *s, const model *m, stored_rows *rows, feature_source *sources,
                             size_t *count, err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    *count = 0;
    for (size_t i = 0; code == ERR_OK && i < m->modality_count && i < MODALITIES_MAX; i++) {
        modality known;
        err why = ERR_INIT;
        code = modality_find(r, slice_of(m->modalities[i].name), &known, &why);
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK; /* the model's own tables are used instead */
        } else if (code != ERR_OK) {
            err_set(e, code, "%s", why.text);
        } else {
            rows[*count] = (stored_rows){s, known.number};
            sources[*count] = (feature_source){
                .width = known.width, .rows = m->items, .read = read_stored, .ctx = &rows[*count]};
            memcpy(sources[*count].name, m->modalities[i].name, sizeof sources[*count].name);
            (*count)++;
        }
    }
    store_read_end(r);
    return code;
}

/* base_of makes a base from a model, which it takes over, with the store's features and texts for
 * later items. */
static err_code base_of(store *s, model *m, const base_options *given, base **out, err *e)
{
    stored_rows rows[MODALITIES_MAX];
    feature_source sources[MODALITIES_MAX + 1];
    words_rows texts = {.s = s, .rows = m->items};
    base_options options = *given;
    options.sources = sources;
    err_code code = words_get(s, options.generation, &options.words, e);
    if (code == ERR_OK) {
        code = find_sources(s, m, rows, sources, &options.source_count, e);
    }
    if (code == ERR_OK && options.words != NULL) {
        texts.words = options.words;
        sources[options.source_count++] = words_rows_source(&texts);
    }
    if (code != ERR_OK) {
        words_free(options.words);
        index_free(options.index);
        model_free(m);
        return err_context(e, "loading generation %u", options.generation);
    }
    return base_new(out, m, &options, e);
}

err_code base_load(store *s, uint32_t generation, unsigned threads, base **out, err *e)
{
    model *m = NULL;
    void *ann = NULL;
    size_t ann_bytes = 0;
    base_options options = {.generation = generation, .threads = threads};
    *out = NULL;
    err_code code = model_get(s, generation, false, &m, e);
    if (code == ERR_OK) {
        code = model_ann_get(s, generation, &ann, &ann_bytes, e);
    }
    if (code == ERR_OK) {
        model_h_source from = {s, generation, m->dim};
        index_source source = {m->items, m->dim, model_h_read, &from};
        index_options io = {.ann = ann, .ann_bytes = ann_bytes, .threads = threads};
        code = index_new_read(&options.index, &source, &io, e);
    }
    mem_free(ann);
    store_forget_pages(s);
    if (code != ERR_OK) {
        model_free(m);
        return err_context(e, "loading generation %u", generation);
    }
    return base_of(s, m, &options, out, e);
}

/* known_pairs copies the training pairs whose user and item the model knows. */
static err_code known_pairs(pair **out, size_t *count, const model *m, const dataset *d, err *e)
{
    *count = 0;
    *out = mem_array(d->train_count, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the interactions");
    }
    for (size_t k = 0; k < d->train_count; k++) {
        if (d->train[k].user < m->users && d->train[k].item < m->items) {
            (*out)[(*count)++] = d->train[k];
        }
    }
    return ERR_OK;
}

err_code base_load_judged(store *s, uint32_t generation, const dataset *d, unsigned threads,
                          base **out, err *e)
{
    model *m = NULL;
    pair *pairs = NULL;
    size_t count = 0;
    base_options options = {.generation = generation, .threads = threads};
    *out = NULL;
    err_code code = model_get(s, generation, true, &m, e);
    if (code == ERR_OK) {
        code = known_pairs(&pairs, &count, m, d, e);
    }
    if (code == ERR_OK) {
        m->options.threads = (int)threads;
        code = model_convolve(m, pairs, count, e);
    }
    if (code == ERR_OK && m->links != NULL) {
        interaction_list list = {pairs, count, m->users, m->items};
        item_links *judged = NULL;
        code = links_rebuilt(&judged, m->links, &list, (int)threads, e);
        if (code == ERR_OK) {
            links_free(m->links);
            m->links = judged;
        }
    }
    if (code == ERR_OK) { /* lists are exact, so no clusters are needed */
        index_options io = {.ann_rows_min = SIZE_MAX, .threads = threads};
        code = index_new(&options.index, m->item_h, m->items, m->dim, &io, e);
    }
    mem_free(pairs);
    store_forget_pages(s);
    if (code != ERR_OK) {
        model_free(m);
        return err_context(e, "loading generation %u", generation);
    }
    return base_of(s, m, &options, out, e);
}

/* --- one item's vectors --- */

enum { FEATURES_OF_ITEM_BYTES = 64 * 1024 * 1024 };

void live_feature_source_init(live_feature_source *x, store *s)
{
    x->s = s;
    arena_init(&x->memory, FEATURES_OF_ITEM_BYTES);
}

void live_feature_source_fini(live_feature_source *x)
{
    arena_fini(&x->memory);
}

err_code live_stored_features(void *ctx, uint32_t item, item_content *out, err *e)
{
    live_feature_source *x = ctx;
    store_read *r = NULL;
    arena_reset(&x->memory);
    err_code code = store_read_begin(x->s, &r, e);
    if (code == ERR_OK) {
        code = item_content_get(r, item, &x->memory, out, e);
        store_read_end(r);
    }
    return code;
}
