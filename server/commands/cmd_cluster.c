/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair cluster: manages several nodes that share a log.
 *
 *     init     creates the log of a store, makes the store the first node and uploads a snapshot
 *     join     fills an empty folder from the newest snapshot
 *     set      changes the interaction types and the encoder of all nodes
 *     status   shows the log's identity and length, and the position of a store in it
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/common/interaction_types.h"
#include "server/cli/cluster_options.h"
#include "server/cli/encoder_options.h"
#include "server/cli/result.h"
#include "server/cluster/identity.h"
#include "server/cluster/join.h"
#include "server/cluster/link.h"
#include "server/cluster/log_stream.h"
#include "server/cluster/members.h"
#include "server/cluster/parcels.h"
#include "server/cluster/snapshots.h"
#include "server/commands/commands.h"
#include "server/telemetry/clock.h"
#include "storage/log/apply.h"
#include "storage/maintenance/recover.h"

typedef struct cluster_arguments {
    const char *store, *interaction_types;
    cluster_options cluster;
    encoder_options encoder;
    bool json;
} cluster_arguments;

static err_code types_check(const char *text, err *e)
{
    interaction_types types;
    return interaction_types_parse(&types, text, e);
}

static const option table[] = {
    {.name = "store",
     OPTION_FIELD(cluster_arguments, store, OPTION_TEXT),
     .value = "DIR",
     .help = "folder of the store, for init and join; with it, status also tells the "
             "store's position"},
#define OPTION(...) OPTION_ENTRY(cluster_arguments, cluster., __VA_ARGS__)
#include "server/cli/cluster_options.def"
    {.name = "interaction-types",
     .check = types_check,
     OPTION_FIELD(cluster_arguments, interaction_types, OPTION_TEXT),
     .initial = INTERACTION_TYPES_DEFAULT,
     .value = "LIST",
     .help = "as in stair serve; the same on all nodes of a cluster"},
#define OPTION(...) OPTION_ENTRY(cluster_arguments, encoder., __VA_ARGS__)
#include "server/cli/encoder_options.def"
    OPTION_JSON(cluster_arguments),
    OPTION_END,
};

/* --- init --- */

static err_code set_position(store *s, const char *position, err *e)
{
    const apply_message m = {.position = slice_of(position)};
    return apply_messages(s, &m, 1, NULL, e);
}

/* make_log creates the log. An existing log is accepted only if it is this store's and empty: then
 * an earlier init was interrupted before the store learnt its position. */
static err_code make_log(const cluster_arguments *a, const nats_link *k, const log_identity *own,
                         err *e)
{
    log_identity id;
    log_facts facts;
    err why = ERR_INIT;
    err_code code = log_stream_read(k, a->cluster.name, &id, &facts, &why);
    if (code == ERR_NOT_FOUND) {
        return log_stream_create(k, &a->cluster, own, e);
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", why.text);
    }
    if (strcmp(id.lineage, own->lineage) == 0 && facts.last == 0) {
        return log_stream_expect(own, 0, &id, &facts, e);
    }
    return err_set(e, ERR_CONFLICT,
                   "a log of that name exists, with lineage %s and %" PRIu64
                   " messages: join it with stair cluster join",
                   id.lineage, facts.last);
}

/* put_first uploads the first snapshot. If that fails, the cluster exists all the same, and a node
 * that serves will make a snapshot. */
static err_code put_first(const cluster_arguments *a, const nats_link *k, store *s, err *e)
{
    parcels *b = NULL;
    err_code code = parcels_open(&b, k, a->cluster.name, (int)a->cluster.replicas, e);
    if (code == ERR_OK) {
        code = snapshots_put(b, s, 0, e);
    }
    parcels_close(b);
    return code == ERR_OK
               ? code
               : err_context(e, "the cluster was created, but its first snapshot failed");
}

static err_code init_store(const cluster_arguments *a, store *s, log_identity *own, err *e)
{
    store_info info;
    nats_link *k = NULL;
    err_code code = store_stat(s, &info, e);
    if (code == ERR_OK && info.external[0] != '\0') {
        code = err_set(e, ERR_CONFLICT,
                       "this store belongs to a cluster already, at position %s of its log",
                       info.external);
    }
    if (code == ERR_OK) {
        store_lineage_text(info.lineage, own->lineage);
        code = link_open(&k, &a->cluster, LINK_MAKE_MS, e);
    }
    if (code == ERR_OK) {
        code = make_log(a, k, own, e);
    }
    if (code == ERR_OK) {
        code = set_position(s, "0", e);
    }
    if (code == ERR_OK) {
        code = put_first(a, k, s, e);
    }
    link_close(k);
    return code;
}

static err_code init(const cluster_arguments *a, err *e)
{
    store *s = NULL;
    log_identity own;
    char name[LOG_NAME_MAX];
    const store_options how = {.mode = STORE_OWNER, .now = clock_now()};
    err_code code = identity_set(&own, a->interaction_types, &a->encoder, e);
    if (code == ERR_OK) {
        code = recover_open(&s, a->store, &how, e);
    }
    if (code == ERR_OK) {
        code = init_store(a, s, &own, e);
    }
    store_close(s);
    if (code != ERR_OK) {
        return code;
    }
    log_stream_name(a->cluster.name, name);
    if (a->json) {
        printf("{\"log\":\"%s\",\"lineage\":\"%s\",\"replicas\":%lld}\n", name, own.lineage,
               (long long)a->cluster.replicas);
    } else {
        printf("%s: created, with %lld replicas; the store is the first of the cluster\n", name,
               (long long)a->cluster.replicas);
    }
    return ERR_OK;
}

/* --- join --- */

static err_code join(const cluster_arguments *a, err *e)
{
    log_identity own;
    uint64_t position = 0;
    err_code code = identity_set(&own, a->interaction_types, &a->encoder, e);
    if (code == ERR_OK) {
        code = cluster_join(&a->cluster, &own, a->store, &position, e);
    }
    if (code == ERR_OK && a->json) {
        printf("{\"position\":%" PRIu64 "}\n", position);
    } else if (code == ERR_OK) {
        printf("%s: joined the cluster, at position %" PRIu64 " of its log\n", a->store, position);
    }
    return code;
}

/* --- set --- */

/* Nodes check writes by the types, so all nodes must change them at the same time. */
static err_code expect_no_node(const cluster_arguments *a, const nats_link *k, int replicas, err *e)
{
    members *m = NULL;
    member list[MEMBERS_MAX];
    size_t count = 0;
    err_code code = members_open(&m, k, a->cluster.name, replicas, e);
    if (code == ERR_OK) {
        code = members_list(m, list, &count, e);
    }
    members_close(m);
    if (code == ERR_OK && count > 0) {
        code = err_set(e, ERR_CONFLICT,
                       "%zu nodes of the cluster are running, such as %s: stop all nodes first",
                       count, list[0].name);
    }
    return code;
}

static err_code set(const cluster_arguments *a, err *e)
{
    nats_link *k = NULL;
    log_identity wanted, now;
    log_facts facts;
    err_code code = identity_set(&wanted, a->interaction_types, &a->encoder, e);
    if (code == ERR_OK) {
        code = link_open(&k, &a->cluster, LINK_MAKE_MS, e);
    }
    if (code == ERR_OK) {
        code = log_stream_read(k, a->cluster.name, &now, &facts, e);
    }
    if (code == ERR_OK) {
        code = expect_no_node(a, k, facts.replicas, e);
    }
    if (code == ERR_OK) {
        memcpy(wanted.lineage, now.lineage, sizeof wanted.lineage);
        code = log_stream_change(k, a->cluster.name, &wanted, e);
    }
    link_close(k);
    if (code == ERR_OK && a->json) {
        json_t *document =
            json_pack("{s:s,s:s}", "interaction_types", wanted.types, "encoder", wanted.encoder);
        code = result_json(document, JSON_COMPACT, "the answer", e);
        json_decref(document);
    } else if (code == ERR_OK) {
        printf("interaction types %s\nencoder %s\n", wanted.types, wanted.encoder);
    }
    return code;
}

/* --- status --- */

static err_code store_position(const cluster_arguments *a, char out[EXTERNAL_POSITION_MAX + 1],
                               err *e)
{
    store *s = NULL;
    store_info info;
    const store_options how = {.mode = STORE_READ, .now = clock_now()};
    out[0] = '\0';
    if (a->store == NULL) {
        return ERR_OK;
    }
    err_code code = recover_open(&s, a->store, &how, e);
    if (code == ERR_OK) {
        code = store_stat(s, &info, e);
    }
    store_close(s);
    if (code == ERR_OK) {
        memcpy(out, info.external, sizeof info.external);
    }
    return code;
}

static err_code print_status(const cluster_arguments *a, const nats_link *k, const log_identity *id,
                             const log_facts *facts, const char *position, err *e)
{
    char name[LOG_NAME_MAX];
    uint64_t first = facts->first, last = facts->last;
    log_stream_name(a->cluster.name, name);
    if (!a->json) {
        printf("%s on NATS %s: lineage %s, %d replicas%s\n", name, k->server, id->lineage,
               facts->replicas, facts->led ? "" : ", without a leader");
        printf("interaction types %s\nencoder %s\n", id->types, id->encoder);
        printf("messages %" PRIu64 " to %" PRIu64 ", %.1f MiB\n", first, last,
               (double)facts->bytes / (1024 * 1024));
        printf(position[0] != '\0' ? "the store is at position %s\n" : "%s", position);
        return ERR_OK;
    }
    json_t *document =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:i,s:I,s:I,s:I,s:s*}", "log", name, "server",
                  k->server, "lineage", id->lineage, "interaction_types", id->types, "encoder",
                  id->encoder, "led", facts->led, "replicas", facts->replicas, "first",
                  (json_int_t)first, "last", (json_int_t)last, "bytes", (json_int_t)facts->bytes,
                  "position", position[0] != '\0' ? position : NULL);
    err_code code = result_json(document, JSON_COMPACT, "the status", e);
    json_decref(document);
    return code;
}

static err_code status(const cluster_arguments *a, err *e)
{
    nats_link *k = NULL;
    log_identity id;
    log_facts facts;
    char position[EXTERNAL_POSITION_MAX + 1];
    err_code code = store_position(a, position, e);
    if (code == ERR_OK) {
        code = link_open(&k, &a->cluster, LINK_MAKE_MS, e);
    }
    if (code == ERR_OK) {
        code = log_stream_read(k, a->cluster.name, &id, &facts, e);
    }
    if (code == ERR_OK) {
        code = print_status(a, k, &id, &facts, position, e);
    }
    link_close(k);
    return code;
}

static err_code run(const command_call *call, err *e)
{
    const cluster_arguments *a = call->options;
    const char *what = call->values->rest_count == 1 ? call->values->rest[0] : "";
    bool initialise = strcmp(what, "init") == 0, joins = strcmp(what, "join") == 0;
    bool sets = strcmp(what, "set") == 0;
    if (!initialise && !joins && !sets && strcmp(what, "status") != 0) {
        return command_usage(call, e, "expected init, join, set or status");
    }
    if (a->cluster.urls == NULL) {
        return command_usage(call, e, "--cluster: required");
    }
    if ((initialise || joins) && a->store == NULL) {
        return command_usage(call, e, "--store: required");
    }
    err_code code = cluster_options_check(&a->cluster, e);
    if (code == ERR_OK) {
        code = encoder_options_check(&a->encoder, e);
    }
    if (code != ERR_OK) {
        return command_usage(call, e, "%s", e->text);
    }
    code = initialise ? init(a, e) : joins ? join(a, e) : sets ? set(a, e) : status(a, e);
    link_end();
    return code;
}

const command cmd_cluster = {
    .name = "cluster",
    .summary = "create, join, configure and inspect the log that several nodes share",
    .usage = "init|join|set|status",
    .options = table,
    .options_bytes = sizeof(cluster_arguments),
    .run = run};
