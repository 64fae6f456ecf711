/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/common/utf8.h"

static const struct {
    err_code code;
    unsigned status;
} statuses[] = {
    {ERR_INVALID, 400},   {ERR_NOT_FOUND, 404},       {ERR_CONFLICT, 409},
    {ERR_TOO_LARGE, 413}, {ERR_UNPROCESSABLE, 422},   {ERR_UNAVAILABLE, 503},
    {ERR_FULL, 507},      {ERR_OUTCOME_UNKNOWN, 503}, {ERR_CANCELLED, 503},
    {ERR_IO, 500},        {ERR_CORRUPT, 500},         {ERR_NOMEM, 503},
    {ERR_INTERNAL, 500},
};

static const struct {
    unsigned status;
    const char *title;
    const char *name;
} titles[] = {
    {400, "Bad Request", "invalid"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "method_not_allowed"},
    {408, "Request Timeout", "timeout"},
    {409, "Conflict", "conflict"},
    {413, "Content Too Large", "too_large"},
    {414, "URI Too Long", "uri_too_long"},
    {415, "Unsupported Media Type", "unsupported_media_type"},
    {421, "Misdirected Request", "misdirected"},
    {422, "Unprocessable Content", "unprocessable"},
    {429, "Too Many Requests", "too_many_requests"},
    {431, "Request Header Fields Too Large", "headers_too_large"},
    {500, "Internal Server Error", "internal"},
    {503, "Service Unavailable", "unavailable"},
    {507, "Insufficient Storage", "full"},
};

void problem_list_init(problem_list *list, size_t entries_max, arena *memory)
{
    *list = (problem_list){.entries_max = entries_max, .memory = memory};
}

static void add(problem_list *list, slice place, const char *detail, bool parameter)
{
    list->found++;
    if (list->count == list->entries_max) {
        return;
    }
    if (list->entries == NULL) {
        list->entries = arena_alloc(list->memory, list->entries_max, sizeof *list->entries);
    }
    place = utf8_cut(place, 256);
    char *place_copy = arena_printf(list->memory, "%.*s", (int)place.length, place.at);
    char *detail_copy = arena_printf(list->memory, "%s", detail);
    if (list->entries == NULL || place_copy == NULL || detail_copy == NULL) {
        return; /* the request is still refused, but names fewer places */
    }
    list->entries[list->count++] =
        (problem_entry){.place = place_copy, .detail = detail_copy, .parameter = parameter};
}

void problem_report(void *list, const char *pointer, const char *detail)
{
    add(list, slice_of(pointer), detail, false);
}

void problem_at(problem_list *list, const char *pointer, const char *fmt, ...)
{
    char detail[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    add(list, slice_of(pointer), detail, false);
}

void problem_parameter(problem_list *list, slice name, const char *fmt, ...)
{
    char detail[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    add(list, name, detail, true);
}

const char *problem_names(const problem_list *list, const char *const *names)
{
    if (list->count == list->entries_max) {
        return ""; /* a body may have a million faults, and only some are shown */
    }
    if (names[0] == NULL) {
        return "none";
    }
    const char *text = names[0];
    for (size_t i = 1; text != NULL && names[i] != NULL; i++) {
        text = arena_printf(list->memory, "%s, %s", text, names[i]);
    }
    return text != NULL ? text : "another name";
}

unsigned problem_status(err_code code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].code == code) {
            return statuses[i].status;
        }
    }
    return 500;
}

const char *problem_title(unsigned status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

static const char *status_name(unsigned status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].name;
        }
    }
    return "error";
}

/* sound returns the part of a detail that is valid UTF-8. A detail may quote input, and a fixed
 * buffer may cut it in the middle of a character. */
static slice sound(const char *text)
{
    slice s = slice_of(text);
    while (s.length > 0 && !utf8_valid(s)) {
        s.length--;
    }
    return s;
}

void problem_open(api_response *response, unsigned status, const char *name, const char *detail)
{
    buffer *b = &response->body;
    buffer_reset(b, BUFFER_FREE_BYTES);
    response->status = status;
    response->content_type = "application/problem+json";
    if (status == 503 || status == 429) {
        response->retry_after_seconds = 1;
    }
    if (status == 401) {
        response->www_authenticate = "Bearer realm=\"stair\"";
    }
    buffer_put_text(b, "{\"type\":\"urn:stair:problem:");
    buffer_put_text(b, name != NULL ? name : status_name(status));
    buffer_put_text(b, "\"");
    json_put_key(b, "title");
    json_put_text(b, problem_title(status));
    json_put_key(b, "status");
    json_put_unsigned(b, status);
    json_put_key(b, "detail");
    json_put_string(b, sound(detail));
}

void problem_close(api_response *response, const problem_list *list, slice request_id)
{
    buffer *b = &response->body;
    json_put_key(b, "request_id");
    json_put_string(b, request_id);
    if (list != NULL && list->found > 0) {
        json_put_key(b, "errors");
        buffer_put(b, "[", 1);
        for (size_t i = 0; i < list->count; i++) {
            json_put_comma(b);
            buffer_put(b, "{", 1);
            json_put_key(b, list->entries[i].parameter ? "parameter" : "pointer");
            json_put_string(b, sound(list->entries[i].place));
            json_put_key(b, "detail");
            json_put_string(b, sound(list->entries[i].detail));
            buffer_put(b, "}", 1);
        }
        buffer_put(b, "]", 1);
        if (list->found > list->count) {
            json_put_key(b, "errors_omitted");
            json_put_unsigned(b, list->found - list->count);
        }
    }
    buffer_put(b, "}", 1);
}

/* shown returns what a caller may read of an error: all about its own mistakes, nothing about
 * internal ones. */
static const char *shown(const err *e, unsigned status)
{
    switch (e->code) {
    case ERR_OUTCOME_UNKNOWN:
        return "the write may or may not be stored: its commit was not confirmed; read it back, or "
               "repeat it with its Idempotency-Key";
    case ERR_FULL: return "the disk or the store's quota is full; the write was refused";
    case ERR_NOMEM: return "out of memory; try again";
    case ERR_UNAVAILABLE: return e->text;
    default:
        return status >= 500
                   ? "an internal error; the service's log has the details under this request_id"
                   : e->text;
    }
}

void problem_respond(api_response *response, const err *e, const problem_list *list,
                     slice request_id)
{
    unsigned status = problem_status(e->code);
    response->code = e->code;
    snprintf(response->cause, sizeof response->cause, "%s", e->text);
    problem_open(response, status, status == 500 ? NULL : err_code_name(e->code), shown(e, status));
    problem_close(response, list, request_id);
}

void api_refuse(api_response *response, unsigned status, slice request_id, const char *detail)
{
    snprintf(response->cause, sizeof response->cause, "%s", detail);
    if (response->route == NULL) {
        response->route = "none";
    }
    problem_open(response, status, NULL, detail);
    problem_close(response, NULL, request_id);
}
