/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_private: what the files of the writer share. writer.c is the queue and the thread,
 * writer_apply.c what becomes of the jobs, writer_log.c the thread of a node in a cluster.
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
    pthread_cond_t wake; /* there is work, or an end */
    pthread_cond_t called;
    writer_job *first, **last;
    size_t waiting; /* jobs from `first` on */
    writer_call_entry *calls;
    size_t reserved_jobs, reserved_bytes;
    bool stopping, joined;
    bool idle; /* the thread waits for work */
    bool writable;
    char problem[128];
    uint64_t seq;
    /* atomic: when the thread began what is neither waiting nor the disk's; 0: nothing such */
    atomic_uint_fast64_t own_since_ns;
    /* the writer's thread alone */
    const op **ops;
    size_t last_count;      /* jobs of the last group */
    uint64_t commit_ns;     /* what its commit took */
    struct writer_log *log; /* NULL: none; writer_log.c alone looks into it */
};

/* writer_log_agrees tells whether the store on disk is where this writer's log has brought it. */
bool writer_log_agrees(const writer *w, const store_info *info);

/* writer_take_jobs takes up to a group's worth of jobs off the queue. With the mutex held. */
writer_job *writer_take_jobs(writer *w, size_t *count);

void writer_run_calls(writer *w, writer_call_entry *calls);

/* writer_run_group applies these jobs (linked, `count`) and ends them. */
void writer_run_group(writer *w, writer_job *jobs, size_t count);

/* writer_group_needed makes a group of results for `count` ops, which `holders` release; it waits
 * for memory rather than give up, as jobs must be answered somehow. */
writer_group *writer_group_needed(size_t count, size_t holders);
void writer_group_release(writer_group *g);
/* writer_group_drop frees a group that no job has a result of. */
void writer_group_drop(writer_group *g);

/* writer_publish brings what came of an op into the live tables. `b` is for an activation. */
void writer_publish(writer *w, const op *o, const apply_result *r, base **b);

/* writer_finish_job ends a job with a result of the group, of which it becomes a holder. The job
 * may be gone when this returns. */
void writer_finish_job(writer *w, writer_job *j, writer_group *g, const apply_result *result);

void writer_set_state(writer *w, bool writable, const char *problem);

/* writer_count_in counts a commit of `count` ops that took `ns`. */
void writer_count_in(writer *w, size_t count, uint64_t ns);

/* writer_reopen reads back what is on disk after a failed commit. */
void writer_reopen(writer *w);

#endif
