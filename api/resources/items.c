/* SPDX-License-Identifier: Apache-2.0 */
/* items: POST, PUT, PATCH and DELETE of one or many items. item_read.c has the reads. */
#include "api/handlers.h"
#include "api/resources/item_write.h"
#include "api/resources/write.h"
#include "api/web/body.h"
#include "api/web/cost.h"
#include "core/common/item_fields.h"

static err_code items_write(context *c, op_kind kind, bool single_too, err *e)
{
    body_object o;
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = body_parse(c, &o, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (single_too && json_object_get(o.json, "items") == NULL) {
        return item_write_one(&o, kind, (slice){NULL, 0}, e);
    }
    return item_write_list(&o, kind, e);
}

err_code handle_items_post(context *c, err *e)
{
    return items_write(c, OP_ITEMS_CREATE, true, e);
}

err_code handle_items_put(context *c, err *e)
{
    return items_write(c, OP_ITEMS_PUT, false, e);
}

err_code handle_items_patch(context *c, err *e)
{
    return items_write(c, OP_ITEMS_PATCH, false, e);
}

static err_code item_id_write(context *c, op_kind kind, err *e)
{
    body_object o;
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = body_parse(c, &o, e);
    }
    return code == ERR_OK ? item_write_one(&o, kind, c->id, e) : code;
}

err_code handle_item_id_put(context *c, err *e)
{
    return item_id_write(c, OP_ITEMS_PUT, e);
}

err_code handle_item_id_patch(context *c, err *e)
{
    return item_id_write(c, OP_ITEMS_PATCH, e);
}

/* delete_write makes an op that deletes these ids, which it copies. */
static err_code delete_write(context *c, const slice *ids, size_t count, api_write **out, err *e)
{
    size_t bytes = count * (sizeof(op_item) + ID_BYTES_MAX) + ((size_t)1 << 16);
    err_code code = write_new(c, OP_ITEMS_DELETE, bytes, out, e);
    if (code != ERR_OK) {
        return code;
    }
    op *o = (*out)->op;
    op_item *items = arena_alloc(&o->memory, count, sizeof *items);
    if (items == NULL) {
        return err_nomem(e, "a deletion");
    }
    for (size_t i = 0; i < count; i++) {
        items[i].id = arena_slice(&o->memory, ids[i]);
        if (items[i].id.at == NULL) {
            return err_nomem(e, "a deletion");
        }
    }
    o->items = items;
    o->count = (uint32_t)count;
    return write_idempotent(c, *out, e);
}

err_code handle_item_id_delete(context *c, err *e)
{
    api_write *w;
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = delete_write(c, &c->id, 1, &w, e);
    }
    if (code == ERR_OK) {
        w->single = true;
    }
    return code;
}

/* Ids that one unit of work checks. */
static const double DELETED = 10;

err_code handle_items_delete_post(context *c, err *e)
{
    static const char *const names[] = {"ids", NULL};
    body_object o;
    const json_t *list;
    const slice *ids;
    size_t count;
    api_write *w;
    query_end(c);
    err_code code = body_parse(c, &o, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t most = c->deps->limits.batch_items_max;
    body_known(&o, names);
    if (json_object_get(o.json, "ids") == NULL) {
        problem_at(&c->problems, "/ids", "missing");
    }
    code = body_entries(&o, "ids", (body_limit){"batch_items_max", most}, &list, e);
    if (code != ERR_OK) {
        return code;
    }
    body_texts(&o, "ids", (body_texts_limits){ID_BYTES_MAX, most}, &ids, &count);
    code = context_check(c, e);
    if (code == ERR_OK) {
        code = cost_bounded(c, 1 + (double)count / DELETED, e);
    }
    if (code == ERR_OK) {
        code = delete_write(c, ids, count, &w, e);
    }
    if (code == ERR_OK) {
        w->list = "/ids";
    }
    return code;
}
