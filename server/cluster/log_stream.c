/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/log_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/telemetry/clock.h"

enum {
    CREATE_TRIES = 20,
    CREATE_PAUSE_MS = 500,
    LED_MS = 150,
    DESCRIPTION_MAX = LOG_TEXT_MAX + 512
};

/* The server drops repeated messages for this long. Later repeats are recognised by the publishers'
 * numbers. */
static const int64_t DUPLICATES_NS = (int64_t)120 * NS_PER_SECOND;

static const char head_format[] = "stair log %u lineage %36s encoder ";

void log_stream_name(const char *cluster, char out[LOG_NAME_MAX])
{
    snprintf(out, LOG_NAME_MAX, "STAIR_%s_LOG", cluster);
}

void log_stream_subject(const char *cluster, char out[LOG_NAME_MAX])
{
    snprintf(out, LOG_NAME_MAX, "stair.%s.log", cluster);
}

static void describe(const log_identity *id, char out[DESCRIPTION_MAX])
{
    snprintf(out, DESCRIPTION_MAX, "stair log %u lineage %s encoder %s types %s", id->format,
             id->lineage, id->encoder, id->types);
}

err_code log_stream_create(const nats_link *k, const cluster_options *o, const log_identity *id,
                           err *e)
{
    char name[LOG_NAME_MAX], subject[LOG_NAME_MAX], text[DESCRIPTION_MAX];
    const char *subjects[] = {subject};
    jsStreamConfig config;
    jsStreamInfo *made = NULL;
    jsErrCode refusal = 0;
    log_stream_name(o->name, name);
    log_stream_subject(o->name, subject);
    describe(id, text);
    (void)jsStreamConfig_Init(&config);
    config.Name = name;
    config.Description = text;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.Retention = js_LimitsPolicy;
    config.Discard = js_DiscardNew;
    config.Replicas = o->replicas;
    config.Duplicates = DUPLICATES_NS;
    config.DenyDelete = true;
    config.AllowDirect = true;
    natsStatus s = NATS_OK;
    for (int i = 0; i < CREATE_TRIES; i++) {
        s = js_AddStream(&made, k->stream, &config, NULL, &refusal);
        if (s == NATS_OK || (refusal != JSClusterNoPeersErr && s != NATS_TIMEOUT)) {
            break;
        }
        nats_Sleep(CREATE_PAUSE_MS); /* servers that have just started must find each other first */
    }
    jsStreamInfo_Destroy(made);
    if (refusal == JSStreamNameExistErr) {
        return err_set(e, ERR_CONFLICT, "the stream %s exists and belongs to another cluster",
                       name);
    }
    return s == NATS_OK ? ERR_OK : link_error(k, s, refusal, "making the cluster's log", e);
}

/* parse reads the stream's description: "stair log 1 lineage UUID encoder TEXT types TEXT". */
static err_code parse(const char *name, const char *text, log_identity *id, err *e)
{
    memset(id, 0, sizeof *id);
    if (text == NULL || sscanf(text, head_format, &id->format, id->lineage) != 2) {
        return err_set(e, ERR_CONFLICT, "the stream %s is no log of a stair cluster", name);
    }
    if (id->format > LOG_FORMAT) {
        return err_set(e, ERR_CONFLICT,
                       "the log %s has format %u, but this version of stair reads up to %d", name,
                       id->format, LOG_FORMAT);
    }
    const char *encoder = strstr(text, " encoder "), *types = strstr(text, " types ");
    if (encoder == NULL || types == NULL || types < encoder) {
        return err_set(e, ERR_CONFLICT, "the stream %s is no log of a stair cluster", name);
    }
    encoder += strlen(" encoder ");
    snprintf(id->encoder, sizeof id->encoder, "%.*s", (int)(types - encoder), encoder);
    snprintf(id->types, sizeof id->types, "%s", types + strlen(" types "));
    return ERR_OK;
}

/* check_config refuses settings under which the log could lose messages that a node has
 * acknowledged. */
static err_code check_config(const char *name, const jsStreamConfig *c, err *e)
{
    if (c->Storage != js_FileStorage || c->MaxAge != 0 || c->Discard != js_DiscardNew ||
        c->Retention != js_LimitsPolicy) {
        return err_set(e, ERR_CONFLICT,
                       "the stream %s may lose messages: expected file storage, no maximum age, "
                       "discard new and retention by limits",
                       name);
    }
    return ERR_OK;
}

static bool is_led(const jsStreamInfo *info)
{
    return info->Cluster == NULL ||
           (info->Cluster->Leader != NULL && info->Cluster->Leader[0] != '\0');
}

err_code log_stream_read(const nats_link *k, const char *cluster, log_identity *id,
                         log_facts *facts, err *e)
{
    char name[LOG_NAME_MAX];
    jsStreamInfo *info = NULL;
    jsErrCode refusal = 0;
    log_identity unused;
    log_stream_name(cluster, name);
    natsStatus s = js_GetStreamInfo(&info, k->stream, name, NULL, &refusal);
    if (s == NATS_NOT_FOUND || refusal == JSStreamNotFoundErr) {
        return err_set(e, ERR_NOT_FOUND, "there is no stream %s: create it with stair cluster init",
                       name);
    }
    if (s != NATS_OK) {
        return link_error(k, s, refusal, "asking for the cluster's log", e);
    }
    err_code code = parse(name, info->Config->Description, id != NULL ? id : &unused, e);
    code = code == ERR_OK ? check_config(name, info->Config, e) : code;
    *facts = (log_facts){.first = info->State.FirstSeq,
                         .last = info->State.LastSeq,
                         .first_time = info->State.FirstTime / NS_PER_SECOND,
                         .bytes = info->State.Bytes,
                         .replicas = (int)info->Config->Replicas};
    facts->led = is_led(info);
    jsStreamInfo_Destroy(info);
    return code;
}

bool log_stream_is_led(const nats_link *k, const char *cluster)
{
    char name[LOG_NAME_MAX];
    jsStreamInfo *info = NULL;
    jsOptions brief;
    log_stream_name(cluster, name);
    (void)jsOptions_Init(&brief);
    brief.Wait = LED_MS;
    natsStatus s = js_GetStreamInfo(&info, k->stream, name, &brief, NULL);
    bool led = s == NATS_OK && is_led(info);
    jsStreamInfo_Destroy(info);
    return led;
}

err_code log_stream_change(const nats_link *k, const char *cluster, const log_identity *id, err *e)
{
    char name[LOG_NAME_MAX], text[DESCRIPTION_MAX];
    jsStreamInfo *info = NULL;
    jsErrCode refusal = 0;
    log_stream_name(cluster, name);
    describe(id, text);
    natsStatus s = js_GetStreamInfo(&info, k->stream, name, NULL, &refusal);
    if (s == NATS_OK) {
        jsStreamConfig changed = *info->Config;
        changed.Description = text;
        s = js_UpdateStream(NULL, k->stream, &changed, NULL, &refusal);
    }
    jsStreamInfo_Destroy(info);
    return s == NATS_OK ? ERR_OK : link_error(k, s, refusal, "changing the cluster's log", e);
}

err_code log_stream_expect(const log_identity *own, uint64_t position, const log_identity *id,
                           const log_facts *facts, err *e)
{
    if (strcmp(own->lineage, id->lineage) != 0) {
        return err_set(
            e, ERR_CONFLICT,
            "the log belongs to another cluster: its lineage is %s, that of this store %s",
            id->lineage, own->lineage);
    }
    if (strcmp(own->types, id->types) != 0) {
        return err_set(
            e, ERR_CONFLICT,
            "interaction_types: the cluster has %.160s, this node %.160s; stair cluster set "
            "changes the cluster's",
            id->types, own->types);
    }
    if (strcmp(own->encoder, id->encoder) != 0) {
        return err_set(e, ERR_CONFLICT,
                       "the encoder's modality and model: the cluster has %s, this node %s; stair "
                       "cluster set changes the cluster's",
                       id->encoder, own->encoder);
    }
    if (facts->first > position + 1 && facts->last > position) {
        return err_set(e, ERR_CONFLICT,
                       "the cluster's log begins at %" PRIu64
                       ", after this store's position %" PRIu64
                       ": take a newer copy (stair cluster join)",
                       facts->first, position);
    }
    if (facts->last < position) {
        return err_set(e, ERR_CONFLICT,
                       "the cluster's log ends at %" PRIu64
                       ", before this store's position %" PRIu64
                       ": it lost messages, or was restored to an earlier state",
                       facts->last, position);
    }
    return ERR_OK;
}

bool log_position_read(const char *text, uint64_t *out)
{
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}
