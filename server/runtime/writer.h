/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer: the one thread that changes the store, behind a bounded queue.
 *
 * A request reserves a place, then hands over a job and does not touch it until its `done` is
 * called. The thread takes all waiting jobs, applies them in order in one transaction and commits
 * once, so under load many requests share one fsync (group commit). After the commit the changes
 * are made to the live tables, and only then are the jobs done. So an answered write is on disk and
 * visible to every read that begins after the answer.
 *
 *     submit -> waiting -> taken (apply_group: one commit) -> live_apply -> done -> released
 *
 * When the disk is full only the ops that do not fit are refused. When a commit fails its outcome
 * is unknown: those ops are answered so, nothing is retried, and the thread reopens the store and
 * reads back what is there before it takes another write; meanwhile reads go on.
 *
 * Threading: writer_reserve, writer_submit, writer_call and writer_state from any thread. The
 * queue's mutex is held for a few instructions and never across I/O; reads do not come near it.
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
typedef struct writer writer;
typedef struct writer_group writer_group; /* results of one commit, shared by its jobs */

/* Owned by whoever submits it; lives inside their own struct. */
typedef struct writer_job {
    /* set before the submit */
    const op *op;
    size_t bytes;                       /* as reserved */
    base *base;                         /* for OP_GENERATION_ACTIVATE; taken over */
    void (*done)(struct writer_job *j); /* in the writer's thread; quick; must not free the job's
                                           memory before it returns */
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
    uint64_t seq; /* that the live tables are at */
    unsigned char lineage[LINEAGE_BYTES];
    /* gives the base of a generation whose activation came without one, or NULL: the tables are not
     * here or not loaded, and what serves goes on serving. In the writer's thread: quick; or NULL
     */
    base *(*warmed)(void *ctx, uint32_t generation);
    void *warmed_ctx;
    const struct replicated_log
        *log;         /* that ops go through; NULL: none, they are applied at once */
    slice position;   /* of the store in that log; copied */
    op_render render; /* of ops that the log brings */
    /* told of every committed op, after its changes are visible, in the writer's thread: quick; or
     * NULL */
    void (*changed)(void *ctx, const change_list *changes);
    void *changed_ctx;
    /* the tables in memory fell behind the disk for good: end the process, so that a start reads
     * all anew. Called in the writer's thread. */
    void (*fatal)(void *ctx, const char *why);
    void *fatal_ctx;
} writer_options;

/* writer_new starts the thread. */
err_code writer_new(writer **out, const writer_options *options, err *e) ERR_CHECKED;

/* writer_reserve takes a place for a job of `bytes`, or tells that the queue is full or stopping.
 * A place that was taken is given back by the job's end, or by writer_unreserve. */
typedef enum writer_admission {
    WRITER_ADMITTED,
    WRITER_QUEUE_FULL,
    WRITER_STOPPING
} writer_admission;
writer_admission writer_reserve(writer *w, size_t bytes);
void writer_unreserve(writer *w, size_t bytes);

/* writer_submit hands the job over. From here on it is not the caller's until `done`. */
void writer_submit(writer *w, writer_job *job);

/* writer_fail ends a reserved job that was not submitted, with this error as its result; `done` is
 * called in the caller's thread. */
void writer_fail(writer *w, writer_job *job, err_code code, const char *why);

/* writer_job_release ends the use of job->result. */
void writer_job_release(writer_job *job);

/* writer_call runs `fn` in the writer's thread, between two groups, and waits for it: for what
 * changes the live tables without an op. Not from the writer's thread. ERR_UNAVAILABLE once it is
 * stopped. */
typedef err_code (*writer_function)(void *ctx, err *e);
err_code writer_call(writer *w, writer_function fn, void *ctx, err *e) ERR_CHECKED;

typedef struct writer_status {
    size_t depth; /* jobs waiting or being applied */
    bool writable;
    bool stopping;
    char problem[128]; /* why the last write was not taken, for people; "" if all is well */
    uint64_t seq;
    /* how long the thread has been at work of its own, in which it waits for nothing: publishing,
     * answering, calls; or how long the oldest job has waited for a thread that does nothing. Time
     * that the disk takes does not count. */
    double stuck_seconds;
} writer_status;
void writer_state(writer *w, writer_status *out);

/* writer_stop admits nothing more, lets the thread finish all that waits, and joins it. */
void writer_stop(writer *w);
void writer_free(writer *w);

#endif
