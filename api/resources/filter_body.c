/* SPDX-License-Identifier: Apache-2.0 */
/* filter_body: the filter of POST /recommend. */
#include <math.h>
#include <string.h>

#include "api/resources/recommend_request.h"
#include "core/common/item_fields.h"
#include "core/common/timestamp.h"

enum { FILTER_CATEGORIES_MAX = 256, FILTER_ATTRIBUTES_MAX = 64 };

static bool time_member(const body_object *o, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(o->json, name);
    if (value == NULL) {
        return false;
    }
    err e = ERR_INIT;
    err_code code;
    if (json_is_string(value)) {
        code = timestamp_parse(body_text_of(value), out, &e);
    } else if (json_is_number(value)) {
        code = timestamp_from_number(json_number_value(value), out, &e);
    } else {
        code = err_set(&e, ERR_INVALID, "expected RFC 3339 with offset, or epoch seconds");
    }
    if (code == ERR_OK) {
        code = timestamp_check(*out, o->c->request->now, &e);
    }
    if (code != ERR_OK) {
        problem_at(&o->c->problems, body_pointer(o, name), "%s", e.text);
        return false;
    }
    return true;
}

/* check_exact refuses a whole number above 2^53. Attributes are doubles, which merge neighbouring
 * numbers of that size: a filter for such a number would also list items with another one. A real
 * number of that size may still be a bound. */
static void check_exact(const body_object *o, const char *name, bool equality)
{
    const double most = 0x1p53;
    const json_t *value = json_object_get(o->json, name);
    json_int_t whole = json_integer_value(value); /* 0 of a real */
    bool exact = whole <= (json_int_t)most && whole >= -(json_int_t)most;
    if (equality && json_is_real(value)) {
        exact = fabs(json_real_value(value)) <= most;
    }
    if (!exact) {
        problem_at(&o->c->problems, body_pointer(o, name),
                   "expected a number from -9007199254740992 to 9007199254740992, because larger "
                   "whole numbers are not exact: store and ask for a string");
    }
}

/* range reads {"gte":5,"lt":10}: at most one bound on each side. "min" and "max" mean the same as
 * "gte" and "lte". */
static void range(const body_object *o, filter_attribute *out)
{
    static const char *const names[] = {"gt", "gte", "lt", "lte", "min", "max", NULL};
    static const struct {
        const char *name;
        bool low, excluded;
    } bounds[] = {{"gt", true, true},  {"gte", true, false},  {"min", true, false},
                  {"lt", false, true}, {"lte", false, false}, {"max", false, false}};
    size_t lows = 0, highs = 0;
    body_known(o, names);
    out->kind = ATTRIBUTE_NUMBER;
    out->low = -INFINITY;
    out->high = INFINITY;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        double *bound = bounds[i].low ? &out->low : &out->high;
        if (body_number(o, bounds[i].name, -HUGE_VAL, HUGE_VAL, bound)) {
            check_exact(o, bounds[i].name, false);
            *(bounds[i].low ? &lows : &highs) += 1;
            *(bounds[i].low ? &out->low_excluded : &out->high_excluded) = bounds[i].excluded;
        }
    }
    if (lows > 1 || highs > 1) {
        problem_at(&o->c->problems, o->pointer, "expected one lower and one upper bound at most");
    }
    if (json_object_size(o->json) == 0) {
        problem_at(&o->c->problems, o->pointer, "expected gt, gte, lt or lte");
    }
}

static void condition(const body_object *o, const char *name, json_t *value, filter_attribute *out)
{
    const char *pointer = body_pointer(o, name);
    *out = (filter_attribute){.name = slice_of(name)};
    if (out->name.length > ATTRIBUTE_NAME_BYTES_MAX) {
        problem_at(&o->c->problems, pointer, "expected a name of at most %d bytes",
                   ATTRIBUTE_NAME_BYTES_MAX);
    }
    switch (json_typeof(value)) {
    case JSON_STRING:
        out->kind = ATTRIBUTE_TEXT;
        out->text = body_text_of(value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        out->kind = ATTRIBUTE_BOOL;
        out->truth = json_is_true(value);
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        out->kind = ATTRIBUTE_NUMBER;
        out->low = out->high = json_number_value(value);
        check_exact(o, name, true);
        break;
    case JSON_OBJECT: range(&(body_object){o->c, value, pointer}, out); break;
    default:
        problem_at(&o->c->problems, pointer,
                   "expected a string, a number, a boolean or a range such as {\"gte\":5}");
    }
}

static void attributes(const body_object *parent, filter *out)
{
    json_t *value = json_object_get(parent->json, "attributes");
    if (value == NULL) {
        return;
    }
    const char *pointer = body_pointer(parent, "attributes");
    context *c = parent->c;
    size_t count = json_object_size(value);
    if (!json_is_object(value) || count > FILTER_ATTRIBUTES_MAX) {
        problem_at(&c->problems, pointer, "expected an object of at most %d conditions",
                   FILTER_ATTRIBUTES_MAX);
        return;
    }
    filter_attribute *list = arena_alloc(c->memory, count, sizeof *list);
    if (list == NULL) {
        problem_at(&c->problems, pointer, "too long");
        return;
    }
    body_object o = {c, value, pointer};
    const char *name;
    json_t *wanted;
    json_object_foreach(value, name, wanted)
    {
        condition(&o, name, wanted, &list[out->attribute_count++]);
    }
    out->attributes = list;
}

void filter_body(const body_object *parent, filter *out)
{
    static const char *const names[] = {"categories_any",
                                        "categories_all",
                                        "categories_none",
                                        "created_after",
                                        "created_before",
                                        "attributes",
                                        NULL};
    const json_t *value = json_object_get(parent->json, "filter");
    memset(out, 0, sizeof *out);
    if (value == NULL) {
        return;
    }
    body_object o = {parent->c, value, body_pointer(parent, "filter")};
    if (!json_is_object(value)) {
        problem_at(&parent->c->problems, o.pointer, "expected an object");
        return;
    }
    const body_texts_limits limits = {CATEGORY_BYTES_MAX, FILTER_CATEGORIES_MAX};
    body_known(&o, names);
    body_texts(&o, "categories_any", limits, &out->categories_any, &out->categories_any_count);
    body_texts(&o, "categories_all", limits, &out->categories_all, &out->categories_all_count);
    body_texts(&o, "categories_none", limits, &out->categories_none, &out->categories_none_count);
    out->has_created_after = time_member(&o, "created_after", &out->created_after);
    out->has_created_before = time_member(&o, "created_before", &out->created_before);
    attributes(&o, out);
}
