/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/common/buffer.h"
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
