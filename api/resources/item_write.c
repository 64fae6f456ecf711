/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/item_write.h"

#include <string.h>

#include "api/resources/encoded_text.h"
#include "api/web/cost.h"
#include "core/common/mem.h"
#include "core/serve/state/cold_words.h"
#include "core/serve/state/coldstart.h"

/* The context of a json_report that puts the entry's place before the pointer of a problem in
 * it. */
typedef struct entry_report {
    context *c;
    const char *prefix;
} entry_report;

static void report_entry(void *ctx, const char *pointer, const char *detail)
{
    const entry_report *at = ctx;
    problem_at(&at->c->problems,
               arena_printf(at->c->memory, "%s%s", at->prefix, pointer) ?: at->prefix, "%s",
               detail);
}

static err_code read_item(const body_object *o, api_write *w, slice id, op_item *out, err *e)
{
    if (!json_is_object(o->json)) {
        problem_at(&o->c->problems, o->pointer, "expected an object");
        return ERR_OK;
    }
    entry_report at = {o->c, o->pointer};
    const item_json_options options = {
        .mode = w->op->kind == OP_ITEMS_PATCH ? ITEM_JSON_PATCH : ITEM_JSON_PUT,
        .id = id,
        .now = o->c->request->now,
        .memory = &w->op->memory,
        .report = report_entry,
        .report_ctx = &at,
    };
    size_t before = o->c->problems.found;
    err own = ERR_INIT;
    err_code code = item_json_read(o->json, &options, out, &own);
    if (code == ERR_INVALID) {
        if (o->c->problems.found == before) {
            problem_at(&o->c->problems, o->pointer, "%s", own.text);
        }
        return ERR_OK; /* context_check then refuses with all problems */
    }
    return code != ERR_OK ? err_set(e, code, "%s", own.text) : ERR_OK;
}

static slice keep(api_write *w, slice text)
{
    return arena_slice(&w->op->memory, text);
}

/* names_of copies the names of the generation's modalities whose bits are set into the op's
 * arena. */
static const slice *names_of(const view *v, api_write *w, uint32_t bits, uint32_t *count)
{
    size_t modalities = coldstart_modalities(v);
    slice *names = arena_alloc(&w->op->memory, modalities, sizeof *names);
    *count = 0;
    for (size_t m = 0; names != NULL && m < modalities; m++) {
        if (bits & (1U << m)) {
            names[(*count)++] = keep(w, coldstart_modality_name(v, m));
        }
    }
    return names;
}

static bool is_modality(const view *v, slice name)
{
    for (size_t m = 0; m < coldstart_modalities(v); m++) {
        if (slice_equal(coldstart_modality_name(v, m), name)) {
            return true;
        }
    }
    return false;
}

/* awaited returns the modality that an encoder will make from the item's texts, or an absent
 * slice. */
static slice awaited(const context *c, const op_item *it)
{
    slice name = slice_of(c->deps->encoder_modality);
    bool texts = it->title.length > 0 || it->description.length > 0 || it->category_count > 0;
    for (uint32_t i = 0; i < it->feature_count; i++) {
        texts = texts && !slice_equal(it->features[i].modality, name);
    }
    return name.at != NULL && texts ? name : slice_of(NULL);
}

/* describe stores names, because rows and modality numbers have a meaning only in this view. */
static err_code describe(const view *v, api_write *w, uint32_t entry, err *e)
{
    const op_item *it = &w->op->items[entry];
    const cold_item *cold = w->prepared[entry];
    write_embedding *m = &w->embeddings[entry];
    slice *unused = arena_alloc(&w->op->memory, it->feature_count, sizeof *unused);
    if (unused == NULL) {
        return err_nomem(e, "an embedding");
    }
    for (uint32_t i = 0; i < it->feature_count; i++) {
        if (it->features[i].data != NULL && !is_modality(v, it->features[i].modality)) {
            unused[m->unused_count++] = it->features[i].modality;
        }
    }
    m->unused = unused;
    m->known = true;
    if (cold == NULL) {
        return ERR_OK;
    }
    m->from = names_of(v, w, cold->used, &m->from_count);
    m->missing = names_of(v, w, cold->missing, &m->missing_count);
    struct write_neighbour *list = arena_alloc(&w->op->memory, cold->neighbour_count, sizeof *list);
    if (m->from == NULL || m->missing == NULL || list == NULL) {
        return err_nomem(e, "an embedding");
    }
    for (size_t i = 0; i < cold->neighbour_count; i++) {
        slice id = view_item_id(v, cold->neighbours[i].item);
        if (id.at != NULL && (view_item_flags(v, cold->neighbours[i].item) & ITEM_HIDDEN) == 0) {
            list[m->neighbour_count++] = (struct write_neighbour){
                keep(w, id), keep(w, coldstart_modality_name(v, cold->neighbours[i].modality)),
                cold->neighbours[i].similarity};
        }
    }
    m->neighbours = list;
    return ERR_OK;
}

/* An entry whose vector is computed here. */
typedef struct making {
    uint32_t entry;
    bool exists;
    bool encoded; /* an encoder's vector is one of the features */
    cold_words all;
    feature features[MODALITIES_MAX + 1];
} making;

/* gather collects what the item's vector is made from in this view: its features, including the
 * encoder's if its width fits, and its words. On ERR_INVALID a width is wrong, which the store will
 * report. */
static err_code gather(const context *c, const view *v, const op_item *it, making *m, err *e)
{
    item_content content = {.features = it->features,
                            .count = it->feature_count,
                            .text = {.title = it->title,
                                     .description = it->description,
                                     .categories = it->categories,
                                     .category_count = it->category_count,
                                     .attributes = it->attributes,
                                     .attribute_count = it->attribute_count}};
    m->encoded =
        it->feature_count < MODALITIES_MAX && encoded_text_take(c, &m->features[it->feature_count]);
    if (m->encoded && it->feature_count > 0) {
        memcpy(m->features, it->features, it->feature_count * sizeof *m->features);
    }
    if (m->encoded) {
        content.features = m->features;
        content.count++;
        m->encoded = coldstart_fits(v, content.features, content.count, NULL) == ERR_OK;
        content.count -= !m->encoded;
    }
    err_code code = cold_words_add(&m->all, coldstart_words(v), &content, e);
    return code == ERR_OK ? coldstart_fits(v, m->all.features, m->all.count, e) : code;
}

/* tell describes for the answer what is known about the entry's vector. */
static err_code tell(const context *c, api_write *w, const view *v, const making *m, err *e)
{
    slice pending = m->encoded ? slice_of(NULL) : awaited(c, &w->op->items[m->entry]);
    w->embeddings[m->entry].pending = pending;
    return m->exists ? ERR_OK : describe(v, w, m->entry, e);
}

/* make_vectors computes the vectors of a batch in one view. */
static err_code make_vectors(context *c, api_write *w, const view *v, making *batch, size_t count,
                             err *e)
{
    cold_request requests[COLD_BATCH] = {0};
    for (size_t i = 0; i < count; i++) {
        requests[i] =
            (cold_request){.features = batch[i].all.features, .count = batch[i].all.count};
    }
    err_code code = coldstart_prepare_many(requests, count, v, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        op_item *it = (op_item *)&w->op->items[batch[i].entry];
        it->prepared = w->prepared[batch[i].entry] = requests[i].item;
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        code = tell(c, w, v, &batch[i], e);
    }
    return code;
}

/* prepare_some prepares entries [first, first + count), at most COLD_BATCH. Every batch takes its
 * own hold of the view: finding neighbours takes a while, and memory that the writer replaces
 * cannot be freed before the oldest hold ends. */
static err_code prepare_some(context *c, api_write *w, uint32_t first, uint32_t count, err *e)
{
    live_hold hold;
    size_t some = 0;
    err_code code = ERR_OK;
    making *batch = mem_array(count, sizeof *batch);
    if (batch == NULL) {
        return err_nomem(e, "a write of items");
    }
    live_acquire(c->deps->live, &hold);
    const word_space *words = coldstart_words(hold.view);
    w->model = view_generation(hold.view);
    for (uint32_t entry = first; entry < first + count && code == ERR_OK; entry++) {
        const op_item *it = &w->op->items[entry];
        uint32_t row = view_item_find(hold.view, it->id);
        making *m = &batch[some];
        *m = (making){.entry = entry, .exists = row != ROW_NONE};
        if (m->exists && it->feature_count == 0 &&
            (words == NULL || coldstart_trained(hold.view, row))) {
            continue;
        }
        err own = ERR_INIT;
        code = gather(c, hold.view, it, m, &own);
        if (code == ERR_INVALID) {
            code = tell(c, w, hold.view, m, e);
        } else if (code == ERR_OK) {
            some++;
        } else {
            code = err_set(e, code, "%s", own.text);
        }
    }
    if (code == ERR_OK) {
        code = make_vectors(c, w, hold.view, batch, some, e);
    }
    live_release(c->deps->live, &hold);
    mem_free(batch);
    return code;
}

/* Neighbours are searched in the whole catalogue: this many rows are one unit of work. */
static const double SEARCHED_ROWS = 4000;

static size_t text_bytes(const op_item *it)
{
    size_t bytes = it->title.length + it->description.length;
    for (uint32_t i = 0; i < it->category_count; i++) {
        bytes += it->categories[i].length;
    }
    for (uint32_t i = 0; i < it->attribute_count; i++) {
        const attribute *a = &it->attributes[i];
        bytes += a->kind == ATTRIBUTE_TEXT ? a->text.length : 0;
        for (uint32_t t = 0; a->kind == ATTRIBUTE_TEXTS && t < a->text_count; t++) {
            bytes += a->texts[t].length;
        }
    }
    return bytes;
}

static cost_units prepare_cost(const context *c, const op *o)
{
    live_hold hold;
    live_acquire(c->deps->live, &hold);
    double rows = (double)view_item_rows(hold.view);
    live_release(c->deps->live, &hold);
    cost_units units = 0;
    feature unused;
    for (uint32_t i = 0; i < o->count; i++) {
        bool searched = o->items[i].feature_count > 0 || encoded_text_take(c, &unused);
        units += searched ? 1 + rows / SEARCHED_ROWS : 1;
        /* also stored if the text is not searched for words */
        units += cost_text(text_bytes(&o->items[i]));
    }
    return units;
}

static err_code prepare_all(context *c, api_write *w, err *e)
{
    if (w->op->kind == OP_ITEMS_PATCH) {
        /* The items are merged with stored ones, so only the writer knows the complete items and
         * prepares them. */
        return cost_bounded(c, prepare_cost(c, w->op), e);
    }
    w->embeddings = arena_alloc(&w->op->memory, w->op->count, sizeof *w->embeddings);
    w->prepared = arena_alloc(&w->op->memory, w->op->count, sizeof *w->prepared);
    if (w->embeddings == NULL || w->prepared == NULL) {
        w->prepared = NULL;
        return err_nomem(e, "a write of items");
    }
    err_code code = w->op->count == 1 ? encoded_text_ask_item(c, w->op->items, e) : ERR_OK;
    if (code == ERR_OK) {
        code = cost_bounded(c, prepare_cost(c, w->op), e);
    }
    for (uint32_t first = 0; code == ERR_OK && first < w->op->count; first += COLD_BATCH) {
        uint32_t left = w->op->count - first;
        code = prepare_some(c, w, first, left < COLD_BATCH ? left : COLD_BATCH, e);
        if (code == ERR_OK) {
            code = cost_go_on(c, e);
        }
    }
    return code;
}

/* set_location writes "/items/" and the id, percent-encoded where a path needs it. */
static void set_location(api_write *w)
{
    static const char hex[] = "0123456789ABCDEF";
    slice id = w->op->items[0].id;
    char *text = arena_alloc(&w->op->memory, 7 + 3 * id.length, 1);
    if (text == NULL) {
        return;
    }
    memcpy(text, "/items/", 7);
    size_t length = 7;
    for (size_t i = 0; i < id.length; i++) {
        unsigned char c = (unsigned char)id.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            text[length++] = (char)c;
        } else {
            text[length++] = '%';
            text[length++] = hex[c >> 4];
            text[length++] = hex[c & 15];
        }
    }
    w->location = (slice){text, length};
}

/* op_bytes limits the memory of an op. One-digit numbers double in size. The rest is for structs,
 * and for the ids of neighbours, which can have 256 bytes each. Memory is taken block by block, so
 * a small op stays small. */
static size_t op_bytes(const context *c)
{
    return 4 * c->request->body.length + ((size_t)32 << 20);
}

err_code item_write_one(const body_object *o, op_kind kind, slice id, err *e)
{
    context *c = o->c;
    api_write *w;
    err_code code = write_new(c, kind, op_bytes(c), &w, e);
    if (code != ERR_OK) {
        return code;
    }
    op_item *it = arena_alloc(&w->op->memory, 1, sizeof *it);
    if (it == NULL) {
        return err_nomem(e, "an item");
    }
    w->single = true;
    w->list = "/";
    code = read_item(o, w, id, it, e);
    if (code == ERR_OK) {
        code = context_check(c, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    w->op->items = it;
    w->op->count = 1;
    set_location(w);
    code = prepare_all(c, w, e);
    return code == ERR_OK ? write_idempotent(c, w, e) : code;
}

err_code item_write_list(const body_object *o, op_kind kind, err *e)
{
    static const char *const names[] = {"items", NULL};
    context *c = o->c;
    const json_t *list;
    api_write *w;
    body_known(o, names);
    if (json_object_get(o->json, "items") == NULL) {
        problem_at(&c->problems, "/items", "missing");
    }
    body_limit limit = {"batch_items_max", c->deps->limits.batch_items_max};
    err_code code = body_entries(o, "items", limit, &list, e);
    if (code == ERR_OK) {
        code = write_new(c, kind, op_bytes(c), &w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    size_t count = json_array_size(list);
    op_item *items = arena_alloc(&w->op->memory, count, sizeof *items);
    if (items == NULL) {
        return err_nomem(e, "a write of items");
    }
    w->list = "/items";
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        body_object at = {c, json_array_get(list, i), body_pointer_at(c, "/items", i)};
        code = read_item(&at, w, (slice){NULL, 0}, &items[i], e);
    }
    if (code == ERR_OK) {
        code = context_check(c, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    w->op->items = items;
    w->op->count = (uint32_t)count;
    code = prepare_all(c, w, e);
    return code == ERR_OK ? write_idempotent(c, w, e) : code;
}
