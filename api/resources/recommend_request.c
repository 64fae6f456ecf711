/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/recommend_request.h"

#include <math.h>

#include "api/web/min_seq.h"
#include "api/web/quote.h"
#include "core/common/item_fields.h"
#include "core/serve/query/recommend.h"

enum { K_DEFAULT = 10 };

static const double SESSION_WEIGHT_MIN = 1e-6;
static const double SESSION_WEIGHT_MAX = 1000.0;

static const char *const field_names[] = {"title", "categories", "attributes", "description", NULL};

static void defaults(recommend_request *r)
{
    *r = (recommend_request){.k = K_DEFAULT, .balance = 0.5};
}

void fields_query(context *c, unsigned *out)
{
    query_words(c, "fields", field_names, out);
}

static void check_depth(context *c, const recommend_request *r, const char *pointer)
{
    if (r->k + r->offset <= RECOMMEND_DEPTH_MAX) {
        return;
    }
    if (pointer != NULL) {
        problem_at(&c->problems, pointer, "offset + k: expected at most %d, not %zu",
                   RECOMMEND_DEPTH_MAX, r->k + r->offset);
    } else {
        problem_parameter(&c->problems, slice_of("offset"),
                          "expected offset + k of at most %d, not %zu", RECOMMEND_DEPTH_MAX,
                          r->k + r->offset);
    }
}

static err_code check_excluded(context *c, size_t count, err *e)
{
    size_t most = c->deps->limits.exclude_max;
    if (count <= most) {
        return ERR_OK;
    }
    problem_parameter(&c->problems, slice_of("exclude"), "%zu items, over exclude_max = %zu", count,
                      most);
    return err_set(e, ERR_TOO_LARGE, "exclude: %zu items, over exclude_max = %zu", count, most);
}

err_code lists_query(context *c, recommend_request *out, err *e)
{
    uint64_t number;
    defaults(out);
    if (query_unsigned(c, "k", 1, RECOMMEND_DEPTH_MAX, &number)) {
        out->k = (size_t)number;
    }
    if (query_unsigned(c, "offset", 0, RECOMMEND_DEPTH_MAX - 1, &number)) {
        out->offset = (size_t)number;
    }
    check_depth(c, out, NULL);
    query_all(c, "category", CATEGORY_BYTES_MAX, &out->filter.categories_any,
              &out->filter.categories_any_count);
    query_all(c, "exclude", ID_BYTES_MAX, &out->exclude, &out->exclude_count);
    fields_query(c, &out->fields);
    return check_excluded(c, out->exclude_count, e);
}

err_code recommend_request_query(context *c, recommend_request *out, err *e)
{
    err_code code = lists_query(c, out, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t before = c->problems.found;
    if (!query_id(c, "user", &out->user) && c->problems.found == before) {
        problem_parameter(&c->problems, slice_of("user"), "missing");
    }
    query_bool(c, "include_seen", &out->include_seen);
    query_bool(c, "explain", &out->explain);
    query_bool(c, "exact", &out->exact);
    query_bool(c, "strict", &out->strict);
    query_number(c, "balance", 0.0, 1.0, &out->balance);
    query_number(c, "diversity", 0.0, 1.0, &out->diversity);
    query_end(c);
    return context_check(c, e);
}

/* session_entry reads one entry of "items": an object with an id and a weight. */
static void session_entry(const body_object *o, slice *id, float *weight)
{
    static const char *const names[] = {"item", "weight", NULL};
    double number = 1.0;
    body_known(o, names);
    size_t before = o->c->problems.found;
    if (!body_text(o, "item", ID_BYTES_MAX, id) && o->c->problems.found == before) {
        problem_at(&o->c->problems, body_pointer(o, "item"), "missing");
    }
    body_number(o, "weight", SESSION_WEIGHT_MIN, SESSION_WEIGHT_MAX, &number);
    *weight = (float)number;
}

static err_code session(const body_object *o, recommend_request *out, err *e)
{
    context *c = o->c;
    const json_t *list = body_list(o, "items");
    size_t count = list != NULL ? json_array_size(list) : 0;
    body_limit limit = {"session_items_max", c->deps->limits.session_items_max};
    err_code code = body_count_check(o, "items", limit, e);
    if (code != ERR_OK) {
        return code;
    }
    slice *ids = arena_alloc(c->memory, count, sizeof *ids);
    float *weights = arena_alloc(c->memory, count, sizeof *weights);
    if (ids == NULL || weights == NULL) {
        return err_nomem(e, "a session");
    }
    const char *pointer = count > 0 ? body_pointer(o, "items") : "";
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        body_object at = {c, entry, body_pointer_at(c, pointer, i)};
        if (json_is_object(entry)) {
            session_entry(&at, &ids[i], &weights[i]);
        } else {
            problem_at(&c->problems, at.pointer, "expected an object with \"item\"");
        }
    }
    out->session = ids;
    out->session_weights = weights;
    out->session_count = count;
    return ERR_OK;
}

/* fields_body reads the fields from a list of names; a query string has the names with commas. */
static void fields_body(const body_object *o, unsigned *out)
{
    const slice *words;
    size_t count;
    body_texts(o, "fields", (body_texts_limits){64, 64}, &words, &count);
    const char *pointer = count > 0 ? body_pointer(o, "fields") : "";
    for (size_t i = 0; i < count; i++) {
        unsigned f = 0;
        while (field_names[f] != NULL && !slice_equal(words[i], slice_of(field_names[f]))) {
            f++;
        }
        if (field_names[f] == NULL) {
            problem_at(&o->c->problems, body_pointer_at(o->c, pointer, i),
                       "unknown name %s; expected %s", quote(words[i]).text,
                       problem_names(&o->c->problems, field_names));
        } else {
            *out |= 1U << f;
        }
    }
}

static void numbers_body(const body_object *o, recommend_request *out)
{
    uint64_t number;
    context *c = o->c;
    if (body_unsigned(o, "k", 1, RECOMMEND_DEPTH_MAX, &number)) {
        out->k = (size_t)number;
    }
    if (body_unsigned(o, "offset", 0, RECOMMEND_DEPTH_MAX - 1, &number)) {
        out->offset = (size_t)number;
    }
    check_depth(c, out, body_pointer(o, "offset"));
    body_number(o, "balance", 0.0, 1.0, &out->balance);
    body_number(o, "diversity", 0.0, 1.0, &out->diversity);
}

err_code recommend_request_body(const body_object *o, recommend_request *out, err *e)
{
    static const char *const names[] = {
        "user",         "items",   "k",         "offset",  "exclude_items", "filter",
        "include_seen", "balance", "diversity", "explain", "fields",        "strict",
        "exact",        "text",    "min_seq",   NULL};
    defaults(out);
    body_known(o, names);
    body_text(o, "user", ID_BYTES_MAX, &out->user);
    body_text(o, "text", DESCRIPTION_BYTES_MAX, &out->text);
    if (json_object_get(o->json, "user") == NULL && json_object_get(o->json, "items") == NULL &&
        json_object_get(o->json, "text") == NULL) {
        problem_at(&o->c->problems, body_pointer(o, "user"),
                   "missing; expected user, items (a session) or text");
    }
    numbers_body(o, out);
    body_limit limit = {"exclude_max", o->c->deps->limits.exclude_max};
    err_code code = body_count_check(o, "exclude_items", limit, e);
    if (code != ERR_OK) {
        return code;
    }
    body_texts(o, "exclude_items", (body_texts_limits){ID_BYTES_MAX, limit.most}, &out->exclude,
               &out->exclude_count);
    filter_body(o, &out->filter);
    body_bool(o, "include_seen", &out->include_seen);
    body_bool(o, "explain", &out->explain);
    body_bool(o, "exact", &out->exact);
    body_bool(o, "strict", &out->strict);
    code = min_seq_body(o, e);
    if (code != ERR_OK) {
        return code;
    }
    fields_body(o, &out->fields);
    return session(o, out, e);
}
