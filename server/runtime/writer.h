/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer: the one thread that changes the store, behind a bounded queue.
 *
 * A request reserves a place, hands over a job, and does not touch it until its `done` is called.
 * The thread takes all waiting jobs, applies them in order in one transaction, and commits once, so
 * under load many requests share one fsync (group commit). After the commit it updates the live
 * tables, and only then are the jobs done. So an answered write is on disk, and visible to every
 * read that begins after the answer.
 *
 *     submit -> waiting -> taken (apply_group: one commit) -> live_apply -> done -> released
 *
 * If the disk is full, only the ops that do not fit are refused. If a commit fails, its outcome is
 * unknown: the ops are answered so, nothing is retried, and the thread reopens the store and reads
 * its state before it takes another write. Reads go on meanwhile.
 *
 * Threading: any thread may call writer_reserve, writer_submit, writer_call and writer_state. The
 * queue's mutex is held for a few instructions, never across I/O, and reads never take it.
 */
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"
#include "server/telemetry/metrics.h"
#include "storage/env/store.h"
#include "storage/log/apply.h"

struct replicated_log;
struct seq_waits;
typedef struct writer writer;
typedef struct writer_group writer_group; /* results of one commit, shared by its jobs */

/* A write on its way. The caller embeds it in a struct of its own and owns it. */
typedef struct writer_job {
    /* set by the caller before the submit */
    op *op;       /* a writer with a log sets its version */
    size_t bytes; /* what was reserved with writer_reserve */
    base *base;   /* for OP_GENERATION_ACTIVATE; taken over */
    /* in the writer's thread; must be quick; must not free the job's memory before it returns */
    void (*done)(struct writer_job *j);
    void *ctx;
    /* valid from `done` until writer_job_release */
    const apply_result *result;
    uint64_t submitted_ns, taken_ns, done_ns;
    /* private */
    writer_group *group;
    struct writer_job *next;
} writer_job;

typedef struct writer_options {
    store *store;
    live *live;
    metrics *metrics;
    size_t queue_jobs_max;
    size_t queue_bytes_max;
    size_t group_jobs_max;
    uint64_t seq; /* seq of the live tables */
    unsigned char lineage[LINEAGE_BYTES];
    /* warmed returns the base of a generation whose activation came without one. NULL: the tables
     * are not here or not loaded, and the old generation continues to serve. Called in the writer's
     * thread; must be quick; may be NULL. */
    base *(*warmed)(void *ctx, uint32_t generation);
    void *warmed_ctx;
    const struct replicated_log
        *log;                /* the log that ops go through; NULL: they are applied at once */
    struct seq_waits *waits; /* requests that wait for a write; NULL if there are none */
    slice position;          /* the store's position in that log; copied */
    op_render render;        /* makes the stored answers for ops that the log delivers */
    /* changed is called for every committed op, after its changes are visible, in the writer's
     * thread; must be quick; may be NULL. */
    void (*changed)(void *ctx, const change_list *changes);
    void *changed_ctx;
    /* fatal is called in the writer's thread when the tables in memory can no longer follow the
     * disk. It must end the process, so that the next start reads everything anew. */
    void (*fatal)(void *ctx, const char *why);
    void *fatal_ctx;
} writer_options;

/* writer_new starts the thread. */
err_code writer_new(writer **out, const writer_options *options, err *e) ERR_CHECKED;

/* writer_reserve takes a place for a job of `bytes` bytes, or reports that the queue is full or
 * stopping. The end of the job or writer_unreserve gives the place back. */
typedef enum writer_admission {
    WRITER_ADMITTED,
    WRITER_QUEUE_FULL,
    WRITER_STOPPING
} writer_admission;
writer_admission writer_reserve(writer *w, size_t bytes);
void writer_unreserve(writer *w, size_t bytes);

/* writer_submit hands the job over. The caller must not touch it until `done`. */
void writer_submit(writer *w, writer_job *job);

/* writer_fail ends a reserved job that was not submitted, with this error as its result. It calls
 * `done` in the caller's thread. */
void writer_fail(writer *w, writer_job *job, err_code code, const char *why);

/* writer_job_release ends the use of job->result. */
void writer_job_release(writer_job *job);

/* writer_call runs `fn` in the writer's thread, between two groups, and waits for it. It is for
 * changes of the live tables without an op. Do not call it from the writer's thread.
 * ERR_UNAVAILABLE: the writer has stopped. */
typedef err_code (*writer_function)(void *ctx, err *e);
err_code writer_call(writer *w, writer_function fn, void *ctx, err *e) ERR_CHECKED;

typedef struct writer_status {
    size_t depth; /* jobs that wait or are being applied */
    bool writable;
    bool stopping;
    char problem[128]; /* why the last write was refused, for people; "" if it was not */
    uint64_t seq;
    /* How long the thread has been busy without waiting for anything (publishing, answering,
     * calls), or how long the oldest job has waited while the thread does nothing. Time spent on
     * the disk does not count. */
    double stuck_seconds;
} writer_status;
void writer_state(writer *w, writer_status *out);

/* writer_stop admits no more jobs, lets the thread finish all that wait, and joins it. */
void writer_stop(writer *w);
void writer_free(writer *w);

#endif
