/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: the time, for the whole process. core and storage read no clock; what they need of one is
 * handed to them from here.
 *
 * Two clocks: a steady one, for durations and deadlines, which never goes back; and the wall clock,
 * for what is stored or shown. A deadline is a `struct timespec` as pthread_cond_timedwait takes
 * it: of the steady clock for condition variables of clock_cond_init, of the wall clock for those
 * with the default attributes and for pthread_timedjoin_np.
 *
 * Thread-safe.
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* The steady clock, in seconds and in nanoseconds. */
double clock_seconds(void);
uint64_t clock_ns(void);

/* The wall clock since the epoch, in seconds, milliseconds and microseconds. */
long long clock_now(void);
int64_t clock_now_ms(void);
int64_t clock_now_us(void);

/* clock_deadline is `ns` nanoseconds from now by the steady clock, clock_wall_deadline by the wall
 * clock. */
struct timespec clock_deadline(uint64_t ns);
struct timespec clock_wall_deadline(uint64_t ns);

/* clock_cond_init makes a condition variable whose waits end by clock_deadline. */
void clock_cond_init(pthread_cond_t *cond);

enum { NS_PER_MS = 1000000, NS_PER_SECOND = 1000000000 };

#endif
