/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_run: makes copies of the live store in the background, one after the other.
 *
 * A copy's name is a folder under snapshot_dir. The state of copies requested from this process is
 * kept in memory; an older copy counts as done if its folder holds a complete store. Thread-safe.
 */
#ifndef SERVER_SNAPSHOT_RUN_H
#define SERVER_SNAPSHOT_RUN_H

#include "api/api.h"
#include "core/common/err.h"
#include "server/telemetry/metrics.h"
#include "storage/env/store.h"

typedef struct snapshot_runs snapshot_runs;

/* snapshot_runs_new copies `dir` and registers its metric with `m`. */
err_code snapshot_runs_new(snapshot_runs **out, store *s, const char *dir, metrics *m,
                           err *e) ERR_CHECKED;

/* snapshot_runs_stop cancels a running copy and joins its thread. snapshot_runs_free also frees,
 * and accepts NULL. */
void snapshot_runs_stop(snapshot_runs *s);
void snapshot_runs_free(snapshot_runs *s);

/* The functions for api_deps. ERR_CONFLICT: the name exists. ERR_UNAVAILABLE: another copy is
 * running. ERR_NOT_FOUND. */
err_code snapshot_runs_start(snapshot_runs *s, slice name, err *e) ERR_CHECKED;
err_code snapshot_runs_status(snapshot_runs *s, slice name, api_snapshot *out, err *e) ERR_CHECKED;

#endif
