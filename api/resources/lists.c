/* SPDX-License-Identifier: Apache-2.0 */
/* lists: GET /similar, /popular and /latest. */
#include "api/handlers.h"
#include "api/resources/encoded_text.h"
#include "api/resources/recommend_answer.h"
#include "api/resources/recommend_cost.h"
#include "api/resources/recommend_request.h"
#include "api/resources/text_query.h"
#include "api/web/quote.h"
#include "core/common/item_fields.h"
#include "core/common/timestamp.h"

typedef err_code (*list_function)(const view *v, const list_query *q, recommend_scratch *s,
                                  recommend_result *out, err *e);

static err_code list_query_of(context *c, const recommend_request *r, list_query *q, err *e)
{
    *q = (list_query){.k = r->k, .offset = r->offset, .filter = &r->filter};
    err_code code = rows_of(c, r->exclude, r->exclude_count, &q->exclude, &q->exclude_count, e);
    context_phase(c, API_PHASE_LOOKUP);
    return code;
}

static void put_k(context *c, const recommend_request *r)
{
    buffer *b = &c->response->body;
    json_put_key(b, "k");
    json_put_unsigned(b, r->k);
    if (r->offset > 0) {
        json_put_key(b, "offset");
        json_put_unsigned(b, r->offset);
    }
}

static err_code plain_list(context *c, list_function list, err *e)
{
    recommend_request r;
    recommend_result result;
    list_query q;
    err_code code = lists_query(c, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    query_end(c);
    if (context_check(c, e) != ERR_OK) {
        return ERR_INVALID;
    }
    context_phase(c, API_PHASE_PARSE);
    code = answer_view(c, r.fields, e);
    if (code == ERR_OK) {
        code = cost_admit(c, recommend_cost(c, &r) + filter_cost(c, &r.filter), e);
    }
    if (code == ERR_OK) {
        code = list_query_of(c, &r, &q, e);
    }
    if (code == ERR_OK) {
        code = list(c->view, &q, c->workspace->scratch, &result, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_phase(c, API_PHASE_SEARCH);
    buffer_put(&c->response->body, "{", 1);
    put_k(c, &r);
    answer_items_options shown = {.fields = r.fields, .created = list == latest};
    code = answer_items(c, &result, &shown, e);
    context_list_state(c);
    buffer_put(&c->response->body, "}", 1);
    return code;
}

err_code handle_popular_get(context *c, err *e)
{
    return plain_list(c, popular, e);
}

err_code handle_latest_get(context *c, err *e)
{
    return plain_list(c, latest, e);
}

typedef struct similar_ask {
    const recommend_request *lists;
    slice item; /* absent: the query has lists->text instead */
    uint32_t row;
    similar_by by;
} similar_ask;

static const char *const by_names[] = {"all", "collaborative", "multimodal", NULL};

static similar_by by_query(context *c)
{
    slice text;
    if (query_text(c, "by", &text)) {
        for (unsigned i = 0; by_names[i] != NULL; i++) {
            if (slice_equal(text, slice_of(by_names[i]))) {
                return (similar_by)i;
            }
        }
        problem_parameter(&c->problems, slice_of("by"),
                          "expected all, collaborative or multimodal, not %s", quote(text).text);
    }
    return SIMILAR_ALL;
}

/* near_what lists what is similar to the item or, if none is given, to the text. */
static err_code near_what(context *c, const similar_ask *ask, text_query *text,
                          recommend_result *result, err *e)
{
    list_query q;
    recommend_scratch *s = c->workspace->scratch;
    err_code code = list_query_of(c, ask->lists, &q, e);
    if (code != ERR_OK || ask->item.at != NULL) {
        return code == ERR_OK ? similar(c->view, ask->row, ask->by, &q, s, result, e) : code;
    }
    code = text_query_init(text, c, ask->lists->text, e);
    if (code == ERR_OK) {
        code = similar_text(c->view, text->item, ask->by, &q, s, result, e);
    }
    text_query_fini(text);
    return code;
}

static err_code similar_search(context *c, similar_ask *ask, err *e)
{
    recommend_result result;
    text_query text = {NULL, 0};
    const recommend_request *r = ask->lists;
    slice item = ask->item;
    similar_by by = ask->by;
    err_code code = answer_view(c, r->fields, e);
    if (code != ERR_OK) {
        return code;
    }
    ask->row = item.at != NULL ? view_item_find(c->view, item) : ROW_NONE;
    if (item.at != NULL && ask->row == ROW_NONE) {
        return err_set(e, ERR_NOT_FOUND, "item: there is no item %s", quote(item).text);
    }
    code = encoded_text_ask(c, r->text, e);
    if (code == ERR_OK) {
        code = cost_admit(c, recommend_cost(c, r) + filter_cost(c, &r->filter), e);
    }
    if (code == ERR_OK) {
        code = near_what(c, ask, &text, &result, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_phase(c, API_PHASE_SEARCH);
    buffer *b = &c->response->body;
    buffer_put_text(b, "{\"item\":");
    if (item.at != NULL) {
        json_put_string(b, item);
    } else {
        buffer_put(b, "null", 4);
        answer_text(c, &text);
    }
    json_put_key(b, "by");
    json_put_text(b, by_names[by]);
    put_k(c, r);
    code = answer_items(c, &result, &(answer_items_options){.fields = r->fields}, e);
    context_list_state(c);
    answer_fallback(c, result.fallback);
    json_put_key(b, "exact");
    json_put_bool(b, result.exact);
    buffer_put(b, "}", 1);
    return code;
}

err_code handle_similar_get(context *c, err *e)
{
    recommend_request r;
    slice item = {NULL, 0};
    err_code code = lists_query(c, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t before = c->problems.found;
    bool by_text = query_text(c, "text", &r.text);
    bool by_item = query_id(c, "item", &item);
    if (!by_item && !by_text && c->problems.found == before) {
        problem_parameter(&c->problems, slice_of("item"), "missing; expected item or text");
    } else if (by_text && r.text.length == 0) {
        problem_parameter(&c->problems, slice_of("text"), "expected at least 1 byte");
    } else if (by_item && by_text) {
        problem_parameter(&c->problems, slice_of("text"), "expected item or text, not both");
    }
    similar_by by = by_query(c);
    query_end(c);
    if (context_check(c, e) != ERR_OK) {
        return ERR_INVALID;
    }
    context_phase(c, API_PHASE_PARSE);
    similar_ask ask = {.lists = &r, .item = item, .by = by};
    return similar_search(c, &ask, e);
}
