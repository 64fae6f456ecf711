/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/exchange/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/arena.h"
#include "core/common/mem.h"
#include "core/common/types.h"
#include "storage/exchange/interaction_json.h"
#include "storage/exchange/item_json.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

enum { ARENA_BYTES_MAX = 32 * 1024 * 1024, FLOAT_DIGITS = 9 };

/* Room for the ids of the largest catalogue and user base that one process can serve. */
static const size_t ids_bytes_max = (size_t)1 << 36;

typedef struct writing {
    store_read *reads;
    export_sink sink;
    void *ctx;
    err_code refused; /* the sink's error when it refused bytes */
    export_counts counts;
    arena memory; /* reset for each line */
    arena ids;    /* holds all ids, for interactions */
    slice *items; /* (item_rows) absent for deleted items */
    slice *users; /* (user_rows) */
    const slice *types;
    size_t type_count, item_rows, user_rows;
} writing;

/* write_line writes one document and its line end. It takes over `document`. */
static err_code write_line(writing *w, json_t *document, size_t digits, err *e)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(digits));
    json_decref(document);
    if (text == NULL) {
        return err_nomem(e, "a line of the export");
    }
    size_t length = strlen(text);
    text[length] = '\n'; /* replaces the NUL, since a line is passed by length */
    w->refused = w->sink(w->ctx, text, length + 1, e);
    free(text); /* allocated by json_dumps */
    if (w->refused == ERR_OK) {
        w->counts.lines++;
        w->counts.bytes += length + 1;
    }
    return w->refused;
}

/* outcome returns the result of an export. A walk treats a visitor's ERR_CANCELLED as a normal
 * early end. If the sink returned it, the export is incomplete, so the sink's error takes
 * precedence. */
static err_code outcome(const writing *w, err_code walked)
{
    return w->refused != ERR_OK ? w->refused : walked;
}

/* digits_of returns with how many digits an item's numbers are written: 15, so that 59.95 does not
 * become 59.950000000000003, or 17 if a number needs them. */
static size_t digits_of(const stored_item *it)
{
    for (uint32_t i = 0; i < it->attribute_count; i++) {
        if (it->attributes[i].kind == ATTRIBUTE_NUMBER) {
            char text[40];
            snprintf(text, sizeof text, "%.15g", it->attributes[i].number);
            if (strtod(text, NULL) != it->attributes[i].number) {
                return 17;
            }
        }
    }
    return 15;
}

static err_code write_item(void *ctx, const stored_item *it, err *e)
{
    writing *w = ctx;
    const feature *features = NULL;
    size_t count = 0;
    json_t *document = NULL;
    if (it->deleted) {
        return ERR_OK;
    }
    arena_reset(&w->memory);
    err_code code = features_get(w->reads, it->row, &w->memory, &features, &count, e);
    if (code == ERR_OK) {
        code = item_json_new(&document, it, ITEM_JSON_ALL, features, count, e);
    }
    return code == ERR_OK ? write_line(w, document, digits_of(it), e) : code;
}

err_code export_items(store_read *r, export_sink sink, void *ctx, export_counts *counts, err *e)
{
    writing w = {.reads = r, .sink = sink, .ctx = ctx};
    arena_init(&w.memory, ARENA_BYTES_MAX);
    err_code code = outcome(&w, item_each(r, 0, write_item, &w, e));
    arena_fini(&w.memory);
    if (counts != NULL) {
        *counts = w.counts;
    }
    return code;
}

static err_code know_item(void *ctx, const stored_item *it, err *e)
{
    writing *w = ctx;
    if (it->deleted || it->row >= w->item_rows) {
        return ERR_OK;
    }
    w->items[it->row] = arena_slice(&w->ids, it->id);
    return w->items[it->row].at != NULL ? ERR_OK : err_nomem(e, "the items' ids");
}

static err_code know_user(void *ctx, const stored_user *u, err *e)
{
    writing *w = ctx;
    if (u->row >= w->user_rows) {
        return ERR_OK;
    }
    w->users[u->row] = arena_slice(&w->ids, u->id);
    return w->users[u->row].at != NULL ? ERR_OK : err_nomem(e, "the users' ids");
}

static err_code write_interaction(void *ctx, const interaction *x, err *e)
{
    writing *w = ctx;
    if (x->item >= w->item_rows || w->items[x->item].at == NULL) {
        return ERR_OK; /* the item is deleted */
    }
    if (x->user >= w->user_rows || w->users[x->user].at == NULL || x->type >= w->type_count) {
        return err_set(e, ERR_CORRUPT,
                       "an interaction of user row %u refers to a user or type that does not exist",
                       x->user);
    }
    op_interaction out = {.user = w->users[x->user],
                          .item = w->items[x->item],
                          .type = w->types[x->type],
                          .time = x->time,
                          .weight = x->weight,
                          .flags = x->flags,
                          .split = x->split};
    json_t *document = NULL;
    err_code code = interaction_json_new(&document, &out, true, e);
    return code == ERR_OK ? write_line(w, document, FLOAT_DIGITS, e) : code;
}

static err_code know_names(writing *w, err *e)
{
    store_info info;
    err_code code = store_read_stat(w->reads, &info, e);
    if (code != ERR_OK) {
        return code;
    }
    w->item_rows = info.item_rows;
    w->user_rows = info.user_rows;
    w->items = mem_array(w->item_rows, sizeof *w->items);
    w->users = mem_array(w->user_rows, sizeof *w->users);
    if (w->items == NULL || w->users == NULL) {
        return err_nomem(e, "the ids");
    }
    code = type_names(w->reads, &w->ids, &w->types, &w->type_count, e);
    if (code == ERR_OK) {
        code = item_each(w->reads, 0, know_item, w, e);
    }
    return code == ERR_OK ? user_each(w->reads, 0, know_user, w, e) : code;
}

err_code export_interactions(store_read *r, export_sink sink, void *ctx, export_counts *counts,
                             err *e)
{
    writing w = {.reads = r, .sink = sink, .ctx = ctx};
    arena_init(&w.ids, ids_bytes_max);
    err_code code = know_names(&w, e);
    if (code == ERR_OK) {
        code = outcome(&w, interactions_each(r, write_interaction, &w, e));
    }
    arena_fini(&w.ids);
    mem_free(w.items);
    mem_free(w.users);
    if (counts != NULL) {
        *counts = w.counts;
    }
    return code;
}
