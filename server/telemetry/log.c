/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/telemetry/clock.h"
#include "server/telemetry/log_queue.h"

static atomic_int least_level = LOG_INFO;
static atomic_int output = 2;

void log_setup(log_level level, int fd)
{
    atomic_store(&least_level, (int)level);
    atomic_store(&output, fd);
}

bool log_enabled(log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

/* A line under construction: what does not fit whole is left out, and `full` keeps the rest out
 * too, so that a line is never cut inside a field. */
typedef struct line {
    char *at;
    size_t room, used;
    bool full;
} line;

static void put(line *l, const char *text, size_t length)
{
    if (l->full || l->used + length >= l->room) {
        l->full = true;
        return;
    }
    memcpy(l->at + l->used, text, length);
    l->used += length;
    l->at[l->used] = '\0';
}

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

/* Control bytes could end the line or drive a terminal; other bytes, UTF-8 among them, pass. */
static void put_quoted(line *l, const char *text)
{
    put(l, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        char escaped[8];
        if (*c == '"' || *c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)*c;
            put(l, escaped, 2);
        } else if (*c == '\n') {
            put(l, "\\n", 2);
        } else if (*c < ' ' || *c == 0x7f) {
            int n = snprintf(escaped, sizeof escaped, "\\x%02x", *c);
            put(l, escaped, (size_t)n);
        } else {
            put(l, (const char *)c, 1);
        }
    }
    put(l, "\"", 1);
}

static void put_field(line *l, const log_field *field)
{
    size_t before = l->used;
    char number[64];
    int length = 0;
    put(l, " ", 1);
    put(l, field->key, strlen(field->key));
    put(l, "=", 1);
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        if (field->text != NULL && needs_quotes(field->text)) {
            put_quoted(l, field->text);
        } else if (field->text != NULL) {
            put(l, field->text, strlen(field->text));
        }
        break;
    case LOG_FIELD_INT:
        length = snprintf(number, sizeof number, "%" PRId64, field->number);
        put(l, number, (size_t)length);
        break;
    case LOG_FIELD_REAL:
        length = snprintf(number, sizeof number, "%.6g", field->real);
        put(l, number, (size_t)length);
        break;
    case LOG_FIELD_BOOL:
        put(l, field->number != 0 ? "true" : "false", field->number != 0 ? 4 : 5);
        break;
    }
    if (l->full) {
        l->used = before;
        l->at[before] = '\0';
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
    line l = {.at = out, .room = bytes};
    out[0] = '\0';
    time_t seconds = (time_t)(epoch_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char stamp[64];
    size_t n = strftime(stamp, sizeof stamp, "time=%Y-%m-%dT%H:%M:%S", &parts);
    put(&l, stamp, n);
    put(&l, stamp, (size_t)snprintf(stamp, sizeof stamp, ".%03dZ", (int)(epoch_ms % 1000)));
    put(&l, " level=", 7);
    put(&l, level_name(level), strlen(level_name(level)));
    put(&l, " event=", 7);
    put(&l, event, strlen(event));
    for (size_t i = 0; i < count; i++) {
        put_field(&l, &fields[i]);
    }
    return l.used;
}

void log_write(log_level level, const char *event, const log_field *fields, size_t count)
{
    if (!log_enabled(level)) {
        return;
    }
    char text[LOG_LINE_MAX + 1];
    size_t length = log_format(text, LOG_LINE_MAX, clock_now_ms(), level, event, fields, count);
    text[length] = '\n';
    if (log_queue_put(text, length + 1)) {
        return;
    }
    int fd = atomic_load(&output);
    ssize_t written = 0;
    do {
        written = write(fd, text, length + 1);
    } while (written < 0 && errno == EINTR);
}
