/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_private: what the two files of the writer share. writer.c is the queue and the thread,
 * writer_apply.c what becomes of the jobs.
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
    err_code rc;
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
    size_t last_count;  /* jobs of the last group */
    uint64_t commit_ns; /* what its commit took */
};

/* writer_run_group applies these jobs (linked, `count`) and ends them. */
void writer_run_group(writer *w, writer_job *jobs, size_t count);

/* writer_reopen reads back what is on disk after a failed commit. */
void writer_reopen(writer *w);

#endif
