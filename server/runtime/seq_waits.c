/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/seq_waits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "server/telemetry/clock.h"

struct seq_waits {
    /* immutable */
    live *live;
    size_t most;
    pthread_t thread;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    seq_wait *first;
    bool look, ending, stopping;
    /* atomic: the length of the list, changed with the mutex held */
    atomic_size_t count;
};

static uint64_t seen_now(seq_waits *x)
{
    live_hold hold;
    live_acquire(x->live, &hold);
    uint64_t seq = view_seq(hold.view);
    live_release(x->live, &hold);
    return seq;
}

/* take_ended removes the waits that have ended from the list. The caller holds the mutex. */
static seq_wait *take_ended(seq_waits *x, uint64_t seen, uint64_t now)
{
    seq_wait *ended = NULL, **end = &ended;
    for (seq_wait **at = &x->first; *at != NULL;) {
        seq_wait *w = *at;
        w->over = w->seq > seen;
        if (w->over && w->until_ns > now && !x->ending) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *end = w;
        end = &w->next;
        atomic_fetch_sub(&x->count, 1);
    }
    return ended;
}

static void tell(seq_wait *ended)
{
    while (ended != NULL) {
        seq_wait *next = ended->next; /* the wait's memory may be gone after its `done` */
        ended->done(ended);
        ended = next;
    }
}

/* wait_a_while waits until the earliest deadline, a write or the end. The caller holds the
 * mutex. */
static void wait_a_while(seq_waits *x)
{
    uint64_t until = 0;
    for (const seq_wait *w = x->first; w != NULL; w = w->next) {
        until = until == 0 || w->until_ns < until ? w->until_ns : until;
    }
    if (until == 0) {
        pthread_cond_wait(&x->wake, &x->mutex);
        return;
    }
    struct timespec at = {.tv_sec = (time_t)(until / NS_PER_SECOND),
                          .tv_nsec = (long)(until % NS_PER_SECOND)};
    (void)pthread_cond_timedwait(&x->wake, &x->mutex, &at);
}

static void *waits_main(void *argument)
{
    seq_waits *x = argument;
    pthread_setname_np(pthread_self(), "seq-waits");
    pthread_mutex_lock(&x->mutex);
    while (!x->stopping) {
        if (!x->look) {
            wait_a_while(x);
        }
        x->look = false;
        if (x->first == NULL) {
            continue;
        }
        pthread_mutex_unlock(&x->mutex);
        uint64_t seen = seen_now(x);
        pthread_mutex_lock(&x->mutex);
        seq_wait *ended = take_ended(x, seen, clock_ns());
        pthread_mutex_unlock(&x->mutex);
        tell(ended);
        pthread_mutex_lock(&x->mutex);
    }
    pthread_mutex_unlock(&x->mutex);
    return NULL;
}

err_code seq_waits_new(seq_waits **out, live *l, size_t most, err *e)
{
    *out = NULL;
    seq_waits *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "waiting for writes");
    }
    x->live = l;
    x->most = most < SEQ_WAITS_MAX ? most : SEQ_WAITS_MAX;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->mutex, NULL);
    pthread_cond_init(&x->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&x->thread, NULL, waits_main, x);
    if (failed != 0) {
        pthread_mutex_destroy(&x->mutex);
        pthread_cond_destroy(&x->wake);
        mem_free(x);
        return err_set(e, ERR_IO, "the thread that waits for writes: %s", strerror(failed));
    }
    *out = x;
    return ERR_OK;
}

bool seq_waits_add(seq_waits *x, seq_wait *wait)
{
    pthread_mutex_lock(&x->mutex);
    bool taken = !x->ending && atomic_load(&x->count) < x->most;
    if (taken) {
        wait->next = x->first;
        x->first = wait;
        atomic_fetch_add(&x->count, 1);
        x->look = true; /* the write may have come since it was found missing */
        pthread_cond_signal(&x->wake);
    }
    pthread_mutex_unlock(&x->mutex);
    return taken;
}

size_t seq_waits_count(seq_waits *x)
{
    return atomic_load(&x->count);
}

void seq_waits_look(seq_waits *x)
{
    /* The view was published before this, so a wait that is not counted yet will see it. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&x->count) == 0) {
        return;
    }
    pthread_mutex_lock(&x->mutex);
    x->look = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->mutex);
}

void seq_waits_end(seq_waits *x)
{
    if (x == NULL) {
        return;
    }
    uint64_t seen = seen_now(x);
    pthread_mutex_lock(&x->mutex);
    x->ending = true;
    seq_wait *ended = take_ended(x, seen, clock_ns());
    pthread_mutex_unlock(&x->mutex);
    tell(ended);
}

void seq_waits_free(seq_waits *x)
{
    if (x == NULL) {
        return;
    }
    seq_waits_end(x);
    pthread_mutex_lock(&x->mutex);
    x->stopping = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->mutex);
    pthread_join(x->thread, NULL);
    pthread_mutex_destroy(&x->mutex);
    pthread_cond_destroy(&x->wake);
    mem_free(x);
}
