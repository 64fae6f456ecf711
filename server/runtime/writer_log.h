/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_log: the writer of a node whose ops come from a replicated log.
 *
 *     submit -> waiting -> published, in flight -> read back from the log -> applied -> done
 *
 * The thread publishes all that waits as one message and applies what the log has handed over, its
 * own messages and those of other nodes, in one transaction with their positions. A job is done
 * when its message was applied here: an acknowledgement of the log alone confirms nothing. A
 * message that does not come back is sent again under the same number; when its time is up, its
 * jobs are answered ERR_OUTCOME_UNKNOWN.
 *
 * Messages are never skipped. When one cannot be applied (the disk is full, its version is newer),
 * the thread keeps it, says why, admits no writes, and tries again.
 */
#ifndef SERVER_WRITER_LOG_H
#define SERVER_WRITER_LOG_H

#include "server/runtime/writer.h"

/* writer_deliver takes the log's next message, whose bytes are copied, and the position behind it.
 * From the log's thread; waits while much is waiting. ERR_UNAVAILABLE once the writer has stopped;
 * ERR_CONFLICT and ERR_CORRUPT for bytes that this stair cannot read: the log must stop there. */
err_code writer_deliver(writer *w, slice bytes, slice position, err *e) ERR_CHECKED;

/* writer_resend has all messages in flight sent again at once: the log was out of reach. */
void writer_resend(writer *w);

/* private: the thread of a writer with a log, and what it needs */
typedef struct writer_log writer_log;
err_code writer_log_new(writer_log **out, const struct replicated_log *log, slice position,
                        err *e) ERR_CHECKED;
void writer_log_free(writer_log *l);
void *writer_log_main(void *writer);

#endif
