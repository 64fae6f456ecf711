/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work: a bounded pool of threads for long work, so that the threads of the HTTP loop do only short
 * work and a health probe never waits behind a batch.
 *
 * A job waits in a queue of limited length. A free thread takes the job whose caller has the fewest
 * jobs running, and of those the oldest. So a caller with many jobs delays the others by at most
 * one job. The threads run at a lower priority than the HTTP loop.
 *
 * Threading: work_submit from any thread; work_new and work_stop from one. No job runs under the
 * lock.
 */
#ifndef SERVER_HTTP_WORK_H
#define SERVER_HTTP_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

enum { WORK_THREADS_MAX = 256 };

typedef struct work work;

/* Owned by the submitter. The pool does not touch it after calling `run`. */
typedef struct work_job {
    void (*run)(struct work_job *job);
    void *ctx;
    uint64_t caller; /* who it is for: jobs with the same number share one turn */
    struct work_job *next;
} work_job;

typedef struct work_state {
    size_t waiting, running;
} work_state;

/* work_new starts `threads` threads (1 to WORK_THREADS_MAX). At most `waiting_max` jobs wait. */
err_code work_new(work **out, unsigned threads, size_t waiting_max, err *e) ERR_CHECKED;

/* work_submit queues a job. It returns false if the queue is full, if the job's client holds half
 * of it, or if the pool is stopping. */
bool work_submit(work *w, work_job *job);

void work_state_get(work *w, work_state *out);

/* work_stop accepts no more jobs, runs the waiting ones and joins the threads. work_free does the
 * same and frees; it accepts NULL. */
void work_stop(work *w);
void work_free(work *w);

#endif
