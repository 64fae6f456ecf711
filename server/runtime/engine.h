/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: the whole service without HTTP: store, live tables, writer and background work.
 *
 * Opening reads the store into the live tables and starts the threads; from then on reads go to
 * engine_live and writes through engine_submit. Activating a generation loads and warms it in the
 * background first, so that neither reads nor other writes wait for it.
 *
 * Threading: everything after engine_open is thread-safe, engine_stop and engine_close excepted.
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
    const char *dir; /* of the store */
    uint64_t quota_bytes, oplog_bytes;
    int64_t oplog_seconds;
    size_t queue_jobs_max, queue_bytes_max;
    int threads;                     /* of the background work */
    uint64_t propagate_changes;      /* re-run FSC after so many changes; 0: never */
    double propagate_seconds;        /* but not more often than this */
    double propagate_within_seconds; /* and at the latest so long after a change */
    double watch_seconds;            /* how often to look for generations of other processes */
    const struct encoder_options *encoder; /* borrowed; NULL, or without url: none */
    bool follows; /* activations come from a log, also of generations that are not here yet */
    const struct replicated_log *log; /* that nodes share; borrowed; NULL: a single node */
    metrics *metrics;
    void (*fatal)(void *ctx, const char *why); /* see writer_options */
    void *fatal_ctx;
} engine_options;

/* engine_open opens (or makes) the store, fills the live tables and starts the threads. */
err_code engine_open(engine **out, const engine_options *options, err *e) ERR_CHECKED;

live *engine_live(engine *g);
store *engine_store(engine *g);

/* engine_reserve and engine_submit are the writer's (server/runtime/writer.h), except that an
 * activation waits for its generation to be loaded. */
writer_admission engine_reserve(engine *g, size_t bytes);
void engine_submit(engine *g, writer_job *job);

/* engine_encode is encode_asks_submit (server/encode/encode_asks.h); false without an encoder. */
bool engine_encode(engine *g, struct encode_ask *ask);

/* engine_waits tells whether reads may wait for later writes: the node follows a log. engine_wait
 * is seq_waits_add (server/runtime/seq_waits.h). */
bool engine_waits(engine *g);
bool engine_wait(engine *g, struct seq_wait *wait);

/* engine_end_asks ends the requests' waits for the encoder and for later writes at once: the
 * service stops. From the
 * thread that calls engine_stop. */
void engine_end_asks(engine *g);

/* engine_health fills what the engine knows: writable, problem (of the writer before that of the
 * background), queue, bytes, lag. */
void engine_health(engine *g, api_health *out);

/* engine_writer tells how the writer is, without looking at the disk. */
void engine_writer(engine *g, writer_status *out);

/* engine_generations tells how far this node is with its models. */
typedef struct engine_models {
    uint32_t active;  /* that the writes applied so far made active; 0: none */
    uint32_t serving; /* that lists are made with */
    uint32_t warmed;  /* loaded ahead of its activation; 0: none */
} engine_models;
err_code engine_generations(engine *g, engine_models *out, err *e) ERR_CHECKED;

/* engine_look has the background look at once for generations that want to be active: a training
 * has just ended. */
void engine_look(engine *g);

/* engine_stop ends the background work and the writer; all that was submitted is done by then.
 * engine_close frees the rest; no view may be held. Both accept NULL. */
void engine_stop(engine *g);
void engine_close(engine *g);

#endif
