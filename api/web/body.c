/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/body.h"

#include <math.h>
#include <string.h>

#include "api/web/json_shape.h"
#include "api/web/json_write.h"
#include "api/web/problem.h"

slice body_text_of(const json_t *string)
{
    return (slice){json_string_value(string), json_string_length(string)};
}

/* What jansson allocates for a value in a list, and in addition for a list and for an object. */
enum { VALUE_BYTES = 48, LIST_BYTES = 128, OBJECT_BYTES = 320 };

/* prescan limits nesting and the number of values without building anything. It does not check that
 * the text is JSON. */
static err_code prescan(const context *c, slice text, err *e)
{
    json_shape shape = json_shape_of(text);
    size_t values = 1 + shape.commas + shape.lists + shape.objects;
    size_t containers = shape.lists * LIST_BYTES + shape.objects * OBJECT_BYTES;
    if (shape.depth > BODY_DEPTH_MAX) {
        return err_set(e, ERR_INVALID, "body: nested deeper than %d levels", BODY_DEPTH_MAX);
    }
    if (values > c->deps->limits.body_values_max) {
        return err_set(e, ERR_TOO_LARGE, "body: more than body_values_max = %zu JSON values",
                       c->deps->limits.body_values_max);
    }
    size_t most = API_TREE_PER_BODY_BYTE * c->deps->limits.body_bytes_max;
    if (text.length + values * VALUE_BYTES + containers > most) {
        return err_set(
            e, ERR_TOO_LARGE,
            "body: its JSON values need more than %zu bytes of memory, %d times body_bytes_max",
            most, API_TREE_PER_BODY_BYTE);
    }
    return ERR_OK;
}

err_code body_parse(context *c, body_object *out, err *e)
{
    slice text = c->request->body;
    if (text.length > c->deps->limits.body_bytes_max) {
        return err_set(e, ERR_TOO_LARGE, "body: %zu bytes, over body_bytes_max = %zu", text.length,
                       c->deps->limits.body_bytes_max);
    }
    if (text.length == 0) {
        return err_set(e, ERR_INVALID, "body: expected a JSON object, not nothing");
    }
    err_code code = prescan(c, text, e);
    if (code != ERR_OK) {
        return code;
    }
    json_error_t error;
    c->document = json_loadb(text.at, text.length,
                             JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (c->document == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return err_nomem(e, "a body");
        }
        return err_set(e, ERR_INVALID, "body: line %d, column %d: %s", error.line, error.column,
                       error.text);
    }
    if (!json_is_object(c->document)) {
        problem_at(&c->problems, "", "expected an object");
        return context_check(c, e);
    }
    *out = (body_object){.c = c, .json = c->document, .pointer = ""};
    return ERR_OK;
}

const char *body_pointer(const body_object *o, const char *name)
{
    char escaped[2 * 128 + 1];
    size_t length = 0;
    for (size_t i = 0; name[i] != '\0' && length + 2 < sizeof escaped; i++) {
        if (name[i] == '~' || name[i] == '/') {
            escaped[length++] = '~';
            escaped[length++] = name[i] == '~' ? '0' : '1';
        } else {
            escaped[length++] = name[i];
        }
    }
    escaped[length] = '\0';
    const char *pointer = arena_printf(o->c->memory, "%s/%s", o->pointer, escaped);
    return pointer != NULL ? pointer : o->pointer;
}

/* body_pointer_at does without printf, because it runs for each entry of a list, and printf takes
 * as long as the rest of reading a small entry. */
const char *body_pointer_at(context *c, const char *pointer, size_t index)
{
    size_t length = strlen(pointer);
    char *made = arena_alloc(c->memory, length + 1 + JSON_DIGITS_MAX + 1, 1);
    if (made == NULL) {
        return pointer;
    }
    memcpy(made, pointer, length);
    made[length] = '/';
    made[length + 1 + json_digits(index, made + length + 1)] = '\0';
    return made;
}

void body_known(const body_object *o, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o->json, key, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], key) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            problem_at(&o->c->problems, body_pointer(o, key), "unknown field; expected %s",
                       problem_names(&o->c->problems, names));
        }
    }
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

static void report_type(const body_object *o, const char *name, const char *expected,
                        const json_t *value)
{
    problem_at(&o->c->problems, body_pointer(o, name), "expected %s, not %s", expected,
               type_name(value));
}

bool body_text(const body_object *o, const char *name, size_t bytes_max, slice *out)
{
    const json_t *value = json_object_get(o->json, name);
    if (value == NULL) {
        return false;
    }
    if (!json_is_string(value)) {
        report_type(o, name, "a string", value);
        return false;
    }
    slice text = body_text_of(value);
    if (text.length < 1 || text.length > bytes_max) {
        problem_at(&o->c->problems, body_pointer(o, name), "expected 1 to %zu bytes, not %zu",
                   bytes_max, text.length);
        return false;
    }
    *out = text;
    return true;
}

static const char *number_text(const body_object *o, const json_t *number)
{
    const char *text =
        json_is_integer(number)
            ? arena_printf(o->c->memory, "%" JSON_INTEGER_FORMAT, json_integer_value(number))
            : arena_printf(o->c->memory, "%.15g", json_real_value(number));
    return text != NULL ? text : "another";
}

bool body_unsigned(const body_object *o, const char *name, uint64_t least, uint64_t most,
                   uint64_t *out)
{
    const json_t *value = json_object_get(o->json, name);
    if (value == NULL) {
        return false;
    }
    double number = json_number_value(value);
    if (!json_is_number(value)) {
        report_type(o, name, "a whole number", value);
        return false;
    }
    if (!(number >= (double)least) || number > (double)most || floor(number) != number) {
        problem_at(&o->c->problems, body_pointer(o, name),
                   "expected a whole number from %llu to %llu, not %s", (unsigned long long)least,
                   (unsigned long long)most, number_text(o, value));
        return false;
    }
    *out = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)number;
    return true;
}

bool body_number(const body_object *o, const char *name, double least, double most, double *out)
{
    const json_t *value = json_object_get(o->json, name);
    if (value == NULL) {
        return false;
    }
    if (!json_is_number(value)) {
        report_type(o, name, "a number", value);
        return false;
    }
    double number = json_number_value(value);
    if (!isfinite(number) || number < least || number > most) {
        problem_at(&o->c->problems, body_pointer(o, name),
                   "expected a number from %g to %g, not %s", least, most, number_text(o, value));
        return false;
    }
    *out = number;
    return true;
}

bool body_bool(const body_object *o, const char *name, bool *out)
{
    const json_t *value = json_object_get(o->json, name);
    if (value == NULL) {
        return false;
    }
    if (!json_is_boolean(value)) {
        report_type(o, name, "true or false", value);
        return false;
    }
    *out = json_is_true(value);
    return true;
}

const json_t *body_list(const body_object *o, const char *name)
{
    const json_t *value = json_object_get(o->json, name);
    if (value != NULL && !json_is_array(value)) {
        report_type(o, name, "a list", value);
        return NULL;
    }
    return value;
}

void body_texts(const body_object *o, const char *name, body_texts_limits limits, const slice **out,
                size_t *count)
{
    *out = NULL;
    *count = 0;
    const json_t *list = body_list(o, name);
    size_t entries = list != NULL ? json_array_size(list) : 0;
    if (entries == 0) {
        return;
    }
    const char *pointer = body_pointer(o, name);
    if (entries > limits.count_max) {
        problem_at(&o->c->problems, pointer, "expected at most %zu entries, not %zu",
                   limits.count_max, entries);
        return;
    }
    slice *texts = arena_alloc(o->c->memory, entries, sizeof *texts);
    if (texts == NULL) {
        problem_at(&o->c->problems, pointer, "too long");
        return;
    }
    for (size_t i = 0; i < entries; i++) {
        const json_t *value = json_array_get(list, i);
        texts[i] = json_is_string(value) ? body_text_of(value) : (slice){NULL, 0};
        if (texts[i].length < 1 || texts[i].length > limits.bytes_max) {
            problem_at(&o->c->problems, body_pointer_at(o->c, pointer, i),
                       "expected a string of 1 to %zu bytes", limits.bytes_max);
        }
    }
    *out = texts;
    *count = entries;
}

err_code body_count_check(const body_object *o, const char *name, body_limit limit, err *e)
{
    size_t entries = json_array_size(json_object_get(o->json, name));
    if (entries <= limit.most) {
        return ERR_OK;
    }
    const char *pointer = body_pointer(o, name);
    problem_at(&o->c->problems, pointer, "%zu entries, over %s = %zu", entries, limit.name,
               limit.most);
    return err_set(e, ERR_TOO_LARGE, "%s: %zu entries, over %s = %zu", pointer, entries, limit.name,
                   limit.most);
}

err_code body_entries(const body_object *o, const char *name, body_limit limit, const json_t **out,
                      err *e)
{
    *out = NULL;
    const json_t *list = body_list(o, name);
    if (list == NULL) {
        return context_check(o->c, e);
    }
    if (json_array_size(list) == 0) {
        problem_at(&o->c->problems, body_pointer(o, name), "expected at least one entry");
        return context_check(o->c, e);
    }
    err_code code = body_count_check(o, name, limit, e);
    *out = code == ERR_OK ? list : NULL;
    return code;
}
