/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_metrics: metrics about this process from the operating system (memory, processor time,
 * open files) and about its build. Read from /proc at each scrape.
 */
#ifndef SERVER_PROCESS_METRICS_H
#define SERVER_PROCESS_METRICS_H

#include "core/common/err.h"
#include "server/telemetry/metrics.h"

/* process_metrics_add declares the metrics. Call it once per process. */
err_code process_metrics_add(metrics *m, err *e) ERR_CHECKED;

#endif
