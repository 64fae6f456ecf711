/* SPDX-License-Identifier: Apache-2.0 */
/* interactions: POST and DELETE /interactions. */
#include <string.h>

#include "api/handlers.h"
#include "api/resources/write.h"
#include "api/web/body.h"
#include "api/web/cost.h"
#include "api/web/json_shape.h"
#include "api/web/quote.h"
#include "core/common/item_fields.h"
#include "storage/exchange/interaction_json.h"

enum { RECOMMENDATION_ID_BYTES_MAX = 128 };

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

/* take_recommendation_id checks the member and removes it from the document, which then describes
 * only the interaction. */
static void take_recommendation_id(const body_object *o)
{
    slice id;
    body_text(o, "recommendation_id", RECOMMENDATION_ID_BYTES_MAX, &id);
    json_object_del((json_t *)o->json, "recommendation_id");
}

static bool take_unknown_items(const body_object *o)
{
    slice text = {NULL, 0};
    bool create = false;
    if (body_text(o, "unknown_items", 64, &text)) {
        create = slice_equal(text, slice_of("create"));
        if (!create && !slice_equal(text, slice_of("refuse"))) {
            problem_at(&o->c->problems, "/unknown_items",
                       "expected \"refuse\" or \"create\", not %s", quote(text).text);
        }
    }
    json_object_del((json_t *)o->json, "unknown_items");
    return create;
}

/* read_entry reads one interaction. `also` names the members of a single interaction that an entry
 * of a list does not have. */
static err_code read_entry(const body_object *o, const char *also, op *into, op_interaction *out,
                           err *e)
{
    context *c = o->c;
    if (!json_is_object(o->json)) {
        problem_at(&c->problems, o->pointer, "expected an object");
        return ERR_OK;
    }
    take_recommendation_id(o);
    entry_report at = {c, o->pointer};
    const interaction_json_options options = {
        .types = c->deps->types,
        .now = c->request->now,
        .with_split = false,
        .also = also,
        .memory = &into->memory,
        .report = report_entry,
        .report_ctx = &at,
    };
    size_t before = c->problems.found;
    err own = ERR_INIT;
    err_code code = interaction_json_read(o->json, &options, out, &own);
    if (code == ERR_INVALID) {
        if (c->problems.found == before) {
            problem_at(&c->problems, o->pointer, "%s", own.text);
        }
        return ERR_OK;
    }
    return code != ERR_OK ? err_set(e, code, "%s", own.text) : ERR_OK;
}

static err_code add_single(const body_object *o, op *into, err *e)
{
    op_interaction *x = arena_alloc(&into->memory, 1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "an interaction");
    }
    into->create_items = take_unknown_items(o);
    into->interactions = x;
    into->count = 1;
    return read_entry(o, "recommendation_id, unknown_items", into, x, e);
}

static err_code add_list(const body_object *o, op *into, err *e)
{
    static const char *const names[] = {"interactions", "unknown_items", "recommendation_id", NULL};
    context *c = o->c;
    const json_t *list;
    body_known(o, names);
    take_recommendation_id(o);
    into->create_items = take_unknown_items(o);
    body_limit limit = {"batch_interactions_max", c->deps->limits.batch_interactions_max};
    err_code code = body_entries(o, "interactions", limit, &list, e);
    if (code != ERR_OK || list == NULL) {
        return code;
    }
    size_t count = json_array_size(list);
    op_interaction *x = arena_alloc(&into->memory, count, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "interactions");
    }
    into->interactions = x;
    into->count = (uint32_t)count;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        body_object at = {c, json_array_get(list, i), body_pointer_at(c, "/interactions", i)};
        code = read_entry(&at, "recommendation_id", into, &x[i], e);
    }
    return code;
}

/* Interactions that one unit of work checks. */
static const double WRITTEN = 10;

/* The shortest entry of a list: {"user":"u","item":"i"}, */
enum { ENTRY_BYTES_MIN = 24 };

/* postpone_list postpones a long list before it is parsed, because a postponed request is parsed
 * again from its beginning. Entries are counted without parsing: each is an object, and the list is
 * in one. */
static err_code postpone_list(context *c, err *e)
{
    slice text = c->request->body;
    if (!c->request->short_only || (double)(text.length / ENTRY_BYTES_MIN) < COST_SHORT * WRITTEN) {
        return ERR_OK;
    }
    size_t objects = json_shape_of(text).objects;
    return cost_while_short(c, (double)objects / WRITTEN, e);
}

err_code handle_interactions_post(context *c, err *e)
{
    body_object o;
    api_write *w;
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = postpone_list(c, e);
    }
    if (code == ERR_OK) {
        code = body_parse(c, &o, e);
    }
    if (code == ERR_OK) {
        size_t bytes = 8 * c->request->body.length + ((size_t)8 << 20);
        code = write_new(c, OP_INTERACTIONS_ADD, bytes, &w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (json_object_get(o.json, "interactions") != NULL) {
        w->list = "/interactions";
        code = add_list(&o, w->op, e);
    } else {
        w->single = true;
        w->list = "/";
        code = add_single(&o, w->op, e);
    }
    if (code == ERR_OK) {
        code = context_check(c, e);
    }
    if (code == ERR_OK) {
        code = cost_bounded(c, 1 + (double)w->op->count / WRITTEN, e);
    }
    return code == ERR_OK ? write_idempotent(c, w, e) : code;
}

static void required_id(context *c, const char *name, slice *out)
{
    size_t before = c->problems.found;
    if (!query_id(c, name, out) && c->problems.found == before) {
        problem_parameter(&c->problems, slice_of(name), "missing");
    }
}

err_code handle_interactions_delete(context *c, err *e)
{
    slice user = {NULL, 0}, item = {NULL, 0}, type = {NULL, 0};
    api_write *w;
    required_id(c, "user", &user);
    required_id(c, "item", &item);
    if (query_text(c, "type", &type) &&
        (type.length < 1 || type.length > INTERACTION_TYPE_BYTES_MAX)) {
        problem_parameter(&c->problems, slice_of("type"), "expected 1 to %d bytes",
                          INTERACTION_TYPE_BYTES_MAX);
    }
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = write_new(c, OP_INTERACTIONS_REMOVE, 1 << 16, &w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    arena *memory = &w->op->memory;
    op_interaction *x = arena_alloc(memory, 1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "a removal");
    }
    x->user = arena_slice(memory, user);
    x->item = arena_slice(memory, item);
    x->type = arena_slice(memory, type);
    x->weight = 1.0F;
    if (x->user.at == NULL || x->item.at == NULL || (type.at != NULL && x->type.at == NULL)) {
        return err_nomem(e, "a removal");
    }
    w->op->interactions = x;
    w->op->count = 1;
    w->single = true;
    return ERR_OK;
}
