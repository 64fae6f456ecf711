/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_queue: passes log lines to a thread that writes them, so that a blocked log blocks nothing
 * else.
 *
 * A full pipe, a stopped terminal or a hanging disk blocks whoever writes to it. So a separate
 * thread writes, from a ring of LOG_QUEUE_BYTES. A line is copied into the ring; if there is no
 * room, it is dropped and counted. When there is room again, a line says how many were lost.
 *
 * Threading: log_queue_put and log_queue_dropped from any thread; log_queue_start and
 * log_queue_stop from one. The lock is held for a copy of at most one line or one write, never
 * across I/O.
 */
#ifndef SERVER_LOG_QUEUE_H
#define SERVER_LOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

enum { LOG_QUEUE_BYTES = 1024 * 1024 };

/* log_queue_start starts the thread that writes to `fd`. */
err_code log_queue_start(int fd, err *e) ERR_CHECKED;

/* log_queue_put takes a line with its newline. Without a queue it does nothing and returns false. A
 * line that does not fit is dropped and counted; it then returns true. */
bool log_queue_put(const char *line, size_t length);

/* log_queue_flush waits until everything is written, but gives up after this time without
 * progress. */
void log_queue_flush(unsigned patience_ms);

/* log_queue_stop flushes and ends the thread. If the descriptor still blocks, the rest is lost, the
 * thread stays blocked, and every later line is dropped. */
void log_queue_stop(unsigned patience_ms);

/* log_queue_dropped returns how many lines were lost since the start. */
uint64_t log_queue_dropped(void);

#endif
