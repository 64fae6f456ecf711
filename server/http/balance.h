/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance: spreads connections over the threads of the pool.
 *
 * The threads of libmicrohttpd's pool share one listening socket, and the thread that wakes first
 * accepts up to ten waiting connections. So sixteen connections opened together often ended up on
 * one thread, while the other slept: 14,400 requests a second instead of 25,000 on two cores.
 * Therefore a thread that holds more connections than the emptiest one waits a moment after
 * accepting a connection. The other threads are awake for the same socket and take the next.
 *
 * Thread-safe. The accept policy and the start of a connection run in the thread that keeps it.
 */
#ifndef SERVER_HTTP_BALANCE_H
#define SERVER_HTTP_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { BALANCE_THREADS_MAX = 256 };

typedef struct balance {
    _Atomic size_t threads;
    _Atomic size_t open[BALANCE_THREADS_MAX]; /* connections of each thread that has had any */
} balance;

/* The accepting thread, one of `threads`, calls balance_accept. If it holds more connections than
 * the emptiest thread, it sleeps for a tenth of a millisecond and returns true. */
bool balance_accept(balance *b, size_t threads);

/* balance_begin counts a connection for the calling thread. Pass its result to balance_end, from
 * any thread. NULL: there are more threads than places. */
_Atomic size_t *balance_begin(balance *b);
void balance_end(_Atomic size_t *counted);

#endif
