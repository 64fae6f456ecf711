/* SPDX-License-Identifier: Apache-2.0 */
/* users: GET and DELETE /users/{id}, and GET /users/{id}/interactions. */
#include <string.h>

#include "api/handlers.h"
#include "api/resources/write.h"
#include "api/web/cost.h"
#include "api/web/quote.h"
#include "api/web/store_answer.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

static const char *const split_names[] = {"train", "valid", "test"};

static err_code find_user(context *c, store_read *read, uint32_t *row, err *e)
{
    err_code code = user_find(read, c->id, row, NULL);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "there is no user %s", quote(c->id).text);
    }
    return code != ERR_OK ? err_set(e, code, "reading a user") : ERR_OK;
}

typedef struct listing {
    context *c;
    store_read *read;
    const slice *types;
    size_t type_count;
    json_t *list; /* the interactions as JSON; NULL: count them only */
    size_t limit;
    uint32_t last; /* item of the last entry */
    uint32_t next;
    bool more;
    uint64_t count; /* interactions with existing items */
} listing;

/* replaced tells whether the user has a record of this type with a later row of the item's id. */
static err_code replaced(const listing *l, const interaction *x, bool *out, err *e)
{
    interaction later;
    uint32_t row = view_item_next(l->c->view, x->item);
    *out = false;
    for (int i = 0; i < ITEM_LIVES_MAX && row != ROW_NONE && !*out; i++) {
        err why = ERR_INIT;
        err_code code = interaction_get(l->read, x->user, row, x->type, &later, &why);
        if (code != ERR_OK && code != ERR_NOT_FOUND) {
            return err_set(e, code, "%s", why.text);
        }
        *out = code == ERR_OK;
        row = view_item_next(l->c->view, row);
    }
    return ERR_OK;
}

/* visit adds an interaction to the page. A page ends between two items, never between two records
 * of one item. If an item was deleted and created again, its earlier records are listed, unless
 * newer ones repeat them. */
static err_code visit(void *ctx, const interaction *x, err *e)
{
    listing *l = ctx;
    bool old = false;
    uint32_t heir = view_item_heir(l->c->view, x->item);
    if (heir == ROW_NONE) {
        return ERR_OK; /* the item is deleted, so the mark has no effect */
    }
    err_code code = heir != x->item ? replaced(l, x, &old, e) : ERR_OK;
    if (code != ERR_OK || old) {
        return code;
    }
    slice id = view_item_id(l->c->view, heir);
    l->count++;
    if (l->list == NULL) {
        return ERR_OK;
    }
    if (json_array_size(l->list) >= l->limit && x->item != l->last) {
        l->next = x->item;
        l->more = true;
        return ERR_CANCELLED;
    }
    l->last = x->item;
    slice type = x->type < l->type_count ? l->types[x->type] : (slice){NULL, 0};
    json_t *entry = json_pack("{s:o,s:o,s:o,s:o}", "item", tree_text(id), "type", tree_text(type),
                              "timestamp", tree_time(x->time), "weight", tree_float(x->weight));
    if (entry != NULL && x->split > 0 && x->split < 3) {
        json_object_set_new(entry, "split", json_string(split_names[x->split]));
    }
    return json_array_append_new(l->list, entry) == 0 ? ERR_OK : err_nomem(e, "interactions");
}

static err_code read_user(context *c, store_read *read, json_t **out, err *e)
{
    uint32_t row;
    stored_user user;
    store_info info;
    listing l = {.c = c, .read = read};
    err_code code = find_user(c, read, &row, e);
    if (code == ERR_OK) {
        code = user_get(read, row, c->memory, &user, e);
    }
    if (code == ERR_OK) {
        code = interactions_of_user(read, row, 0, visit, &l, e);
    }
    if (code == ERR_OK) {
        code = store_read_stat(read, &info, e);
    }
    if (code == ERR_OK) {
        *out = json_pack("{s:o,s:o,s:I,s:I}", "user", tree_text(user.id), "created",
                         tree_time(user.created), "interactions", (json_int_t)l.count, "seq",
                         (json_int_t)info.seq);
    }
    return code;
}

/* Records that one unit of work counts, or lists. */
static const double COUNTED = 200, LISTED = 64;

static cost_units user_cost(const context *c)
{
    size_t count = 0;
    uint32_t row = view_user_find(c->view, c->id);
    if (row != ROW_NONE) {
        (void)view_user_edges(c->view, row, &count);
    }
    return 1 + (double)count / COUNTED;
}

err_code handle_user_get(context *c, err *e)
{
    store_read *read;
    json_t *answer = NULL;
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = context_read(c, &read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_view(c);
    code = cost_bounded(c, user_cost(c), e);
    if (code == ERR_OK) {
        code = read_user(c, read, &answer, e);
    }
    store_read_end(read);
    return code == ERR_OK ? answer_tree(c, answer, e) : code;
}

static err_code read_interactions(listing *l, store_read *read, uint32_t first, json_t **out,
                                  err *e)
{
    context *c = l->c;
    uint32_t row;
    store_info info;
    l->read = read;
    err_code code = find_user(c, read, &row, e);
    if (code == ERR_OK) {
        code = type_names(read, c->memory, &l->types, &l->type_count, e);
    }
    if (code == ERR_OK) {
        code = interactions_of_user(read, row, first, visit, l, e);
    }
    if (code == ERR_OK) {
        code = store_read_stat(read, &info, e);
    }
    if (code == ERR_OK) {
        *out = json_pack("{s:o,s:O,s:o,s:I}", "user", tree_text(c->id), "interactions", l->list,
                         "next_cursor", tree_cursor(l->more, l->next), "seq", (json_int_t)info.seq);
    }
    return code;
}

err_code handle_user_interactions_get(context *c, err *e)
{
    store_read *read;
    json_t *answer = NULL;
    uint32_t first = 0;
    listing l = {.c = c, .last = ROW_NONE};
    query_limit(c, &l.limit);
    query_cursor(c, &first);
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = context_read(c, &read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_view(c);
    code = cost_bounded(c, user_cost(c) + (double)l.limit / LISTED, e);
    if (code == ERR_OK) {
        l.list = json_array();
        code = l.list != NULL ? read_interactions(&l, read, first, &answer, e)
                              : err_nomem(e, "interactions");
    }
    store_read_end(read);
    json_decref(l.list);
    return code == ERR_OK ? answer_tree(c, answer, e) : code;
}

err_code handle_user_delete(context *c, err *e)
{
    api_write *w;
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = write_new(c, OP_USER_ERASE, 1 << 16, &w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    w->single = true;
    w->op->count = 1;
    w->erasure = c->deps->erasure;
    w->op->user = arena_slice(&w->op->memory, c->id);
    return w->op->user.at != NULL ? ERR_OK : err_nomem(e, "an erasure");
}
