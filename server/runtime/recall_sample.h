/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recall_sample: measures the recall of the approximate search on the shop's own users, while
 * serving.
 *
 * From time to time one user's list is made twice, as it is served and exactly. The share of the
 * exact list that the served list contains is the metric stair_ann_sampled_recall. The users take
 * turns, so all kinds of users are sampled over time. Where the index is exact, the metric is 1.
 *
 * Threading: one thread at a time.
 */
#ifndef SERVER_RECALL_SAMPLE_H
#define SERVER_RECALL_SAMPLE_H

#include "core/common/err.h"
#include "core/serve/update/live.h"
#include "server/telemetry/metrics.h"

typedef struct recall_sample recall_sample;

err_code recall_sample_new(recall_sample **out, metrics *m, err *e) ERR_CHECKED;
void recall_sample_free(recall_sample *r);

/* recall_sample_next samples the next user and updates the metric. It holds a view meanwhile. */
void recall_sample_next(recall_sample *r, live *l);

#endif
