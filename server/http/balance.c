/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/balance.h"

#include <stdint.h>
#include <time.h>

/* Long enough to wake a thread that sleeps in epoll_wait, and short compared with opening a
 * connection over a network. */
static const struct timespec a_moment = {.tv_nsec = 100000};

/* The calling thread's index plus 1; 0 while it has none. A thread serves one daemon, so one is
 * enough. */
static _Thread_local size_t place;

static _Atomic size_t *mine(balance *b)
{
    if (place == 0) {
        place = 1 + atomic_fetch_add(&b->threads, 1);
    }
    return place <= BALANCE_THREADS_MAX ? &b->open[place - 1] : NULL;
}

bool balance_accept(balance *b, size_t threads)
{
    const _Atomic size_t *own = mine(b);
    size_t least = SIZE_MAX;
    threads = threads < BALANCE_THREADS_MAX ? threads : BALANCE_THREADS_MAX;
    for (size_t i = 0; i < threads; i++) {
        size_t open = atomic_load_explicit(&b->open[i], memory_order_relaxed);
        least = open < least ? open : least;
    }
    if (own != NULL && threads > 1 && atomic_load_explicit(own, memory_order_relaxed) > least) {
        (void)nanosleep(&a_moment, NULL);
        return true;
    }
    return false;
}

_Atomic size_t *balance_begin(balance *b)
{
    _Atomic size_t *own = mine(b);
    if (own != NULL) {
        atomic_fetch_add_explicit(own, 1, memory_order_relaxed);
    }
    return own;
}

void balance_end(_Atomic size_t *counted)
{
    if (counted != NULL) {
        atomic_fetch_sub_explicit(counted, 1, memory_order_relaxed);
    }
}
