/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: the whole service without HTTP: store, live tables, writer and background work.
 *
 * Opening reads the store into the live tables and starts the threads. Reads then use engine_live,
 * and writes go through engine_submit. When a generation is activated, it is first loaded in the
 * background, so that neither reads nor other writes wait.
 *
 * Threading: everything after engine_open is thread-safe, except engine_stop and engine_close.
 */
#ifndef SERVER_ENGINE_H
#define SERVER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/err.h"
#include "core/serve/update/live.h"
#include "server/runtime/writer.h"
#include "server/telemetry/metrics.h"
#include "storage/env/store.h"

typedef struct engine engine;
struct encode_ask;
struct replicated_log;
struct seq_wait;

typedef struct engine_options {
    const char *dir; /* folder of the store */
    uint64_t quota_bytes, oplog_bytes;
    int64_t oplog_seconds;
    size_t queue_jobs_max, queue_bytes_max;
    size_t waits_max;                /* requests that wait for a later write, at once */
    int threads;                     /* for background work */
    uint64_t propagate_changes;      /* run FSC again after this many changes; 0: never */
    double propagate_seconds;        /* but not more often than this */
    double propagate_within_seconds; /* and at the latest this long after a change */
    double watch_seconds;            /* how often to look for generations of other processes */
    const struct encoder_options *encoder; /* borrowed; no encoder if NULL or without url */
    /* activations come from a log, also of generations whose tables are not here yet */
    bool follows;
    const struct replicated_log *log; /* shared by the nodes; borrowed; NULL for a single node */
    metrics *metrics;
    void (*fatal)(void *ctx, const char *why); /* see writer_options */
    void *fatal_ctx;
} engine_options;

/* engine_open opens or creates the store, fills the live tables and starts the threads. */
err_code engine_open(engine **out, const engine_options *options, err *e) ERR_CHECKED;

live *engine_live(engine *g);
store *engine_store(engine *g);

/* engine_reserve and engine_submit are those of the writer (server/runtime/writer.h), except that
 * an activation waits until its generation is loaded. */
writer_admission engine_reserve(engine *g, size_t bytes);
void engine_submit(engine *g, writer_job *job);

/* engine_encode is encode_asks_submit (server/encode/encode_asks.h). It returns false if there is
 * no encoder. */
bool engine_encode(engine *g, struct encode_ask *ask);

/* engine_waits tells whether reads may wait for later writes, which they may if the node follows a
 * log. engine_wait is seq_waits_add (server/runtime/seq_waits.h). */
bool engine_waits(engine *g);
bool engine_wait(engine *g, struct seq_wait *wait);

/* engine_end_asks ends at once all waits of requests, for the encoder and for later writes, because
 * the service stops. Call it from the thread that calls engine_stop. */
void engine_end_asks(engine *g);

/* engine_health fills what the engine knows: writable, problem (the writer's before the
 * background's), queue, bytes, lag. */
void engine_health(engine *g, api_health *out);

/* engine_writer returns the writer's state without looking at the disk. */
void engine_writer(engine *g, writer_status *out);

/* engine_generations returns this node's state of the models. */
typedef struct engine_models {
    uint32_t active;  /* active by the writes applied so far; 0 if none */
    uint32_t serving; /* used for lists */
    uint32_t warmed;  /* loaded before its activation; 0 if none */
} engine_models;
err_code engine_generations(engine *g, engine_models *out, err *e) ERR_CHECKED;

/* engine_look makes the background look at once for generations to activate, because a training has
 * just ended. */
void engine_look(engine *g);

/* engine_stop ends the background work and the writer. All submitted jobs are then done.
 * engine_close frees the rest; no view may be held. Both accept NULL. */
void engine_stop(engine *g);
void engine_close(engine *g);

#endif
