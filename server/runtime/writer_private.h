/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_private: what the files of the writer share. writer_queue.c holds the queue, writer.c the
 * thread, writer_apply.c applies the jobs, writer_log.c is the thread of a node in a cluster.
 */
#ifndef SERVER_WRITER_PRIVATE_H
#define SERVER_WRITER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/runtime/writer.h"

struct writer_group {
    atomic_size_t holders;
    size_t count;
    apply_result results[]; /* (count) */
};

typedef struct writer_call_entry {
    writer_function fn;
    void *ctx;
    err *e;
    err_code code;
    bool done;
    struct writer_call_entry *next;
} writer_call_entry;

struct writer {
    /* immutable */
    writer_options options;
    pthread_t thread;
    metric_series *commits, *refused_full, *failed_commits, *group_ops, *commit_seconds,
        *live_seconds, *rejected;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* signalled when there is work or at the end */
    pthread_cond_t called;
    writer_job *first, **last;
    size_t waiting;     /* number of jobs from `first` on */
    uint64_t newest_ns; /* when the last of them was submitted */
    /* writer_submit wakes the thread only if at least this many jobs are waiting */
    size_t wake_at;
    writer_call_entry *calls;
    size_t reserved_jobs, reserved_bytes;
    bool stopping, joined;
    bool idle; /* the thread is waiting for work */
    bool writable;
    char problem[128];
    uint64_t seq;
    /* Atomic: when the thread began work that waits neither for jobs nor for the disk; 0 if it does
     * none. */
    atomic_uint_fast64_t own_since_ns;
    /* used by the writer's thread alone */
    const op **ops;
    size_t last_count;      /* number of jobs in the last group */
    uint64_t commit_ns;     /* how long its commit took */
    struct writer_log *log; /* NULL without a log; only the writer_log files use its members */
};

/* writer_take_jobs takes the jobs of one group off the queue. The caller holds the mutex. */
writer_job *writer_take_jobs(writer *w, size_t *count);

void writer_run_calls(writer *w, writer_call_entry *calls);

/* writer_run_group applies these jobs (linked, `count`) and ends them. */
void writer_run_group(writer *w, writer_job *jobs, size_t count);

/* writer_group_needed makes results for `count` ops, which `holders` holders release. It waits for
 * memory instead of failing, because jobs must be answered. */
writer_group *writer_group_needed(size_t count, size_t holders);
void writer_group_release(writer_group *g);
/* writer_group_drop frees a group whose results no job has. */
void writer_group_drop(writer_group *g);

/* writer_publish applies the result of an op to the live tables. `b` is for an activation. */
void writer_publish(writer *w, const op *o, const apply_result *r, base **b);

/* writer_finish_job ends a job with a result of the group, and makes the job a holder of it. The
 * job may be gone when this returns. */
void writer_finish_job(writer *w, writer_job *j, writer_group *g, const apply_result *result);

void writer_set_state(writer *w, bool writable, const char *problem);

/* writer_count_in counts a commit of `count` ops that took `ns` nanoseconds. */
void writer_count_in(writer *w, size_t count, uint64_t ns);

/* writer_reopen reads what is on disk after a failed commit. */
void writer_reopen(writer *w);

#endif
