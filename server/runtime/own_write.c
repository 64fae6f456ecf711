/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/own_write.h"

#include <pthread.h>

typedef struct own_job {
    writer_job job;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
} own_job;

static void on_done(writer_job *job)
{
    own_job *own = job->ctx;
    pthread_mutex_lock(&own->mutex);
    own->done = true;
    pthread_cond_signal(&own->ended);
    pthread_mutex_unlock(&own->mutex);
}

err_code own_write(writer *w, op *o, base *b, err *e)
{
    own_job own = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    own.job.op = o;
    own.job.base = b;
    own.job.done = on_done;
    own.job.ctx = &own;
    if (writer_reserve(w, 0) != WRITER_ADMITTED) {
        base_release(b);
        return err_set(e, ERR_UNAVAILABLE, "the write queue is full");
    }
    writer_submit(w, &own.job);
    pthread_mutex_lock(&own.mutex);
    while (!own.done) {
        pthread_cond_wait(&own.ended, &own.mutex);
    }
    pthread_mutex_unlock(&own.mutex);
    const apply_result *result = own.job.result;
    err_code code =
        result->code == ERR_OK ? ERR_OK : err_set(e, result->code, "%s", result->detail);
    writer_job_release(&own.job);
    pthread_mutex_destroy(&own.mutex);
    pthread_cond_destroy(&own.ended);
    return code;
}
