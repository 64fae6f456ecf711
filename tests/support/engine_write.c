/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/engine_write.h"

#include <pthread.h>
#include <sched.h>

typedef struct waiter {
    writer_job job;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
} waiter;

static void on_done(writer_job *job)
{
    waiter *w = job->ctx;
    pthread_mutex_lock(&w->mutex);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
}

err_code engine_write(engine *g, op *o, uint64_t *seq)
{
    waiter wait = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    wait.job.op = o;
    wait.job.done = on_done;
    wait.job.ctx = &wait;
    writer_admission admission = engine_reserve(g, 0);
    while (admission == WRITER_QUEUE_FULL) {
        sched_yield();
        admission = engine_reserve(g, 0);
    }
    if (admission != WRITER_ADMITTED) {
        op_free(o);
        return ERR_UNAVAILABLE;
    }
    engine_submit(g, &wait.job);
    pthread_mutex_lock(&wait.mutex);
    while (!wait.done) {
        pthread_cond_wait(&wait.ended, &wait.mutex);
    }
    pthread_mutex_unlock(&wait.mutex);
    err_code code = wait.job.result->code;
    if (seq != NULL) {
        *seq = wait.job.result->seq;
    }
    writer_job_release(&wait.job);
    op_free(o);
    return code;
}
