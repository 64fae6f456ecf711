/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propagator: the background thread that brings the slow news into the live tables.
 *
 *     activation   a generation's tables are read, its index built, later items folded in; only
 *                  then does the op go to the writer, which swaps one pointer
 *     convolution  FSC is run again over the graph as it is now, when enough has changed, and the
 *                  new base is put in by the writer between two groups
 *     watch        generations that `stair train` left ready are registered and, where they want
 *                  to be active, activated; tables of pruned ones are removed; dead readers of the
 *                  store are cleared
 *     sampling     where the index is approximate, its answers are compared with exact ones
 *
 * On a node that follows a log, activations come from the log. The watch then loads what wants to
 * be active ahead of them (propagator_take_warm), and where an activation found nothing loaded, it
 * lets the old generation serve until the new one's tables are here and loaded.
 *
 * Activations go first: a running convolution is cancelled for them. The thread holds a view for
 * as long as a convolution lasts, which delays the freeing of memory, never a read or a write.
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
    uint64_t changes;      /* run after so many; 0: never */
    double seconds;        /* but not more often than this */
    double within_seconds; /* and at the latest so long after a change */
    double watch_seconds;  /* how often to look at the store */
    bool follows;          /* a log brings the activations */
} propagator_options;

err_code propagator_new(propagator **out, const propagator_options *options, err *e) ERR_CHECKED;

/* propagator_activate takes over an activation job whose place in the writer's queue is reserved;
 * it ends as any job of the writer does. */
void propagator_activate(propagator *p, writer_job *job);

/* propagator_take_warm gives the base of a generation that was loaded ahead of its activation, or
 * NULL; the caller owns it. propagator_warmed tells which generation that is; 0: none. */
base *propagator_take_warm(propagator *p, uint32_t generation);
uint32_t propagator_warmed(propagator *p);

/* propagator_look has the store looked at now: a training has just ended. */
void propagator_look(propagator *p);

/* propagator_lag gives for how many seconds the oldest change has waited for the convolution. */
double propagator_lag(propagator *p);

/* propagator_failing tells whether the last convolution failed and its changes still wait. */
bool propagator_failing(propagator *p);

/* propagator_stop cancels what runs, fails the activations that wait, and joins the thread. */
void propagator_stop(propagator *p);
void propagator_free(propagator *p);

#endif
