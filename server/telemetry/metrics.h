/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: counters, gauges and histograms, and their Prometheus text.
 *
 * A metric is declared with name, help and labels in the file that updates it, and added once at
 * the start. A series is created at the first use of its label values. An update takes no lock and
 * shares no cache line between threads: each thread has a shard of its own, and a scrape sums the
 * shards. Labels never contain ids of users or items, so the number of series is small;
 * METRIC_SERIES_MAX limits it in any case.
 *
 * Threading: metrics_add and metrics_on_scrape before other threads start; the rest is thread-safe.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "api/web/json_write.h"
#include "core/common/err.h"

enum { METRIC_LABELS_MAX = 3, METRIC_SERIES_MAX = 512, METRIC_BUCKETS_MAX = 20 };

typedef enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_kind;

typedef struct metric_info {
    const char *name; /* with its unit: "stair_http_request_duration_seconds" */
    const char *help;
    metric_kind kind;
    const char *labels[METRIC_LABELS_MAX]; /* names, followed by NULL */
    const double *buckets; /* (bucket_count) ascending upper bounds; NULL: seconds, 50 us to 10 s */
    size_t bucket_count;
} metric_info;

typedef struct metrics metrics;
typedef struct metric metric;
typedef struct metric_series metric_series;

err_code metrics_new(metrics **out, err *e) ERR_CHECKED;
void metrics_free(metrics *m);

/* metrics_add adds a metric. `info` must be static. A metric without labels has its series at once,
 * so that the text contains it from the start. */
err_code metrics_add(metrics *m, const metric_info *info, metric **out, err *e) ERR_CHECKED;

/* metrics_add_plain adds metrics without labels and returns the series of each. */
typedef struct metric_plain {
    const metric_info *info;
    metric_series **series;
} metric_plain;
err_code metrics_add_plain(metrics *m, const metric_plain *list, size_t count, err *e) ERR_CHECKED;

/* metrics_on_scrape registers a function that is called before each rendering, to set gauges. */
typedef void (*metrics_collect)(void *ctx);
err_code metrics_on_scrape(metrics *m, metrics_collect collect, void *ctx, err *e) ERR_CHECKED;

/* metric_at returns the series with these label values, which it copies; there are as many as the
 * metric has labels. It never returns NULL: if memory runs out or METRIC_SERIES_MAX is reached, it
 * returns a series that is not rendered. Valid as long as the metrics. */
metric_series *metric_at(metric *m, const char *a, const char *b, const char *c);

/* The series of a metric without labels. */
static inline metric_series *metric_only(metric *m)
{
    return metric_at(m, NULL, NULL, NULL);
}

void metric_count(metric_series *s, uint64_t n);     /* counters */
void metric_set(metric_series *s, double value);     /* gauges */
void metric_observe(metric_series *s, double value); /* histograms */

/* metric_total returns the sum of a counter, or the number of a histogram's observations. */
uint64_t metric_total(const metric_series *s);

/* metrics_render appends the text of all metrics, in version 0.0.4 of the exposition format. */
void metrics_render(metrics *m, buffer *out);

#endif
