/* SPDX-License-Identifier: Apache-2.0 */
/*
 * other_clock: lets a program read another wall clock. Load it with LD_PRELOAD; OTHER_CLOCK is what
 * to add, in seconds.
 *
 * Waits last as long as they would with a right clock: a condition that waits until a time of the
 * wall clock gets that time of the machine's clock. The library of the package faketime does not
 * manage that for waits by the monotonic clock. They return at once, and a node spins in all its
 * threads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/* Times of the monotonic clock are less, and those of the wall clock more. */
static const time_t wall_clock_from = 1000000000;

static time_t add;

/* What the program would call without this library: a sanitizer's function if there is one. */
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (next == NULL) {                                                                            \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&next, &found, sizeof next);                                                        \
    }

__attribute__((constructor)) static void look(void)
{
    const char *text = getenv("OTHER_CLOCK");
    if (text == NULL) {
        abort();
    }
    add = (time_t)strtoll(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    NEXT(clock_gettime);
    int failed = next(clock, at);
    if (failed == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        at->tv_sec += add;
    }
    return failed;
}

time_t time(time_t *out)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out != NULL) {
        *out = at.tv_sec;
    }
    return at.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    *out = (struct timeval){at.tv_sec, at.tv_nsec / 1000};
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    NEXT(pthread_cond_timedwait);
    struct timespec at = *until;
    if (at.tv_sec > wall_clock_from) {
        at.tv_sec -= add;
    }
    return next(cond, mutex, &at);
}
