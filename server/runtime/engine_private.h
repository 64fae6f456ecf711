/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_private: the parts of an engine, for engine.c and engine_metrics.c.
 */
#ifndef SERVER_ENGINE_PRIVATE_H
#define SERVER_ENGINE_PRIVATE_H

#include <stdatomic.h>

#include "server/load/live_load.h"
#include "server/runtime/encoding.h"
#include "server/runtime/engine.h"
#include "server/runtime/propagator.h"
#include "server/runtime/seq_waits.h"

struct engine {
    engine_options options; /* immutable */
    store *store;
    live *live;
    writer *writer;
    propagator *propagator;
    encoding *encoding; /* NULL if there is no encoder */
    seq_waits *waits;   /* NULL if it follows no log */
    /* lends features to the live tables; used by the writer's thread alone */
    live_feature_source lent;
    atomic_bool stopped;
    struct {
        metric_series *generation, *active, *waiting, *age, *items, *hidden, *users, *interactions,
            *seq, *depth, *capacity, *created, *lag, *writable, *used, *file, *quota, *delta, *base,
            *changes, *held;
    } gauges;
};

/* A full disk still admits small writes, but health reports that writes are refused. */
static inline bool engine_writable(const writer_status *status)
{
    return status->writable && status->problem[0] == '\0';
}

/* engine_metrics_declare declares the gauges of the engine, which are set at each scrape. */
err_code engine_metrics_declare(engine *g, err *e) ERR_CHECKED;

#endif
