/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/store_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/web/quote.h"
#include "core/common/timestamp.h"

enum { CURSOR_BYTES = 9, FLOAT_TEXT_MAX = 32 };

static void put_list(buffer *b, const json_t *list)
{
    buffer_put(b, "[", 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_put_comma(b);
        tree_put(b, json_array_get(list, i));
    }
    buffer_put(b, "]", 1);
}

static void put_object(buffer *b, const json_t *object)
{
    const char *key;
    json_t *value;
    buffer_put(b, "{", 1);
    json_object_foreach((json_t *)object, key, value)
    {
        json_put_comma(b);
        json_put_text(b, key);
        buffer_put(b, ":", 1);
        tree_put(b, value);
    }
    buffer_put(b, "}", 1);
}

void tree_put(buffer *b, const json_t *tree)
{
    switch (json_typeof(tree)) {
    case JSON_OBJECT: put_object(b, tree); break;
    case JSON_ARRAY: put_list(b, tree); break;
    case JSON_STRING:
        json_put_string(b, (slice){json_string_value(tree), json_string_length(tree)});
        break;
    case JSON_INTEGER: json_put_signed(b, json_integer_value(tree)); break;
    case JSON_REAL: json_put_double(b, json_real_value(tree)); break;
    case JSON_NULL: buffer_put(b, "null", 4); break;
    default: json_put_bool(b, json_is_true(tree));
    }
}

err_code answer_tree(context *c, json_t *taken, err *e)
{
    if (taken == NULL) {
        return err_nomem(e, "an answer");
    }
    tree_put(&c->response->body, taken);
    json_decref(taken);
    return ERR_OK; /* the buffer remembers a failure */
}

json_t *tree_text(slice text)
{
    return text.at != NULL ? json_stringn(text.at, text.length) : json_null();
}

json_t *tree_time(int64_t seconds)
{
    char text[TIMESTAMP_TEXT_MAX];
    timestamp_format(seconds, text);
    return json_string(text);
}

json_t *tree_float(float value)
{
    char text[FLOAT_TEXT_MAX];
    snprintf(text, sizeof text, "%.9g", (double)value);
    return json_real(strtod(text, NULL));
}

json_t *tree_generation(uint32_t generation)
{
    return generation != 0 ? json_integer((json_int_t)generation) : json_null();
}

json_t *tree_cursor(bool more, uint32_t row)
{
    char text[CURSOR_BYTES + 1];
    snprintf(text, sizeof text, "r%08x", row);
    return more ? json_string(text) : json_null();
}

bool query_cursor(context *c, uint32_t *row)
{
    slice text;
    if (!query_text(c, "cursor", &text)) {
        return false;
    }
    char copy[CURSOR_BYTES + 1] = "";
    if (text.length == CURSOR_BYTES) {
        memcpy(copy, text.at, CURSOR_BYTES);
    }
    if (copy[0] != 'r' || strspn(copy + 1, "0123456789abcdef") != CURSOR_BYTES - 1) {
        problem_parameter(&c->problems, slice_of("cursor"),
                          "expected next_cursor of the previous page, not %s", quote(text).text);
        return false;
    }
    *row = (uint32_t)strtoul(copy + 1, NULL, 16);
    return true;
}

void query_limit(context *c, size_t *limit)
{
    uint64_t number;
    *limit = PAGE_DEFAULT;
    if (query_unsigned(c, "limit", 1, PAGE_MAX, &number)) {
        *limit = (size_t)number;
    }
}
