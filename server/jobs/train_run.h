/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_run: runs trainings as child processes and tracks their state.
 *
 * The child is this binary again (`stair train`, server/jobs/train_child.h), so it has memory of
 * its own, and a crash does not affect the server. It reports its progress line by line through a
 * pipe. When it has written a generation that should become active, the propagator activates it.
 *
 *     idle -> running -> done | failed | cancelled -> running ...
 *
 * Threading: all functions are thread-safe; one thread waits while a child runs.
 */
#ifndef SERVER_TRAIN_RUN_H
#define SERVER_TRAIN_RUN_H

#include "api/api.h"
#include "core/common/err.h"
#include "server/telemetry/metrics.h"
#include "storage/env/store.h"

typedef struct train_runs train_runs;

typedef struct train_runs_options {
    store *store;
    metrics *metrics;
    unsigned threads; /* passed to the child; 0: the child decides */
    /* called by the waiting thread; 0 if the child wrote no generation */
    void (*ended)(void *ctx, uint32_t generation);
    void (*ready)(void *ctx); /* called by the waiting thread: a generation has no number yet */
    void *ctx;
} train_runs_options;

err_code train_runs_new(train_runs **out, const train_runs_options *options, err *e) ERR_CHECKED;

/* train_runs_stop cancels a child, waits for it, and refuses new trainings. train_runs_free also
 * frees. */
void train_runs_stop(train_runs *t);
void train_runs_free(train_runs *t);

/* train_runs_start checks the options against the table of `stair train` and spawns the child.
 * These three are the api's train_start, train_status and train_cancel (api/api.h). */
err_code train_runs_start(train_runs *t, const api_train_option *options, size_t count,
                          json_report report, void *report_ctx, err *e) ERR_CHECKED;
void train_runs_status(train_runs *t, api_train_status *out);
err_code train_runs_cancel(train_runs *t, err *e) ERR_CHECKED;

#endif
