/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_metrics: the gauges of store, live tables and queue, read when metrics are scraped.
 */
#include "server/runtime/engine_private.h"
#include "server/telemetry/clock.h"
#include "storage/models/generations.h"

enum { GENERATION_BYTES_MAX = 64 * 1024 * 1024 };

static const metric_info info_generation = {.name = "stair_model_generation",
                                            .help =
                                                "Generation that answers requests now; 0: none.",
                                            .kind = METRIC_GAUGE};
static const metric_info info_active = {
    .name = "stair_model_active_generation",
    .help = "Generation that is marked active in the store; 0: none.",
    .kind = METRIC_GAUGE};
static const metric_info info_age = {.name = "stair_model_age_seconds",
                                     .help =
                                         "Time since the serving generation was trained; 0: none.",
                                     .kind = METRIC_GAUGE};
static const metric_info info_items = {
    .name = "stair_items", .help = "Items, including hidden ones.", .kind = METRIC_GAUGE};
static const metric_info info_hidden = {
    .name = "stair_items_hidden", .help = "Hidden items.", .kind = METRIC_GAUGE};
static const metric_info info_users = {
    .name = "stair_users", .help = "Users.", .kind = METRIC_GAUGE};
static const metric_info info_interactions = {
    .name = "stair_interactions",
    .help = "Interaction records of existing users and items.",
    .kind = METRIC_GAUGE};
static const metric_info info_seq = {.name = "stair_seq",
                                     .help = "Number (seq) of the last write that reads see.",
                                     .kind = METRIC_GAUGE};
static const metric_info info_depth = {.name = "stair_write_queue_depth",
                                       .help = "Writes that wait or are being applied.",
                                       .kind = METRIC_GAUGE};
static const metric_info info_capacity = {.name = "stair_write_queue_capacity",
                                          .help =
                                              "Maximum number of waiting writes (queue_ops_max).",
                                          .kind = METRIC_GAUGE};
static const metric_info info_created = {
    .name = "stair_model_created_timestamp_seconds",
    .help = "Time at which the serving generation was trained; 0: none.",
    .kind = METRIC_GAUGE};
static const metric_info info_lag = {
    .name = "stair_propagation_lag_seconds",
    .help = "Time that the oldest change has waited for the convolution.",
    .kind = METRIC_GAUGE};
static const metric_info info_writable = {
    .name = "stair_store_writable",
    .help = "1 if the service accepts writes, 0 if a failed commit or a full disk prevents them.",
    .kind = METRIC_GAUGE};
static const metric_info info_used = {
    .name = "stair_store_bytes", .help = "Bytes in use in the store's file.", .kind = METRIC_GAUGE};
static const metric_info info_file = {
    .name = "stair_store_file_bytes", .help = "Size of the store's file.", .kind = METRIC_GAUGE};
static const metric_info info_quota = {.name = "stair_store_quota_bytes",
                                       .help = "Maximum size of the store's file; 0: no quota.",
                                       .kind = METRIC_GAUGE};
static const metric_info info_held = {
    .name = "stair_store_held_bytes",
    .help = "Freed pages that cannot be reused while an older read is open.",
    .kind = METRIC_GAUGE};
static const metric_info info_delta = {
    .name = "stair_index_delta_rows",
    .help = "Vectors of new and changed items, which are not in the index yet.",
    .kind = METRIC_GAUGE};
static const metric_info info_base = {
    .name = "stair_index_rows", .help = "Vectors that the index holds.", .kind = METRIC_GAUGE};
static const metric_info info_waiting = {
    .name = "stair_min_seq_waiting",
    .help = "Requests with min_seq that wait until this node has seen the write.",
    .kind = METRIC_GAUGE};
static const metric_info info_changes = {
    .name = "stair_propagation_pending_changes",
    .help = "Changes that the next run of the convolution will include.",
    .kind = METRIC_GAUGE};

static int64_t generation_created(engine *g, uint32_t generation)
{
    store_read *r = NULL;
    arena a;
    generation_info info = {0};
    arena_init(&a, GENERATION_BYTES_MAX);
    if (generation != 0 && store_read_begin(g->store, &r, NULL) == ERR_OK) {
        if (generation_get(r, generation, &a, &info, NULL) != ERR_OK) {
            info.created = 0;
        }
        store_read_end(r);
    }
    arena_fini(&a);
    return info.created;
}

static void collect_store(engine *g)
{
    store_info info;
    writer_status status;
    writer_state(g->writer, &status);
    metric_set(g->gauges.capacity, (double)g->options.queue_jobs_max);
    metric_set(g->gauges.depth, (double)status.depth);
    metric_set(g->gauges.writable, engine_writable(&status) ? 1 : 0);
    metric_set(g->gauges.lag, propagator_lag(g->propagator));
    if (store_stat(g->store, &info, NULL) == ERR_OK) {
        metric_set(g->gauges.used, (double)info.used_bytes);
        metric_set(g->gauges.file, (double)info.file_bytes);
        metric_set(g->gauges.active, (double)info.generation);
        metric_set(g->gauges.quota, (double)info.quota_bytes);
    }
    store_holder holder;
    if (store_holder_find(g->store, &holder, NULL) == ERR_OK) {
        metric_set(g->gauges.held, (double)holder.bytes);
    }
}

static void collect(void *ctx)
{
    engine *g = ctx;
    live_hold hold;
    view_stats stats;
    live_acquire(g->live, &hold);
    view_stats_get(hold.view, &stats);
    live_release(g->live, &hold);
    int64_t created = generation_created(g, stats.generation);
    metric_set(g->gauges.generation, (double)stats.generation);
    metric_set(g->gauges.age, created != 0 ? (double)(clock_now() - created) : 0);
    metric_set(g->gauges.created, (double)created);
    metric_set(g->gauges.items, (double)stats.items);
    metric_set(g->gauges.hidden, (double)stats.items_hidden);
    metric_set(g->gauges.users, (double)stats.users);
    metric_set(g->gauges.interactions, (double)stats.interactions);
    metric_set(g->gauges.seq, (double)stats.seq);
    metric_set(g->gauges.delta, (double)stats.delta_rows);
    metric_set(g->gauges.base, (double)stats.base_rows);
    metric_set(g->gauges.waiting, g->waits != NULL ? (double)seq_waits_count(g->waits) : 0);
    metric_set(g->gauges.changes, (double)stats.changes);
    collect_store(g);
}

err_code engine_metrics_declare(engine *g, err *e)
{
    const metric_plain all[] = {
        {&info_generation, &g->gauges.generation},
        {&info_active, &g->gauges.active},
        {&info_age, &g->gauges.age},
        {&info_items, &g->gauges.items},
        {&info_hidden, &g->gauges.hidden},
        {&info_users, &g->gauges.users},
        {&info_interactions, &g->gauges.interactions},
        {&info_seq, &g->gauges.seq},
        {&info_depth, &g->gauges.depth},
        {&info_lag, &g->gauges.lag},
        {&info_capacity, &g->gauges.capacity},
        {&info_created, &g->gauges.created},
        {&info_writable, &g->gauges.writable},
        {&info_used, &g->gauges.used},
        {&info_file, &g->gauges.file},
        {&info_quota, &g->gauges.quota},
        {&info_held, &g->gauges.held},
        {&info_delta, &g->gauges.delta},
        {&info_base, &g->gauges.base},
        {&info_changes, &g->gauges.changes},
        {&info_waiting, &g->gauges.waiting},
    };
    err_code code = metrics_add_plain(g->options.metrics, all, sizeof all / sizeof all[0], e);
    return code != ERR_OK ? code : metrics_on_scrape(g->options.metrics, collect, g, e);
}
