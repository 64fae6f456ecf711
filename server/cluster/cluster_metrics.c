/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of a node of a cluster. A scrape reads them from the status. */
#include "server/cluster/cluster_private.h"

static const metric_info info_connected = {.name = "stair_cluster_connected",
                                           .help = "1 while this node reads the cluster's log.",
                                           .kind = METRIC_GAUGE};
static const metric_info info_lag_ops = {
    .name = "stair_cluster_lag_ops",
    .help = "Messages of the cluster's log that this node has not applied.",
    .kind = METRIC_GAUGE};
static const metric_info info_lag_seconds = {
    .name = "stair_cluster_lag_seconds",
    .help = "Time that this node has known of a message of the "
            "cluster's log that it has not applied; 0: none.",
    .kind = METRIC_GAUGE};
static const metric_info info_stopped = {
    .name = "stair_cluster_apply_stopped",
    .help = "1 while a message of the cluster's log cannot be applied here.",
    .kind = METRIC_GAUGE};
static const metric_info info_publish = {
    .name = "stair_cluster_publish_duration_seconds",
    .help =
        "Time from publishing a message of writes until this node has read it back and applied it.",
    .kind = METRIC_HISTOGRAM};

static const metric_info info_nodes = {.name = "stair_cluster_nodes",
                                       .help = "Live nodes of the cluster that this node knows.",
                                       .kind = METRIC_GAUGE};

static const metric_info info_overdue = {.name = "stair_cluster_log_overdue_seconds",
                                         .help =
                                             "Time by which the oldest message of the cluster's "
                                             "log exceeds cluster_log_age; 0: it does not.",
                                         .kind = METRIC_GAUGE};

static double overdue_seconds(cluster *c)
{
    int64_t now = cluster_servers_now(c);
    pthread_mutex_lock(&c->mutex);
    log_facts facts = c->facts;
    pthread_mutex_unlock(&c->mutex);
    int64_t due = facts.first_time + (int64_t)c->setup.options->log_age;
    return facts.first <= facts.last && facts.first_time > 0 && now > due ? (double)(now - due) : 0;
}

static void collect(void *ctx)
{
    cluster *c = ctx;
    cluster_status status;
    cluster_tell(c, &status);
    metric_set(c->gauges.connected, status.connected ? 1 : 0);
    metric_set(c->gauges.lag_ops,
               status.last > status.position ? (double)(status.last - status.position) : 0);
    metric_set(c->gauges.lag_seconds, status.lag_seconds);
    metric_set(c->gauges.stopped, status.stopped ? 1 : 0);
    metric_set(c->gauges.overdue, overdue_seconds(c));
    metric_set(c->gauges.nodes, (double)status.nodes);
}

err_code cluster_metrics_declare(cluster *c, err *e)
{
    const metric_plain all[] = {
        {&info_connected, &c->gauges.connected},     {&info_lag_ops, &c->gauges.lag_ops},
        {&info_lag_seconds, &c->gauges.lag_seconds}, {&info_stopped, &c->gauges.stopped},
        {&info_publish, &c->gauges.publish},         {&info_nodes, &c->gauges.nodes},
        {&info_overdue, &c->gauges.overdue},
    };
    err_code code = metrics_add_plain(c->setup.metrics, all, sizeof all / sizeof all[0], e);
    return code == ERR_OK ? metrics_on_scrape(c->setup.metrics, collect, c, e) : code;
}
