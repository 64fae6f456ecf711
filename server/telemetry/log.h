/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: writes one logfmt line per event to standard error.
 *
 *     time=2026-01-31T12:00:00.123Z level=info event=listening address=127.0.0.1:8080
 *
 * `event` is a stable word that alerts may match. Values are escaped, so that no input can forge a
 * line or a field. Lines of different threads do not mix. Never log ids of users or items, keys, or
 * query strings. The service writes through a queue (server/telemetry/log_queue.h), so that nothing
 * waits for the reader of the log.
 *
 * Thread-safe. The level applies to the whole process; it is set at the start and again on SIGHUP.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE } log_level;

enum { LOG_LINE_MAX = 2048 };

typedef struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_REAL, LOG_FIELD_BOOL } kind;
    const char *text; /* NULL writes nothing after the '=' */
    int64_t number;
    double real;
} log_field;

#define log_text(k, v) ((log_field){.key = (k), .kind = LOG_FIELD_TEXT, .text = (v)})
#define log_int(k, v)  ((log_field){.key = (k), .kind = LOG_FIELD_INT, .number = (int64_t)(v)})
#define log_real(k, v) ((log_field){.key = (k), .kind = LOG_FIELD_REAL, .real = (double)(v)})
#define log_bool(k, v) ((log_field){.key = (k), .kind = LOG_FIELD_BOOL, .number = (v) ? 1 : 0})

/* Use: log_event(LOG_INFO, "listening", log_text("address", a), log_int("pid", p)) */
#define log_event(level, event, ...)                                                               \
    log_write(level, event, (const log_field[]){__VA_ARGS__},                                      \
              sizeof((const log_field[]){__VA_ARGS__}) / sizeof(log_field))

/* log_setup sets the lowest level that is written, and the file descriptor (2 by default). */
void log_setup(log_level level, int fd);

bool log_enabled(log_level level);

void log_write(log_level level, const char *event, const log_field *fields, size_t count);

/* log_format writes the line without a newline into `out`. It is always NUL-terminated, and cut at
 * the end of a field if it is too long. The caller gives the time. Returns the length. */
size_t log_format(char *out, size_t bytes, int64_t epoch_ms, log_level level, const char *event,
                  const log_field *fields, size_t count);

#endif
