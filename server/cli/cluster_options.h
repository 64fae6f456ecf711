/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_options: where the log is that several nodes share, as entries of an option table.
 *
 * serve and cluster have the same ones, so that one configuration file serves both. No secret is
 * among them: credentials and keys are files.
 */
#ifndef SERVER_CLUSTER_OPTIONS_H
#define SERVER_CLUSTER_OPTIONS_H

#include <stdint.h>

#include "server/cli/options.h"

typedef struct cluster_options {
    const char *urls; /* NULL: a single node */
    const char *name, *node, *credentials;
    const char *tls_ca, *tls_certificate, *tls_key;
    int64_t replicas;
    double log_age, snapshot_every;
    int join; /* CLUSTER_JOIN_... */
    bool insecure_log;
} cluster_options;

enum { CLUSTER_JOIN_NO = 0, CLUSTER_JOIN_YES };

enum { CLUSTER_NAME_BYTES_MAX = 32, CLUSTER_NODE_BYTES_MAX = 64, CLUSTER_URLS_MAX = 16 };

/* cluster_urls_check refuses what is no list of nats or tls addresses, and user information in it.
 */
err_code cluster_urls_check(const char *text, err *e) ERR_CHECKED;

/* cluster_name_check and cluster_node_check: what is part of the names of streams and keys. */
err_code cluster_name_check(const char *text, err *e) ERR_CHECKED;
err_code cluster_node_check(const char *text, err *e) ERR_CHECKED;

/* cluster_options_check says what belongs together. */
err_code cluster_options_check(const cluster_options *o, err *e) ERR_CHECKED;

#define CLUSTER_AT(of, member) .offset = offsetof(of, cluster.member)

/* The entries for a struct `of` with a member `cluster`. */
#define OPTIONS_CLUSTER(of)                                                                        \
    {.name = "cluster",                                                                            \
     .type = OPTION_TEXT,                                                                          \
     .check = cluster_urls_check,                                                                  \
     CLUSTER_AT(of, urls),                                                                         \
     .value = "URLS",                                                                              \
     .help = "NATS servers whose log several nodes share, such as "                                \
             "nats://10.0.0.1:4222,nats://10.0.0.2:4222; without them this is a single node"},     \
        {.name = "cluster-name",                                                                   \
         .type = OPTION_TEXT,                                                                      \
         .check = cluster_name_check,                                                              \
         CLUSTER_AT(of, name),                                                                     \
         .initial = "shop",                                                                        \
         .value = "NAME",                                                                          \
         .help = "of the shop: lower-case letters, digits and dashes; the log is the stream "      \
                 "STAIR_NAME_LOG"},                                                                \
        {.name = "cluster-node",                                                                   \
         .type = OPTION_TEXT,                                                                      \
         .check = cluster_node_check,                                                              \
         CLUSTER_AT(of, node),                                                                     \
         .value = "NAME",                                                                          \
         .help = "of this node, which no other node has; without one the host's name"},            \
        {.name = "cluster-credentials",                                                            \
         .type = OPTION_TEXT,                                                                      \
         CLUSTER_AT(of, credentials),                                                              \
         .value = "FILE",                                                                          \
         .help = "for the NATS servers: a .creds file, or lines user=NAME and password=TEXT, or "  \
                 "one line token=TEXT"},                                                           \
        {.name = "cluster-tls-ca",                                                                 \
         .type = OPTION_TEXT,                                                                      \
         CLUSTER_AT(of, tls_ca),                                                                   \
         .value = "FILE",                                                                          \
         .help = "certificates in PEM that the NATS servers' are checked against; turns on TLS"},  \
        {.name = "cluster-tls-certificate",                                                        \
         .type = OPTION_TEXT,                                                                      \
         CLUSTER_AT(of, tls_certificate),                                                          \
         .value = "FILE",                                                                          \
         .help = "this client's certificate chain in PEM, where the NATS servers ask for one"},    \
        {.name = "cluster-tls-key",                                                                \
         .type = OPTION_TEXT,                                                                      \
         CLUSTER_AT(of, tls_key),                                                                  \
         .value = "FILE",                                                                          \
         .help = "private key of that certificate in PEM"},                                        \
        {.name = "cluster-replicas",                                                               \
         .type = OPTION_INT,                                                                       \
         CLUSTER_AT(of, replicas),                                                                 \
         .initial = "3",                                                                           \
         .min = 1,                                                                                 \
         .max = 5,                                                                                 \
         .help = "NATS servers that hold the log; set by stair cluster init"},                     \
        {.name = "cluster-log-age",                                                                \
         .type = OPTION_SECONDS,                                                                   \
         CLUSTER_AT(of, log_age),                                                                  \
         .initial = "7d",                                                                          \
         .min = 0,                                                                                 \
         .max = 3660.0 * 86400,                                                                    \
         .help = "age that the log is trimmed to, once two snapshots cover what is trimmed"},      \
        {.name = "cluster-snapshot-every",                                                         \
         .type = OPTION_SECONDS,                                                                   \
         CLUSTER_AT(of, snapshot_every),                                                           \
         .initial = "1d",                                                                          \
         .min = 1,                                                                                 \
         .max = 3660.0 * 86400,                                                                    \
         .help = "how often a node puts a snapshot of its store beside the log"},                  \
        {.name = "cluster-join",                                                                   \
         .type = OPTION_CHOICE,                                                                    \
         CLUSTER_AT(of, join),                                                                     \
         .initial = "no",                                                                          \
         .choices = "no|yes",                                                                      \
         .help = "fill an empty folder from the newest snapshot beside the log before serving"},   \
    {                                                                                              \
        .name = "cluster-insecure-log", .type = OPTION_BOOL, CLUSTER_AT(of, insecure_log),         \
        .help = "use NATS servers older than 2.10.23, which can lose a stream in a crash"          \
    }

#endif
