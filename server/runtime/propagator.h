/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propagator: the background thread that brings slow changes into the live tables.
 *
 *     activation   reads a generation's tables, builds its index and adds later items; only
 *                  then passes the op to the writer, which swaps one pointer
 *     convolution  runs FSC again over the current graph when enough has changed; the writer
 *                  installs the new base between two groups
 *     watch        registers generations that `stair train` has finished and activates those
 *                  that should become active; removes tables of pruned generations; clears dead
 *                  readers of the store
 *     sampling     compares answers of an approximate index with exact ones
 *
 * On a node that follows a log, activations come from the log. The watch then loads a generation in
 * advance (propagator_take_warm). If an activation comes before the generation is loaded, the old
 * generation serves until the new one's tables are here and loaded.
 *
 * Activations have priority: they cancel a running convolution. The thread holds a view while a
 * convolution runs, which delays the freeing of memory, but no read or write.
 *
 * Threading: everything after propagator_new is thread-safe.
 */
#ifndef SERVER_PROPAGATOR_H
#define SERVER_PROPAGATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"
#include "server/runtime/convolution.h"
#include "server/runtime/writer.h"
#include "server/telemetry/metrics.h"
#include "storage/env/store.h"

typedef struct propagator propagator;

typedef struct propagator_options {
    store *store;
    live *live;
    writer *writer;
    metrics *metrics;
    int threads;
    convolution_pace pace;
    double watch_seconds; /* how often to look at the store */
    bool follows;         /* a log brings the activations */
} propagator_options;

err_code propagator_new(propagator **out, const propagator_options *options, err *e) ERR_CHECKED;

/* propagator_activate takes over an activation job with a reserved place in the writer's queue. The
 * job ends like any job of the writer. */
void propagator_activate(propagator *p, writer_job *job);

/* propagator_take_warm returns the base of a generation that was loaded before its activation, or
 * NULL. The caller owns it. propagator_warmed returns the number of that generation, 0 if there is
 * none. */
base *propagator_take_warm(propagator *p, uint32_t generation);
uint32_t propagator_warmed(propagator *p);

/* propagator_look makes the watch look at the store now, because a training has just ended. */
void propagator_look(propagator *p);

/* propagator_lag returns how many seconds the oldest change has waited for the convolution. */
double propagator_lag(propagator *p);

/* propagator_failing tells whether the last convolution failed and its changes are still
 * waiting. */
bool propagator_failing(propagator *p);

/* propagator_stop cancels what runs, fails the waiting activations and joins the thread. */
void propagator_stop(propagator *p);
void propagator_free(propagator *p);

#endif
