/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/clock.h"

static uint64_t read_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static struct timespec after(clockid_t which, uint64_t ns)
{
    uint64_t until = read_ns(which) + ns;
    return (struct timespec){.tv_sec = (time_t)(until / NS_PER_SECOND),
                             .tv_nsec = (long)(until % NS_PER_SECOND)};
}

double clock_seconds(void)
{
    return 1e-9 * (double)clock_ns();
}

uint64_t clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

long long clock_now(void)
{
    return (long long)time(NULL);
}

int64_t clock_now_ms(void)
{
    return (int64_t)(read_ns(CLOCK_REALTIME) / NS_PER_MS);
}

int64_t clock_now_us(void)
{
    return (int64_t)(read_ns(CLOCK_REALTIME) / 1000);
}

struct timespec clock_deadline(uint64_t ns)
{
    return after(CLOCK_MONOTONIC, ns);
}

struct timespec clock_wall_deadline(uint64_t ns)
{
    return after(CLOCK_REALTIME, ns);
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &steady);
    pthread_condattr_destroy(&steady);
}
