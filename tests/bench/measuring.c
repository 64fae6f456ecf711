/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/measuring.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

void *need(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return p;
}

void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "%s\n", e->text);
        exit(1);
    }
}
