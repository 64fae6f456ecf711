/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_options: the configuration of the service, as one table.
 *
 * deploy/stair.conf.example and the README's table are printed from it (stair --help-config,
 * --help-markdown), so a setting exists in all of them or in none.
 */
#ifndef SERVER_SERVE_OPTIONS_H
#define SERVER_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/cli/options.h"

typedef struct serve_options {
    const char *store, *listen, *admin_listen;
    const char *keys, *tls_certificate, *tls_key, *allow_origin, *allow_host;
    const char *tls_priority, *trusted_proxies;
    const char *interaction_types, *snapshot_dir, *spool_dir;
    bool insecure;
    int log_level, access_log;
    int64_t threads, work_threads, background_threads, train_threads;
    int64_t work_max, work_queue_max;
    double work_rate;
    int64_t connections_max, connections_per_address_max;
    int64_t batch_items_max, batch_interactions_max, batch_requests_max;
    int64_t exclude_max, session_items_max, queue_ops_max, propagate_changes;
    uint64_t body_bytes_max, bodies_bytes_max, answer_bytes_max, queue_bytes_max;
    uint64_t answers_bytes_max, spool_bytes_max;
    int64_t exports_max;
    uint64_t quota, oplog_bytes;
    double oplog_age, timeout, stop_timeout, drain_delay;
    double min_seq_timeout;
    double rate, propagate_every, propagate_within, watch_every;
    int64_t rate_burst;
    encoder_options encoder;
    cluster_options cluster;
} serve_options;

/* Connections beyond connections_max that are for /health alone, and connections of admin_listen.
 */
enum { CONNECTIONS_RESERVED = 16, CONNECTIONS_OF_ADMIN = 64 };

/* Asked for each socket's buffers; the kernel doubles it for its own records. Left to itself it
 * lets them grow to megabytes, which nothing of ours would bound. */
enum { SOCKET_BUFFER_BYTES = 128 * 1024, SOCKET_BUFFERS_BYTES = 2 * SOCKET_BUFFER_BYTES };

extern const option serve_option_table[];

#endif
