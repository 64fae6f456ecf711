/* SPDX-License-Identifier: Apache-2.0 */
/* recommend: GET and POST /recommend, and /recommend/batch. */
#include <string.h>

#include "api/handlers.h"
#include "api/resources/encoded_text.h"
#include "api/resources/filter_equal.h"
#include "api/resources/recommend_answer.h"
#include "api/resources/recommend_cost.h"
#include "api/resources/recommend_request.h"
#include "api/resources/text_query.h"
#include "api/web/body.h"
#include "api/web/min_seq.h"
#include "api/web/quote.h"

static err_code unknown_user(slice user, err *e)
{
    return err_set(e, ERR_NOT_FOUND, "user: there is no user %s", quote(user).text);
}

/* session_rows finds the rows of a session's items. Unknown ones are skipped, because a shop's
 * pages may be ahead of its catalogue. */
static err_code session_rows(context *c, const recommend_request *r, recommend_query *q, err *e)
{
    session_item *items = arena_alloc(c->memory, r->session_count, sizeof *items);
    if (items == NULL) {
        return err_nomem(e, "a session");
    }
    for (size_t i = 0; i < r->session_count; i++) {
        uint32_t row = view_item_find(c->view, r->session[i]);
        if (row != ROW_NONE) {
            items[q->session_count++] = (session_item){row, r->session_weights[i]};
        }
    }
    q->session = items;
    return ERR_OK;
}

static err_code search(context *c, const recommend_request *r, const text_query *text,
                       recommend_result *out, err *e)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    q.by_text = r->text.at != NULL;
    q.text = text->item;
    if (r->user.at != NULL) {
        q.user = view_user_find(c->view, r->user);
        if (q.user == ROW_NONE && r->strict) {
            return unknown_user(r->user, e);
        }
    }
    q.nobody = r->user.at == NULL;
    q.k = r->k;
    q.offset = r->offset;
    q.filter = r->same_filter != NULL ? r->same_filter : &r->filter;
    q.include_seen = r->include_seen;
    q.explain = r->explain;
    q.exact = r->exact;
    q.balance = (float)r->balance;
    q.diversity = (float)r->diversity;
    err_code code = session_rows(c, r, &q, e);
    if (code == ERR_OK) {
        code = rows_of(c, r->exclude, r->exclude_count, &q.exclude, &q.exclude_count, e);
    }
    context_phase(c, API_PHASE_LOOKUP);
    if (code == ERR_OK) {
        code = recommend(c->view, &q, c->workspace->scratch, out, e);
        context_phase(c, API_PHASE_SEARCH);
    }
    return code;
}

static void put_recommendation_id(context *c)
{
    static const char hex[] = "0123456789abcdef";
    char text[32];
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        if (i % 16 == 0) {
            bits = rng_next(&c->workspace->random);
        }
        text[i] = hex[bits & 15];
        bits >>= 4;
    }
    buffer *b = &c->response->body;
    json_put_key(b, "recommendation_id");
    json_put_string(b, (slice){text, sizeof text});
}

/* answer appends one whole answer object. */
static err_code answer(context *c, const recommend_request *r, err *e)
{
    recommend_result result;
    text_query text;
    err_code code = text_query_init(&text, c, r->text, e);
    if (code == ERR_OK) {
        code = search(c, r, &text, &result, e);
    }
    text_query_fini(&text);
    if (code != ERR_OK) {
        return code;
    }
    buffer *b = &c->response->body;
    buffer_put_text(b, "{\"user\":");
    if (r->user.at != NULL) {
        json_put_string(b, r->user);
    } else {
        buffer_put(b, "null", 4);
    }
    json_put_key(b, "k");
    json_put_unsigned(b, r->k);
    if (r->offset > 0) {
        json_put_key(b, "offset");
        json_put_unsigned(b, r->offset);
    }
    code = answer_items(c, &result,
                        &(answer_items_options){.fields = r->fields, .explain = r->explain}, e);
    context_list_state(c);
    answer_fallback(c, result.fallback);
    if (r->text.at != NULL) {
        answer_text(c, &text);
    }
    json_put_key(b, "exact");
    json_put_bool(b, result.exact);
    put_recommendation_id(c);
    buffer_put(b, "}", 1);
    return code;
}

/* answer_one answers a request for one list. */
static err_code answer_one(context *c, const recommend_request *r, err *e)
{
    context_phase(c, API_PHASE_PARSE);
    err_code code = answer_view(c, r->fields, e);
    if (code == ERR_OK) {
        code = encoded_text_ask(c, r->text, e);
    }
    if (code == ERR_OK) {
        code = cost_admit(c, recommend_cost(c, r) + filter_cost(c, &r->filter), e);
    }
    return code == ERR_OK ? answer(c, r, e) : code;
}

err_code handle_recommend_get(context *c, err *e)
{
    recommend_request r = {.fields = 0};
    err_code code = recommend_request_query(c, &r, e);
    return code == ERR_OK ? answer_one(c, &r, e) : code;
}

err_code handle_recommend_post(context *c, err *e)
{
    recommend_request r = {.fields = 0};
    body_object o;
    query_end(c);
    err_code code = body_parse(c, &o, e);
    if (code == ERR_OK) {
        code = recommend_request_body(&o, &r, e);
    }
    if (code == ERR_OK) {
        code = context_check(c, e);
    }
    return code == ERR_OK ? answer_one(c, &r, e) : code;
}

static err_code batch_requests(context *c, const json_t *list, recommend_request **out, err *e)
{
    size_t count = json_array_size(list);
    recommend_request *requests = arena_alloc(c->memory, count, sizeof *requests);
    *out = requests;
    if (requests == NULL) {
        return err_nomem(e, "a batch of requests");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        body_object o = {c, entry, body_pointer_at(c, "/requests", i)};
        if (!json_is_object(entry)) {
            problem_at(&c->problems, o.pointer, "expected an object");
            continue;
        }
        err_code code = recommend_request_body(&o, &requests[i], e);
        if (code != ERR_OK) {
            return code;
        }
    }
    return context_check(c, e);
}

/* answer_entry answers one entry of a batch. An entry that fails (strict and unknown) says so in
 * its place and does not affect the others. */
static err_code answer_entry(context *c, const recommend_request *r, err *e)
{
    buffer *b = &c->response->body;
    err own = ERR_INIT;
    err_code code = answer(c, r, &own);
    if (code == ERR_NOT_FOUND) {
        buffer_put_text(b, "{\"status\":404,\"detail\":");
        json_put_text(b, own.text);
        buffer_put(b, "}", 1);
        return ERR_OK;
    }
    return code != ERR_OK ? err_set(e, code, "%s", own.text) : ERR_OK;
}

/* admit_batch estimates the cost of the whole batch before any work is done. */
static err_code admit_batch(context *c, recommend_request *requests, size_t count, err *e)
{
    cost_units units = 0;
    err_code code = filter_share(requests, count, c->memory, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        units += recommend_cost(c, &requests[i]);
        if (requests[i].same_filter == &requests[i].filter) {
            units += filter_cost(c, &requests[i].filter);
        }
    }
    return code == ERR_OK ? cost_admit(c, units, e) : code;
}

static err_code answer_batch(context *c, recommend_request *requests, size_t count, err *e)
{
    buffer *b = &c->response->body;
    err_code code = ERR_OK;
    recommend_scratch_share(c->workspace->scratch, true);
    buffer_put_text(b, "{\"results\":[");
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        json_put_comma(b);
        code = answer_entry(c, &requests[i], e);
        if (code == ERR_OK) {
            code = cost_go_on(c, e);
        }
    }
    recommend_scratch_share(c->workspace->scratch, false);
    buffer_put(b, "]", 1);
    context_list_state(c);
    buffer_put(b, "}", 1);
    return code;
}

err_code handle_recommend_batch_post(context *c, err *e)
{
    static const char *const names[] = {"requests", "min_seq", NULL};
    const json_t *list = NULL;
    recommend_request *requests = NULL;
    body_object o;
    query_end(c);
    err_code code = body_parse(c, &o, e);
    if (code != ERR_OK) {
        return code;
    }
    body_known(&o, names);
    code = min_seq_body(&o, e);
    if (code != ERR_OK) {
        return code;
    }
    if (json_object_get(o.json, "requests") == NULL) {
        problem_at(&c->problems, "/requests", "missing");
    }
    body_limit limit = {"batch_requests_max", c->deps->limits.batch_requests_max};
    code = body_entries(&o, "requests", limit, &list, e);
    if (code == ERR_OK) {
        code = batch_requests(c, list, &requests, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_phase(c, API_PHASE_PARSE);
    unsigned fields = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        fields |= requests[i].fields;
    }
    code = answer_view(c, fields, e);
    if (code == ERR_OK) {
        code = admit_batch(c, requests, json_array_size(list), e);
    }
    return code == ERR_OK ? answer_batch(c, requests, json_array_size(list), e) : code;
}
