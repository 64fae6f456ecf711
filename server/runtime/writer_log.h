/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_log: the writer of a node whose ops come from a replicated log.
 *
 *     submit -> waiting -> published, in flight -> read back from the log -> applied -> done
 *
 * The thread publishes all waiting jobs as one message. It applies what the log has delivered, its
 * own messages and those of other nodes, in one transaction with their positions. A job is done
 * when its message has been applied here: an acknowledgement by the log alone confirms nothing. A
 * message that does not come back is sent again under the same number. When its time is up, its
 * jobs are answered ERR_OUTCOME_UNKNOWN.
 *
 * Messages are never skipped. If one cannot be applied (the disk is full, its version is newer),
 * the thread keeps it, reports why, admits no writes, and tries again.
 */
#ifndef SERVER_WRITER_LOG_H
#define SERVER_WRITER_LOG_H

#include "server/runtime/writer.h"

/* writer_deliver takes the log's next message, whose bytes it copies, and the position after it.
 * The log's thread calls it; it blocks while too many messages are waiting. ERR_UNAVAILABLE: the
 * writer has stopped. ERR_CONFLICT or ERR_CORRUPT: this version cannot read the bytes, and the log
 * must stop there. */
err_code writer_deliver(writer *w, slice bytes, slice position, err *e) ERR_CHECKED;

/* writer_hurry has the writer look at once whether a request waits for a write that was delivered.
 * It does nothing if the writer has no log. */
void writer_hurry(writer *w);

/* writer_resend sends all messages in flight again at once, because the log was out of reach. */
void writer_resend(writer *w);

/* Private: the thread of a writer with a log, and its state. */
typedef struct writer_log writer_log;
err_code writer_log_new(writer_log **out, const struct replicated_log *log, slice position,
                        err *e) ERR_CHECKED;
void writer_log_free(writer_log *l);
void *writer_log_main(void *writer);

#endif
