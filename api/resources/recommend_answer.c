/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/recommend_answer.h"

#include "api/web/store_answer.h"
#include "storage/exchange/item_json.h"
#include "storage/records/items.h"

err_code answer_view(context *c, unsigned fields, err *e)
{
    if (fields != 0) {
        return context_read(c, &c->read, e);
    }
    context_view(c);
    return ERR_OK;
}

err_code rows_of(context *c, const slice *ids, size_t id_count, const uint32_t **rows,
                 size_t *count, err *e)
{
    uint32_t *found = arena_alloc(c->memory, id_count, sizeof *found);
    *rows = found;
    *count = 0;
    if (found == NULL) {
        return err_nomem(e, "a list of items");
    }
    for (size_t i = 0; i < id_count; i++) {
        uint32_t row = view_item_find(c->view, ids[i]);
        if (row != ROW_NONE) {
            found[(*count)++] = row;
        }
    }
    return ERR_OK;
}

void answer_fallback(context *c, recommend_fallback fallback)
{
    buffer *b = &c->response->body;
    json_put_key(b, "fallback");
    const char *name = recommend_fallback_name(fallback);
    if (name == NULL) {
        buffer_put(b, "null", 4);
    } else {
        json_put_text(b, name);
    }
}

static void put_explain(context *c, const recommend_hit *hit)
{
    buffer *b = &c->response->body;
    json_put_key(b, "explain");
    if (hit->popular) {
        buffer_put(b, "null", 4);
        return;
    }
    buffer_put_text(b, "{\"collaborative\":");
    json_put_float(b, hit->collaborative);
    buffer_put_text(b, ",\"multimodal\":");
    json_put_float(b, hit->multimodal);
    buffer_put_text(b, ",\"because\":[");
    for (size_t i = 0; i < hit->because_count; i++) {
        slice id = view_item_id(c->view, hit->because[i].item);
        if (id.at == NULL) {
            continue;
        }
        json_put_comma(b);
        buffer_put_text(b, "{\"item\":");
        json_put_string(b, id);
        buffer_put_text(b, ",\"similarity\":");
        json_put_float(b, hit->because[i].similarity);
        buffer_put_text(b, "}");
    }
    buffer_put_text(b, "]}");
}

static void put_text(buffer *b, const char *key, slice text)
{
    json_put_key(b, key);
    if (text.at == NULL) {
        buffer_put(b, "null", 4);
    } else {
        json_put_string(b, text);
    }
}

/* put_fields writes members that only the store has. An item that was deleted this moment keeps its
 * entry without them. */
static err_code put_fields(context *c, store_read *read, uint32_t row, unsigned fields, err *e)
{
    buffer *b = &c->response->body;
    stored_item it;
    err ignored = ERR_INIT;
    arena_reset(&c->workspace->record);
    err_code code = item_get(read, row, &c->workspace->record, &it, &ignored);
    if (code == ERR_NOT_FOUND || (code == ERR_OK && it.deleted)) {
        return ERR_OK;
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", ignored.text);
    }
    if (fields & FIELD_TITLE) {
        put_text(b, "title", it.title);
    }
    if (fields & FIELD_DESCRIPTION) {
        put_text(b, "description", it.description);
    }
    if (fields & FIELD_CATEGORIES) {
        json_put_key(b, "categories");
        buffer_put(b, "[", 1);
        for (uint32_t i = 0; i < it.category_count; i++) {
            json_put_comma(b);
            json_put_string(b, it.categories[i]);
        }
        buffer_put(b, "]", 1);
    }
    if (fields & FIELD_ATTRIBUTES) {
        json_t *attributes = json_object();
        for (uint32_t i = 0; attributes != NULL && i < it.attribute_count; i++) {
            const attribute *a = &it.attributes[i];
            json_object_setn_new(attributes, a->name.at, a->name.length, attribute_json_new(a));
        }
        if (attributes == NULL) {
            return err_nomem(e, "an answer");
        }
        json_put_key(b, "attributes");
        tree_put(b, attributes);
        json_decref(attributes);
    }
    return ERR_OK;
}

err_code answer_items(context *c, const recommend_result *result,
                      const answer_items_options *options, err *e)
{
    buffer *b = &c->response->body;
    store_read *read = c->read;
    err_code code = ERR_OK;
    c->response->lists[result->fallback]++;
    c->response->lists_inexact += !result->exact;
    json_put_key(b, "items");
    buffer_put(b, "[", 1);
    for (size_t i = 0; code == ERR_OK && i < result->count; i++) {
        const recommend_hit *hit = &result->hits[i];
        buffer_put_text(b, i > 0 ? ",{\"item\":" : "{\"item\":");
        json_put_string(b, view_item_id(c->view, hit->row));
        buffer_put_text(b, ",\"score\":");
        if (options->created) {
            json_put_signed(b, view_item_created(c->view, hit->row));
        } else {
            json_put_float(b, hit->score);
        }
        if (options->explain) {
            put_explain(c, hit);
        }
        if (options->fields != 0) {
            code = put_fields(c, read, hit->row, options->fields, e);
        }
        buffer_put(b, "}", 1);
        if (code == ERR_OK) {
            code = json_answer_check(b, e);
        }
    }
    buffer_put(b, "]", 1);
    return code;
}
