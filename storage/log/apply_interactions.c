/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_interactions: adds and removes interactions.
 *
 * A repeated (user, item, type) keeps the newest time and changes nothing else, so delivering the
 * same interaction twice does no harm. Unknown users are created. Unknown items are created only if
 * the op says so, as hidden items without features until the shop posts them.
 */
#include <string.h>

#include "core/common/types.h"
#include "storage/log/log_private.h"
#include "storage/records/records.h"

err_code apply_type(applying *x, slice name, uint8_t *number, err *e)
{
    bool is_new = false;
    err_code code = type_number(x->w, name, number, &is_new, e);
    if (code == ERR_OK && is_new) {
        change *c = apply_change(x);
        if (c == NULL) {
            return err_nomem(e, "results");
        }
        c->kind = CHANGE_TYPE;
        c->registered.number = *number;
        c->registered.name = name;
    }
    return code;
}

static err_code create_user(applying *x, const op_interaction *in, uint32_t *row, err *e)
{
    err_code code = user_create(x->w, in->user, x->o->time, row, e);
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    c->kind = CHANGE_USER;
    c->row.row = *row;
    c->row.id = in->user;
    return ERR_OK;
}

static err_code create_item(applying *x, const op_interaction *in, uint32_t *row, err *e)
{
    stored_item it = {.hidden = true, .id = in->item, .created = x->o->time, .updated_seq = x->seq};
    change_item *ci = arena_alloc(&x->result->memory, 1, sizeof *ci);
    err_code code =
        ci != NULL ? item_gone(x->r, in->item, &it.predecessor, e) : err_nomem(e, "results");
    if (code == ERR_OK) {
        code = item_create(x->w, &it, row, e);
    }
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    *ci = (change_item){.row = *row,
                        .created = true,
                        .hidden = true,
                        .features_changed = true,
                        .id = in->item,
                        .predecessor = it.predecessor,
                        .created_at = it.created,
                        .updated_seq = x->seq};
    c->kind = CHANGE_ITEM;
    c->item = ci;
    return ERR_OK;
}

static err_code put_edge(applying *x, uint32_t index, const interaction *wanted, err *e)
{
    interaction now = *wanted, old;
    bool known = false;
    err why = ERR_INIT;
    err_code code = interaction_get(x->r, now.user, now.item, now.type, &old, &why);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        return err_set(e, code, "%s", why.text);
    }
    bool repeat = code == ERR_OK;
    if (repeat) {
        old.time = now.time > old.time ? now.time : old.time;
        old.split = now.split < old.split ? now.split : old.split;
        now = old;
    }
    code = interaction_put(x->w, &now, &known, e);
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    c->kind = CHANGE_EDGE;
    c->edge = (change_edge){.user = now.user,
                            .item = now.item,
                            .type = now.type,
                            .split = now.split,
                            .flags = now.flags,
                            .known = repeat,
                            .weight = now.weight,
                            .time = now.time};
    x->result->entries[index].outcome = repeat ? APPLY_UPDATED : APPLY_CREATED;
    return ERR_OK;
}

/* find_rows looks up both ids; ROW_NONE for an unknown one. */
static err_code find_rows(applying *x, const op_interaction *in, uint32_t *user, uint32_t *item,
                          err *e)
{
    err why = ERR_INIT;
    err_code code = user_find(x->r, in->user, user, &why);
    if (code == ERR_OK || code == ERR_NOT_FOUND) {
        why.code = ERR_OK;
        code = item_find(x->r, in->item, item, &why);
    }
    return code == ERR_NOT_FOUND || code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}

static err_code add_one(applying *x, uint32_t index, err *e)
{
    const op_interaction *in = &x->o->interactions[index];
    apply_entry *entry = &x->result->entries[index];
    uint32_t user = ROW_NONE, item = ROW_NONE;
    uint8_t type = 0;
    err_code code = find_rows(x, in, &user, &item, e);
    entry->user_row = user;
    if (code == ERR_OK && item == ROW_NONE && !x->o->create_items) {
        return apply_refuse(x, index, ERR_NOT_FOUND, "/item", "unknown item");
    }
    if (code == ERR_OK) {
        err why = ERR_INIT;
        code = apply_type(x, in->type, &type, &why);
        if (code != ERR_OK) {
            return apply_refuse_as(x, index, "/type", &why, e);
        }
    }
    if (code == ERR_OK && user == ROW_NONE) {
        code = create_user(x, in, &user, e);
    }
    if (code == ERR_OK && item == ROW_NONE) {
        code = create_item(x, in, &item, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    entry->user_row = user;
    entry->row = item;
    x->users[x->user_count++] = user;
    interaction wanted = {.user = user,
                          .item = item,
                          .type = type,
                          .split = in->split,
                          .flags = in->flags,
                          .weight = in->weight,
                          .time = in->time};
    return put_edge(x, index, &wanted, e);
}

static err_code remove_edge(applying *x, uint32_t index, uint32_t user, uint32_t item, uint8_t type,
                            err *e)
{
    err_code code = interaction_remove(x->w, user, item, type, e);
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    c->kind = CHANGE_EDGE_GONE;
    c->edge.user = user;
    c->edge.item = item;
    c->edge.type = type;
    x->result->entries[index].removed++;
    return ERR_OK;
}

typedef struct pair_types {
    uint32_t item;
    uint8_t types[INTERACTION_TYPES_MAX];
    size_t count;
} pair_types;

static err_code collect_type(void *ctx, const interaction *edge, err *e)
{
    pair_types *found = ctx;
    (void)e;
    if (edge->item != found->item || found->count == INTERACTION_TYPES_MAX) {
        return ERR_CANCELLED;
    }
    found->types[found->count++] = edge->type;
    return ERR_OK;
}

/* remove_of_row removes the user's interactions with one row: of type `wanted`, or of all types. */
static err_code remove_of_row(applying *x, uint32_t index, uint32_t user, uint32_t item,
                              const uint8_t *wanted, err *e)
{
    pair_types found = {.item = item};
    err_code code = interactions_of_user(x->r, user, item, collect_type, &found, e);
    for (size_t i = 0; code == ERR_OK && i < found.count; i++) {
        if (wanted == NULL || found.types[i] == *wanted) {
            code = remove_edge(x, index, user, item, found.types[i], e);
        }
    }
    return code;
}

/* row_before returns the row that the item's id had before this one, or ROW_NONE. */
static err_code row_before(applying *x, uint32_t item, uint32_t *out, err *e)
{
    arena memory;
    stored_item it;
    arena_init(&memory, OP_BYTES_MAX);
    err_code code = item_get(x->r, item, &memory, &it, e);
    *out = code == ERR_OK && it.predecessor != 0 ? it.predecessor - 1 : ROW_NONE;
    arena_fini(&memory);
    return code;
}

/* remove_one removes the interactions of one entry. If its item was deleted and created again,
 * earlier interactions are with its earlier rows. */
static err_code remove_one(applying *x, uint32_t index, err *e)
{
    const op_interaction *in = &x->o->interactions[index];
    apply_entry *entry = &x->result->entries[index];
    uint32_t user = ROW_NONE, item = ROW_NONE;
    err_code code = find_rows(x, in, &user, &item, e);
    if (code != ERR_OK) {
        return code;
    }
    entry->user_row = user;
    entry->row = item;
    if (user == ROW_NONE || item == ROW_NONE) {
        return apply_refuse(x, index, ERR_NOT_FOUND, user == ROW_NONE ? "/user" : "/item",
                            user == ROW_NONE ? "unknown user" : "unknown item");
    }
    x->users[x->user_count++] = user;
    uint8_t type = 0;
    bool one = in->type.at != NULL;
    bool known = !one || type_find(x->r, in->type, &type, NULL) == ERR_OK;
    for (int i = 0; code == ERR_OK && known && i < ITEM_LIVES_MAX && item != ROW_NONE; i++) {
        code = remove_of_row(x, index, user, item, one ? &type : NULL, e);
        if (code == ERR_OK) {
            code = row_before(x, item, &item, e);
        }
    }
    if (code == ERR_OK && entry->removed == 0) {
        return apply_refuse(x, index, ERR_NOT_FOUND, NULL, "no such interaction");
    }
    entry->outcome = APPLY_REMOVED;
    return code;
}

err_code apply_interactions(applying *x, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; i < x->o->count && code == ERR_OK; i++) {
        code = x->o->kind == OP_INTERACTIONS_ADD ? add_one(x, i, e) : remove_one(x, i, e);
    }
    return code;
}
