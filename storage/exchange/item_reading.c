/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/exchange/item_reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_MAX = 256 };

size_t reading_enter(reading *r, const char *name)
{
    size_t before = r->length;
    r->pointer[r->length++] = '/';
    for (; *name != '\0' && r->length < READING_POINTER_MAX - 3; name++) {
        if (*name == '~' || *name == '/') {
            r->pointer[r->length++] = '~';
            r->pointer[r->length++] = *name == '~' ? '0' : '1';
        } else {
            r->pointer[r->length++] = *name;
        }
    }
    r->pointer[r->length] = '\0';
    return before;
}

size_t reading_enter_index(reading *r, size_t index)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", index);
    return reading_enter(r, text);
}

void reading_leave(reading *r, size_t before)
{
    r->length = before;
    r->pointer[before] = '\0';
}

void reading_problem(reading *r, const char *fmt, ...)
{
    char detail[DETAIL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    r->bad = true;
    if (r->options->report != NULL) {
        r->options->report(r->options->report_ctx, r->pointer, detail);
    }
}

const char *reading_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

void *reading_memory(reading *r, size_t count, size_t size)
{
    void *memory = arena_alloc(r->options->memory, count, size);
    r->nomem = r->nomem || memory == NULL;
    return memory;
}

bool reading_text(reading *r, const json_t *value, size_t least, size_t most, slice *out)
{
    if (!json_is_string(value)) {
        reading_problem(r, "expected a string, not %s", reading_type(value));
        return false;
    }
    slice text = {json_string_value(value), json_string_length(value)};
    if (text.length < least || text.length > most) {
        reading_problem(r, "expected %zu to %zu bytes, not %zu", least, most, text.length);
        return false;
    }
    *out = arena_slice(r->options->memory, text);
    if (out->at == NULL) {
        r->nomem = true;
        return false;
    }
    return true;
}

bool reading_name(reading *r, const char *name, size_t bytes_max, slice *out)
{
    size_t length = strlen(name);
    if (length < 1 || length > bytes_max) {
        reading_problem(r, "expected a name of 1 to %zu bytes, not %zu", bytes_max, length);
        return false;
    }
    *out = arena_slice(r->options->memory, slice_of(name));
    r->nomem = r->nomem || out->at == NULL;
    return out->at != NULL;
}
