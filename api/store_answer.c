#include "api/store_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/timestamp.h"

enum { CURSOR_BYTES = 9 };

static int append(const char *text, size_t length, void *buffer)
{
    json_put_raw(buffer, text, length);
    return 0;
}

err_code answer_tree(context *c, json_t *taken, err *e)
{
    if (taken == NULL) {
        return err_nomem(e, "an answer");
    }
    int failed = json_dump_callback(taken, append, &c->response->body, JSON_COMPACT);
    json_decref(taken);
    return failed ? err_nomem(e, "an answer") : ERR_OK;
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
                          "expected next_cursor of the page before");
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
