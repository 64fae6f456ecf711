/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance: that no thread of the pool takes all the connections.
 *
 * The threads of libmicrohttpd's pool share one listening socket, and whoever wakes first accepts
 * what has come, up to ten at a time: sixteen connections opened together often lay all on one
 * thread, which then served them alone while the other slept (14,400 requests a second in place of
 * 25,000 on two cores). So a thread that holds more connections than the emptiest waits a moment
 * after it has accepted one; the others are awake for the same socket and take the next.
 *
 * Thread-safe. The accept policy and the begin of a connection run in the thread that keeps it.
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

/* balance_accept is called by the accepting thread, one of `threads`: if it holds more connections
 * than the emptiest it sleeps for a tenth of a millisecond and says so. */
bool balance_accept(balance *b, size_t threads);

/* balance_begin counts a connection for the calling thread; what it returns goes to balance_end,
 * from whatever thread. NULL if there are more threads than places. */
_Atomic size_t *balance_begin(balance *b);
void balance_end(_Atomic size_t *counted);

#endif
