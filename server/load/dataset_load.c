/* SPDX-License-Identifier: Apache-2.0 */
#include "server/load/dataset_load.h"

#include <stdbool.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/types.h"
#include "server/load/words_load.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"

/* At most this much of the store's pages stays counted as the process's memory: features are read
 * several times, block by block, and can be larger than everything that training holds. */
enum { FORGET_BYTES = 8 << 20 };

/* One modality's source, from which feature_source.read gets its rows. */
typedef struct stored_source {
    store *s;
    uint8_t number;
    uint32_t width;
    size_t since; /* bytes read since pages were last returned */
} stored_source;

static err_code read_block(void *ctx, size_t first, size_t count, float *out, err *e)
{
    stored_source *source = ctx;
    store_read *r = NULL;
    err_code code = store_read_begin(source->s, &r, e);
    if (code == ERR_OK) {
        code = features_read(r, source->number, (uint32_t)first, count, out, e);
        store_read_end(r);
    }
    source->since += count * source->width * sizeof *out;
    if (source->since >= FORGET_BYTES) {
        store_forget_pages(source->s);
        source->since = 0;
    }
    return code;
}

static uint32_t neighbours_of(const dataset_load_options *o, slice name)
{
    for (size_t i = 0; o != NULL && i < o->neighbour_count; i++) {
        if (slice_equal(o->neighbours[i].modality, name)) {
            return o->neighbours[i].neighbours;
        }
    }
    bool of_text =
        slice_equal(name, slice_of("text")) || slice_equal(name, slice_of(WORDS_MODALITY));
    return of_text ? NEIGHBOURS_OF_TEXT : NEIGHBOURS_OF_OTHERS;
}

static err_code check_names(const dataset_load_options *o, const modality *known, size_t count,
                            err *e)
{
    for (size_t i = 0; o != NULL && i < o->neighbour_count; i++) {
        slice name = o->neighbours[i].modality;
        size_t at = 0;
        while (at < count && !slice_equal(known[at].name, name)) {
            at++;
        }
        bool is_words = o->words != DATASET_WORDS_NO && slice_equal(name, slice_of(WORDS_MODALITY));
        if (at == count && !is_words) {
            return err_set(e, ERR_INVALID, "neighbours: the store has no features named %.*s",
                           (int)name.length, name.at);
        }
    }
    return ERR_OK;
}

/* What the sources of a dataset read from; freed with the dataset. */
typedef struct sources {
    stored_source *stored; /* (modalities) */
    words_rows words;
} sources;

static void release_sources(void *ctx)
{
    sources *x = ctx;
    if (x != NULL) {
        words_rows_fini(&x->words);
        mem_free(x->stored);
        mem_free(x);
    }
}

static bool wants_words(const dataset_load_options *o, const dataset *d)
{
    bool wanted =
        o != NULL && o->words != DATASET_WORDS_NO && neighbours_of(o, slice_of(WORDS_MODALITY)) > 0;
    for (size_t i = 0; wanted && o->words == DATASET_WORDS_AUTO && i < d->modality_count; i++) {
        wanted = strcmp(d->modalities[i].name, "text") != 0;
    }
    return wanted;
}

/* load_words fits the words and adds their modality. A catalogue without texts has none. */
static err_code load_words(store *s, const dataset_load_options *o, dataset *d, err *e)
{
    sources *from = d->release_ctx;
    if (!wants_words(o, d) || d->items == 0) {
        return ERR_OK;
    }
    words_fit_options fit = {.threads = o->threads, .cancelled = o->cancelled, .ctx = o->ctx};
    err_code code = words_fit_store(&d->words, s, &fit, e);
    if (code != ERR_OK || d->words == NULL) {
        return code;
    }
    from->words = (words_rows){.s = s, .words = d->words, .rows = d->items};
    code = words_rows_keep(&from->words, e);
    feature_source *to = &d->modalities[d->modality_count++];
    *to = words_rows_source(&from->words);
    to->neighbours = neighbours_of(o, slice_of(WORDS_MODALITY));
    return code;
}

static err_code load_modalities(store *s, store_read *r, const dataset_load_options *o, dataset *d,
                                err *e)
{
    arena memory;
    const modality *known = NULL;
    size_t count = 0;
    arena_init(&memory, 1024 * 1024);
    err_code code = modality_list(r, &memory, &known, &count, e);
    if (code == ERR_OK) {
        code = check_names(o, known, count, e);
    }
    sources *from = mem_array(1, sizeof *from);
    stored_source *stored = mem_array(count, sizeof *stored);
    d->modalities = mem_array(count + 1, sizeof *d->modalities); /* one more for the words */
    if (code == ERR_OK && (from == NULL || stored == NULL || d->modalities == NULL)) {
        code = err_nomem(e, "the modalities");
    }
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        feature_source *to = &d->modalities[d->modality_count];
        uint32_t neighbours = neighbours_of(o, known[i].name);
        if (neighbours == 0) {
            continue;
        }
        stored[d->modality_count] = (stored_source){s, known[i].number, known[i].width, 0};
        memcpy(to->name, known[i].name.at, known[i].name.length);
        to->name[known[i].name.length] = '\0';
        to->width = known[i].width;
        to->rows = d->items;
        to->neighbours = neighbours;
        to->read = read_block;
        to->ctx = &stored[d->modality_count];
        d->modality_count++;
    }
    arena_fini(&memory);
    if (from == NULL) {
        mem_free(stored);
    } else {
        from->stored = stored;
    }
    d->release = release_sources;
    d->release_ctx = from;
    return code;
}

/* --- pairs --- */

typedef struct splits {
    dataset *d;
    pair *lists[3];
    size_t counts[3], rooms[3];
    interaction now; /* the current pair, with the lowest split and the largest weight so far */
    bool open;
} splits;

static err_code mark_item(void *ctx, const stored_item *it, err *e)
{
    dataset *d = ctx;
    (void)e;
    if (it->row >= d->items) {
        return ERR_OK;
    }
    if (it->deleted) {
        bits_set(d->gone, it->row);
        return ERR_OK;
    }
    d->created[it->row] = it->created;
    if (it->hidden) {
        bits_set(d->hidden, it->row);
    }
    return ERR_OK;
}

static err_code close_pair(splits *x, err *e)
{
    if (!x->open) {
        return ERR_OK;
    }
    x->open = false;
    uint8_t split = x->now.split;
    pair *grown =
        mem_reserve(x->lists[split], &x->rooms[split], x->counts[split] + 1, sizeof *grown);
    if (grown == NULL) {
        return err_nomem(e, "the interactions");
    }
    x->lists[split] = grown;
    x->lists[split][x->counts[split]++] =
        (pair){x->now.user, x->now.item, x->now.weight, live_edge_time(x->now.time)};
    return ERR_OK;
}

/* add_record adds one record to its pair. Records are sorted by (user, item, type), so those of a
 * pair are consecutive. */
static err_code add_record(void *ctx, const interaction *x, err *e)
{
    splits *to = ctx;
    err_code code = ERR_OK;
    if (x->user >= to->d->users || x->item >= to->d->items) {
        return err_set(e, ERR_CORRUPT, "interaction of user row %u with item row %u: no such row",
                       x->user, x->item);
    }
    if ((x->flags & EDGE_IN_GRAPH) == 0 || !(x->weight > 0) || dataset_gone(to->d, x->item)) {
        return ERR_OK;
    }
    if (to->open && (to->now.user != x->user || to->now.item != x->item)) {
        code = close_pair(to, e);
    }
    if (!to->open) {
        to->now = *x;
        to->open = true;
        return code;
    }
    to->now.split = x->split < to->now.split ? x->split : to->now.split;
    to->now.weight = x->weight > to->now.weight ? x->weight : to->now.weight;
    to->now.time = x->time > to->now.time ? x->time : to->now.time;
    return code;
}

static err_code load_pairs(store_read *r, dataset *d, err *e)
{
    splits x = {.d = d};
    err_code code = interactions_each(r, add_record, &x, e);
    if (code == ERR_OK) {
        code = close_pair(&x, e);
    }
    d->train = x.lists[0];
    d->valid = x.lists[1];
    d->test = x.lists[2];
    d->train_count = x.counts[0];
    d->valid_count = x.counts[1];
    d->test_count = x.counts[2];
    return code;
}

err_code dataset_load(store *s, const dataset_load_options *options, dataset **out,
                      store_info *origin, err *e)
{
    store_read *r = NULL;
    store_info info;
    dataset *d = NULL;
    *out = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    code = store_read_stat(r, &info, e);
    if (code == ERR_OK) {
        code = dataset_new(&d, info.user_rows, info.item_rows, e);
    }
    if (code == ERR_OK) {
        d->gone = mem_array(bits_words(d->items), sizeof *d->gone);
        d->hidden = mem_array(bits_words(d->items), sizeof *d->hidden);
        d->created = mem_array(d->items, sizeof *d->created);
        bool whole = d->gone != NULL && d->hidden != NULL && d->created != NULL;
        code = whole ? ERR_OK : err_nomem(e, "a dataset");
    }
    if (code == ERR_OK) {
        code = item_each(r, 0, mark_item, d, e);
    }
    if (code == ERR_OK) {
        code = load_pairs(r, d, e);
    }
    if (code == ERR_OK) {
        code = load_modalities(s, r, options, d, e);
    }
    store_read_end(r);
    store_forget_pages(s);
    if (code == ERR_OK) {
        code = load_words(s, options, d, e);
    }
    if (code != ERR_OK) {
        dataset_free(d);
        return code;
    }
    if (origin != NULL) {
        *origin = info;
    }
    *out = d;
    return ERR_OK;
}
