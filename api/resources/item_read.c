/* SPDX-License-Identifier: Apache-2.0 */
/* item_read: GET /items/{id} and GET /items. */
#include "api/handlers.h"
#include "api/web/cost.h"
#include "api/web/quote.h"
#include "api/web/store_answer.h"
#include "core/common/mem.h"
#include "storage/exchange/item_json.h"
#include "storage/records/features.h"
#include "storage/records/items.h"

/* One page reads at most this many records, so that a rare `updated_before` keeps no read
 * transaction open for long. Such a page may be short or empty, and its cursor continues. */
enum { PAGE_RECORDS_MAX = 50000 };

/* The names of fields, in the order of the ITEM_JSON_ bits, with features last. */
static const char *const field_names[] = {"title",  "categories",  "attributes", "created",
                                          "hidden", "description", "features",   NULL};
enum { FIELD_FEATURES = 64 };

/* Numbers of a vector that one unit of work writes. */
static const double NUMBERS = 400;

static cost_units features_cost(const feature *features, size_t count)
{
    double numbers = 0;
    for (size_t i = 0; i < count; i++) {
        numbers += features[i].width;
    }
    return numbers / NUMBERS;
}

/* document makes the JSON document of one item as `read` sees it. */
static err_code document(context *c, store_read *read, const stored_item *it, unsigned fields,
                         json_t **out, err *e)
{
    const feature *features = NULL;
    size_t feature_count = 0;
    *out = NULL;
    if (fields & FIELD_FEATURES) {
        arena *record = &c->workspace->record;
        arena_reset(record);
        err_code code = features_get(read, it->row, record, &features, &feature_count, e);
        if (code == ERR_OK) {
            code = cost_while_short(c, features_cost(features, feature_count), e);
        }
        if (code != ERR_OK) {
            return code;
        }
    }
    err_code code = item_json_new(out, it, fields & ITEM_JSON_ALL, features, feature_count, e);
    if (code == ERR_OK && (fields & ITEM_JSON_TITLE) && it->title.at == NULL) {
        json_object_set_new(*out, "title", json_null());
    }
    if (code == ERR_OK && (fields & ITEM_JSON_DESCRIPTION) && it->description.at == NULL) {
        json_object_set_new(*out, "description", json_null());
    }
    if (code == ERR_OK) {
        json_object_set_new(*out, "updated_seq", json_integer((json_int_t)it->updated_seq));
    }
    return code;
}

/* add_embedding adds the vector that ranks the item, or null. */
static err_code add_embedding(context *c, json_t *into, slice id, err *e)
{
    context_view(c);
    uint32_t row = view_item_find(c->view, id);
    size_t dim = view_dim(c->view);
    float *vector = arena_alloc(c->memory, dim, sizeof *vector);
    if (vector == NULL) {
        return err_nomem(e, "an embedding");
    }
    json_t *list = json_null();
    if (row != ROW_NONE && view_item_vector(c->view, row, vector)) {
        list = json_array();
        for (size_t i = 0; i < dim; i++) {
            json_array_append_new(list, tree_float(vector[i]));
        }
    }
    json_object_set_new(into, "embedding", list);
    json_object_set_new(into, "model", tree_generation(view_generation(c->view)));
    return ERR_OK;
}

static err_code not_found(slice id, err *e)
{
    return err_set(e, ERR_NOT_FOUND, "there is no item %s", quote(id).text);
}

static err_code read_one(context *c, store_read *read, unsigned fields, json_t **out, err *e)
{
    stored_item it;
    store_info info;
    uint32_t row;
    err_code code = item_find(read, c->id, &row, NULL);
    if (code == ERR_NOT_FOUND) {
        return not_found(c->id, e);
    }
    if (code == ERR_OK) {
        code = item_get(read, row, c->memory, &it, e);
    }
    if (code == ERR_OK) {
        code = document(c, read, &it, fields, out, e);
    }
    if (code == ERR_OK) {
        code = store_read_stat(read, &info, e);
    }
    if (code == ERR_OK) {
        json_object_set_new(*out, "seq", json_integer((json_int_t)info.seq));
    }
    return code != ERR_OK ? err_set(e, code, "reading an item") : ERR_OK;
}

err_code handle_item_id_get(context *c, err *e)
{
    unsigned fields = ITEM_JSON_ALL;
    bool embedding = false;
    json_t *answer = NULL;
    store_read *read;
    query_words(c, "fields", field_names, &fields);
    query_bool(c, "embedding", &embedding);
    query_end(c);
    context_id_check(c, slice_of("id"), c->id);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = cost_bounded(c, 1, e);
    }
    if (code == ERR_OK) {
        code = context_read(c, &read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    code = read_one(c, read, fields, &answer, e);
    store_read_end(read);
    if (code == ERR_OK && embedding) {
        code = add_embedding(c, answer, c->id, e);
    }
    if (code != ERR_OK) {
        json_decref(answer);
        return code;
    }
    code = answer_tree(c, answer, e);
    cost_more(c, cost_bytes(c->response->body.length));
    return code;
}

typedef struct page {
    context *c;
    store_read *read;
    size_t limit, count, seen;
    uint64_t updated_before;
    unsigned fields;
    uint32_t next;
    bool more;
} page;

/* page_item writes one item of a page into the answer before the next is read. An answer that is
 * too long stops at its limit: as a tree, a page of wide features would take several times its
 * text. */
static err_code page_item(void *ctx, const stored_item *it, err *e)
{
    page *p = ctx;
    buffer *b = &p->c->response->body;
    if (p->count == p->limit || p->seen++ == PAGE_RECORDS_MAX) {
        p->next = it->row;
        p->more = true;
        return ERR_CANCELLED;
    }
    if (it->deleted || it->updated_seq >= p->updated_before) {
        return ERR_OK;
    }
    json_t *one;
    err_code code = document(p->c, p->read, it, p->fields, &one, e);
    if (code != ERR_OK) {
        return code;
    }
    json_put_comma(b);
    tree_put(b, one);
    json_decref(one);
    p->count++;
    code = json_answer_check(b, e);
    if (code == ERR_OK) {
        code = cost_while_short(p->c, cost_bytes(b->length), e);
    }
    return code == ERR_OK ? cost_go_on(p->c, e) : code;
}

/* What one unit of work covers in a page: items written, vectors written, records read. */
static const double ITEMS = 32, VECTORS = 0.1, RECORDS = 200;

static cost_units page_cost(const page *p)
{
    double limit = (double)p->limit;
    return 1 + limit / ITEMS + ((p->fields & FIELD_FEATURES) != 0 ? limit / VECTORS : 0) +
           (p->updated_before != UINT64_MAX ? PAGE_RECORDS_MAX / RECORDS : 0);
}

static err_code answer_page(page *p, uint32_t first, err *e)
{
    store_info info;
    buffer *b = &p->c->response->body;
    err_code code = store_read_stat(p->read, &info, e);
    if (code != ERR_OK) {
        return code;
    }
    buffer_put_text(b, "{\"items\":[");
    code = item_each(p->read, first, page_item, p, e);
    json_t *cursor = tree_cursor(p->more, p->next);
    if (code == ERR_OK && cursor == NULL) {
        code = err_nomem(e, "a page of items");
    }
    if (code == ERR_OK) {
        buffer_put(b, "]", 1);
        json_put_key(b, "next_cursor");
        tree_put(b, cursor);
        json_put_key(b, "seq");
        json_put_unsigned(b, info.seq);
        buffer_put(b, "}", 1);
    }
    json_decref(cursor);
    return code;
}

err_code handle_items_get(context *c, err *e)
{
    page p = {.c = c, .updated_before = UINT64_MAX, .fields = ITEM_JSON_ALL};
    uint32_t first = 0;
    query_limit(c, &p.limit);
    query_cursor(c, &first);
    query_words(c, "fields", field_names, &p.fields);
    query_unsigned(c, "updated_before", 0, INT64_MAX, &p.updated_before);
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = cost_bounded(c, page_cost(&p), e);
    }
    if (code == ERR_OK) {
        code = context_read(c, &p.read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    code = answer_page(&p, first, e);
    store_read_end(p.read);
    cost_more(c, cost_bytes(c->response->body.length) - page_cost(&p));
    return code;
}
