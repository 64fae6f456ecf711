/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convolution: runs FSC again in the background when enough has changed.
 *
 * The run reads the graph of one view. The writer then installs the new base between two groups of
 * writes. A run holds its view until it ends, which delays the freeing of memory, but no read or
 * write.
 *
 * Threading: convolution_lag and convolution_failing are thread-safe; the rest belongs to the
 * propagator's thread.
 */
#ifndef SERVER_CONVOLUTION_H
#define SERVER_CONVOLUTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/update/live.h"
#include "server/runtime/writer.h"
#include "server/telemetry/metrics.h"

typedef struct convolution convolution;

/* How often the convolution runs. */
typedef struct convolution_pace {
    uint64_t changes;      /* after this many changes; 0: never */
    double seconds;        /* but not more often than this */
    double within_seconds; /* and at the latest this long after a change */
} convolution_pace;

typedef struct convolution_options {
    live *live;
    writer *writer;
    metrics *metrics;
    int threads;
    convolution_pace pace;
    bool (*cancelled)(void *ctx); /* called during a run: returning true stops it */
    void *ctx;
} convolution_options;

err_code convolution_new(convolution **out, const convolution_options *options, err *e) ERR_CHECKED;
void convolution_free(convolution *c); /* accepts NULL */

/* convolution_run_if_due runs if enough changes are waiting, or one has waited too long. A failure
 * is logged and remembered. `now` is from clock_seconds(). */
void convolution_run_if_due(convolution *c, double now);

/* convolution_lag returns how many seconds the oldest change has waited. */
double convolution_lag(convolution *c);

/* convolution_failing tells whether the last run failed and its changes are still waiting. */
bool convolution_failing(convolution *c);

#endif
