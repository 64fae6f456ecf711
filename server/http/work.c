/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/work.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/common/mem.h"

/* Lower priority than the HTTP loop, so that a busy machine serves short requests first. */
enum { NICENESS = 5 };

typedef struct worker {
    work *pool;
    pthread_t thread;
    bool busy;       /* guarded by the pool's mutex, like the next */
    uint64_t caller; /* caller of the job that it runs */
} worker;

struct work {
    size_t waiting_max; /* immutable */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    work_job *first, *last; /* guarded by mutex, like everything below */
    size_t waiting;
    bool stopping;
    unsigned started; /* number of threads that have started */
    worker workers[WORK_THREADS_MAX];
};

static size_t running_of(const work *w, uint64_t caller)
{
    size_t count = 0;
    for (unsigned i = 0; i < w->started; i++) {
        count += w->workers[i].busy && w->workers[i].caller == caller;
    }
    return count;
}

/* take unlinks the oldest job among those whose client has the fewest running jobs. */
static work_job *take(work *w)
{
    work_job *before_best = NULL, *before = NULL;
    size_t least = SIZE_MAX;
    for (work_job *job = w->first; job != NULL; before = job, job = job->next) {
        size_t running = running_of(w, job->caller);
        if (running < least) {
            least = running;
            before_best = before;
        }
    }
    work_job **link = before_best != NULL ? &before_best->next : &w->first;
    work_job *taken = *link;
    *link = taken->next;
    if (w->last == taken) {
        w->last = before_best;
    }
    w->waiting--;
    return taken;
}

static void *work_thread(void *arg)
{
    worker *me = arg;
    work *w = me->pool;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (w->first == NULL && !w->stopping) {
            pthread_cond_wait(&w->changed, &w->mutex);
        }
        if (w->first == NULL) {
            break;
        }
        work_job *job = take(w);
        me->busy = true;
        me->caller = job->caller;
        pthread_mutex_unlock(&w->mutex);
        job->run(job);
        pthread_mutex_lock(&w->mutex);
        me->busy = false;
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

err_code work_new(work **out, unsigned threads, size_t waiting_max, err *e)
{
    *out = NULL;
    work *w = mem_array(1, sizeof *w);
    if (w == NULL) {
        return err_nomem(e, "the pool for long work");
    }
    w->waiting_max = waiting_max;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_mutex_lock(&w->mutex);
    for (; w->started < threads && w->started < WORK_THREADS_MAX; w->started++) {
        worker *me = &w->workers[w->started];
        me->pool = w;
        if (pthread_create(&me->thread, NULL, work_thread, me) != 0) {
            break;
        }
    }
    bool some = w->started > 0;
    pthread_mutex_unlock(&w->mutex);
    if (!some) {
        work_free(w);
        return err_set(e, ERR_IO, "no thread for long work can be started");
    }
    *out = w;
    return ERR_OK;
}

static size_t waiting_of(const work *w, uint64_t caller)
{
    size_t count = 0;
    for (const work_job *job = w->first; job != NULL; job = job->next) {
        count += job->caller == caller;
    }
    return count;
}

bool work_submit(work *w, work_job *job)
{
    pthread_mutex_lock(&w->mutex);
    bool taken = !w->stopping && w->waiting < w->waiting_max &&
                 waiting_of(w, job->caller) < (w->waiting_max + 1) / 2;
    if (taken) {
        job->next = NULL;
        if (w->last != NULL) {
            w->last->next = job;
        } else {
            w->first = job;
        }
        w->last = job;
        w->waiting++;
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->mutex);
    return taken;
}

void work_state_get(work *w, work_state *out)
{
    pthread_mutex_lock(&w->mutex);
    out->waiting = w->waiting;
    out->running = 0;
    for (unsigned i = 0; i < w->started; i++) {
        out->running += w->workers[i].busy;
    }
    pthread_mutex_unlock(&w->mutex);
}

void work_stop(work *w)
{
    pthread_mutex_lock(&w->mutex);
    bool first = !w->stopping;
    w->stopping = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    for (unsigned i = 0; first && i < w->started; i++) {
        pthread_join(w->workers[i].thread, NULL);
    }
}

void work_free(work *w)
{
    if (w == NULL) {
        return;
    }
    work_stop(w);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    mem_free(w);
}
