/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: the time, for the whole process. core and storage read no clock; callers pass them the
 * time from here.
 *
 * There are two clocks: a steady one for durations and deadlines, which never goes back, and the
 * wall clock for times that are stored or shown. A deadline is a `struct timespec` for
 * pthread_cond_timedwait. Condition variables from clock_cond_init take deadlines of the steady
 * clock; those with the default attributes, and pthread_timedjoin_np, take deadlines of the wall
 * clock.
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

/* clock_deadline returns the time `ns` nanoseconds from now by the steady clock,
 * clock_wall_deadline by the wall clock. */
struct timespec clock_deadline(uint64_t ns);
struct timespec clock_wall_deadline(uint64_t ns);

/* clock_cond_init makes a condition variable for deadlines from clock_deadline. */
void clock_cond_init(pthread_cond_t *cond);

enum { NS_PER_MS = 1000000, NS_PER_SECOND = 1000000000 };

#endif
