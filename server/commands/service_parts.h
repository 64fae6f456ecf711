/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_parts: the parts of a running service. Private to server/commands/service.c, which keeps
 * it running and stops it, and service_open.c, which opens them.
 */
#ifndef SERVER_SERVICE_PARTS_H
#define SERVER_SERVICE_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/common/interaction_types.h"
#include "server/cli/serve_options.h"
#include "server/commands/replication.h"
#include "server/commands/service.h"
#include "server/commands/surroundings.h"
#include "server/http/access.h"
#include "server/http/admission.h"
#include "server/http/http.h"
#include "server/http/keys.h"
#include "server/jobs/snapshot_run.h"
#include "server/jobs/train_run.h"
#include "server/runtime/engine.h"
#include "server/telemetry/metrics.h"

struct service {
    const serve_options *options;
    interaction_types types;
    metrics *metrics;
    keys *keys;               /* NULL if no keys are configured */
    replication *replication; /* NULL for a single node */
    engine *engine;
    train_runs *trainings;
    snapshot_runs *snapshots;
    surroundings *surroundings;
    api *api;
    access_log *access;
    admission admission;
    http *http;
    metric_series *ready, *units;
    double started, trimmed_at;
    /* how often the supervisor wants a sign of life, and when it got the last one */
    double alive_seconds, alive_at;
    bool stuck;     /* the writer is stuck, and the supervisor was told */
    char told[128]; /* why writes are refused, as the supervisor was told */
    atomic_bool stopping;
    atomic_bool broken;
};

/* service_open checks the options and opens all parts, in order. After a failure, service_stop
 * closes those that are open. */
err_code service_open(service *s, err *e) ERR_CHECKED;

#endif
