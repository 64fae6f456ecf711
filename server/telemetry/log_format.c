/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_format: writes an event as one line of logfmt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/common/buffer.h"
#include "server/telemetry/log.h"

static bool needs_quotes(const char *text)
{
    if (text[0] == '\0') {
        return true;
    }
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* put_quoted escapes control bytes, which could end the line or control a terminal. It writes other
 * bytes, including UTF-8, unchanged. */
static void put_quoted(buffer *l, const char *text)
{
    buffer_put(l, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        char escaped[8];
        if (*c == '"' || *c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)*c;
            buffer_put(l, escaped, 2);
        } else if (*c == '\n') {
            buffer_put(l, "\\n", 2);
        } else if (*c < ' ' || *c == 0x7f) {
            int n = snprintf(escaped, sizeof escaped, "\\x%02x", *c);
            buffer_put(l, escaped, (size_t)n);
        } else {
            buffer_put(l, (const char *)c, 1);
        }
    }
    buffer_put(l, "\"", 1);
}

/* put_field leaves out a field that does not fit, and with it all fields after it. */
static void put_field(buffer *l, const log_field *field)
{
    size_t before = l->length;
    char number[64];
    int length = 0;
    buffer_put(l, " ", 1);
    buffer_put_text(l, field->key);
    buffer_put(l, "=", 1);
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        if (field->text != NULL && needs_quotes(field->text)) {
            put_quoted(l, field->text);
        } else if (field->text != NULL) {
            buffer_put_text(l, field->text);
        }
        break;
    case LOG_FIELD_INT:
        length = snprintf(number, sizeof number, "%" PRId64, field->number);
        buffer_put(l, number, (size_t)length);
        break;
    case LOG_FIELD_REAL:
        length = snprintf(number, sizeof number, "%.6g", field->real);
        buffer_put(l, number, (size_t)length);
        break;
    case LOG_FIELD_BOOL:
        buffer_put(l, field->number != 0 ? "true" : "false", field->number != 0 ? 4 : 5);
        break;
    }
    if (l->failed != ERR_OK) {
        l->length = before;
    }
}

static const char *level_name(log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "none"};
    return names[level];
}

size_t log_format(char *out, size_t bytes, int64_t epoch_ms, log_level level, const char *event,
                  const log_field *fields, size_t count)
{
    buffer l;
    buffer_init_fixed(&l, out, bytes - 1);
    time_t seconds = (time_t)(epoch_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char stamp[64];
    size_t n = strftime(stamp, sizeof stamp, "time=%Y-%m-%dT%H:%M:%S", &parts);
    buffer_put(&l, stamp, n);
    buffer_put(&l, stamp, (size_t)snprintf(stamp, sizeof stamp, ".%03dZ", (int)(epoch_ms % 1000)));
    buffer_put(&l, " level=", 7);
    buffer_put_text(&l, level_name(level));
    buffer_put(&l, " event=", 7);
    buffer_put_text(&l, event);
    for (size_t i = 0; i < count; i++) {
        put_field(&l, &fields[i]);
    }
    out[l.length] = '\0';
    return l.length;
}
