/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/members.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"

enum { BUCKET_NAME_MAX = 64 };

static const int64_t SECOND_NS = 1000000000;
static const char lease_key[] = "holder";

struct members {
    const nats_link *k;
    kvStore *nodes, *lease;
    /* revision of the lease's entry that this node wrote; 0 if it does not hold the lease */
    uint64_t lease_revision;
};

/* --- buckets --- */

/* make_bucket creates a bucket. Creating a replicated one may take longer than the other calls on
 * this link. */
static natsStatus make_bucket(const nats_link *k, const kvConfig *config)
{
    kvConfig wanted = *config;
    kvStore *made = NULL;
    jsCtx *patient = NULL;
    jsOptions asking;
    (void)jsOptions_Init(&asking);
    asking.Wait = LINK_MAKE_MS;
    natsStatus s = natsConnection_JetStream(&patient, k->connection, &asking);
    s = s == NATS_OK ? js_CreateKeyValue(&made, patient, &wanted) : s;
    kvStore_Destroy(made);
    jsCtx_Destroy(patient);
    return s;
}

static err_code open_bucket(kvStore **out, const nats_link *k, const kvConfig *config, err *e)
{
    natsStatus s = js_KeyValue(out, k->stream, config->Bucket);
    if (s == NATS_NOT_FOUND) {
        s = make_bucket(k, config);
        s = s == NATS_OK ? js_KeyValue(out, k->stream, config->Bucket) : s;
    }
    return s == NATS_OK ? ERR_OK : link_error(k, s, 0, "opening the nodes' bucket", e);
}

err_code members_open(members **out, const nats_link *k, const char *cluster, int replicas, err *e)
{
    char nodes[BUCKET_NAME_MAX], lease[BUCKET_NAME_MAX];
    kvConfig config;
    *out = NULL;
    members *m = mem_array(1, sizeof *m);
    if (m == NULL) {
        return err_nomem(e, "the nodes");
    }
    m->k = k;
    snprintf(nodes, sizeof nodes, "STAIR_%s_NODES", cluster);
    snprintf(lease, sizeof lease, "STAIR_%s_LEASE", cluster);
    (void)kvConfig_Init(&config);
    config.History = 1;
    config.StorageType = js_MemoryStorage;
    config.Replicas = replicas;
    config.Bucket = nodes;
    config.TTL = MEMBER_SECONDS * SECOND_NS;
    err_code code = open_bucket(&m->nodes, k, &config, e);
    config.Bucket = lease;
    config.TTL = LEASE_SECONDS * SECOND_NS;
    code = code == ERR_OK ? open_bucket(&m->lease, k, &config, e) : code;
    if (code != ERR_OK) {
        members_close(m);
        return code;
    }
    *out = m;
    return ERR_OK;
}

void members_close(members *m)
{
    if (m != NULL) {
        kvStore_Destroy(m->nodes);
        kvStore_Destroy(m->lease);
        mem_free(m);
    }
}

/* --- heartbeats --- */

static char *write_member(const member *x)
{
    json_t *document =
        json_pack("{s:s,s:s,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:f,s:b}", "incarnation", x->incarnation,
                  "place", x->place, "version", x->version, "op_version", (int)x->op_version, "seq",
                  (json_int_t)x->seq, "position", (json_int_t)x->position, "active",
                  (json_int_t)x->active, "serving", (json_int_t)x->serving, "warmed",
                  (json_int_t)x->warmed, "lag_seconds", x->lag_seconds, "ready", x->ready);
    char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text;
}

static uint64_t number_of(const json_t *document, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(document, name));
    return value > 0 ? (uint64_t)value : 0;
}

static void text_of(const json_t *document, const char *name, char *out, size_t bytes)
{
    const char *text = json_string_value(json_object_get(document, name));
    snprintf(out, bytes, "%s", text != NULL ? text : "");
}

/* read_member reads an entry. One that another version wrote is read as far as its members are
 * known. */
static void read_member(member *out, const char *name, kvEntry *entry)
{
    json_t *d = json_loadb(kvEntry_Value(entry), (size_t)kvEntry_ValueLen(entry), 0, NULL);
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    text_of(d, "incarnation", out->incarnation, sizeof out->incarnation);
    text_of(d, "place", out->place, sizeof out->place);
    text_of(d, "version", out->version, sizeof out->version);
    out->op_version = (unsigned)number_of(d, "op_version");
    out->seq = number_of(d, "seq");
    out->position = number_of(d, "position");
    out->active = (uint32_t)number_of(d, "active");
    out->serving = (uint32_t)number_of(d, "serving");
    out->warmed = (uint32_t)number_of(d, "warmed");
    out->lag_seconds = json_number_value(json_object_get(d, "lag_seconds"));
    out->ready = json_is_true(json_object_get(d, "ready"));
    out->revision = kvEntry_Revision(entry);
    out->stored_ns = kvEntry_Created(entry);
    json_decref(d);
}

err_code members_beat(members *m, const member *self, err *e)
{
    char *text = write_member(self);
    if (text == NULL) {
        return err_nomem(e, "a heartbeat");
    }
    natsStatus s = kvStore_PutString(NULL, m->nodes, self->name, text);
    free(text); /* allocated by jansson */
    return s == NATS_OK ? ERR_OK : link_error(m->k, s, 0, "telling of this node", e);
}

void members_leave(members *m, const member *self)
{
    (void)kvStore_Delete(m->nodes, self->name);
    if (m->lease_revision != 0) {
        (void)kvStore_Delete(m->lease, lease_key);
        m->lease_revision = 0;
    }
}

err_code members_find(members *m, const char *name, member *out, err *e)
{
    kvEntry *entry = NULL;
    natsStatus s = kvStore_Get(&entry, m->nodes, name);
    if (s == NATS_OK) {
        read_member(out, name, entry);
    }
    kvEntry_Destroy(entry);
    return s == NATS_OK          ? ERR_OK
           : s == NATS_NOT_FOUND ? ERR_NOT_FOUND
                                 : link_error(m->k, s, 0, "asking for a node", e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const member *)a)->name, ((const member *)b)->name);
}

err_code members_list(members *m, member *out, size_t *count, err *e)
{
    char stream[BUCKET_NAME_MAX + 8], prefix[BUCKET_NAME_MAX + 8];
    json_t *keys = NULL;
    size_t i = 0;
    const json_t *key = NULL;
    *count = 0;
    snprintf(stream, sizeof stream, "KV_%s", kvStore_Bucket(m->nodes));
    snprintf(prefix, sizeof prefix, "$KV.%s.", kvStore_Bucket(m->nodes));
    err_code code = link_subjects(m->k, stream, prefix, &keys, e);
    json_array_foreach(keys, i, key)
    {
        if (code == ERR_OK && *count < MEMBERS_MAX) {
            code = members_find(m, json_string_value(key), &out[*count], e);
            *count += code == ERR_OK;
            code = code == ERR_NOT_FOUND ? ERR_OK : code; /* the node has died or left */
        }
    }
    json_decref(keys);
    sort_array(out, *count, sizeof *out, by_name);
    return code;
}

/* --- the lease --- */

void members_lease(members *m, const member *self, char holder[CLUSTER_NODE_BYTES_MAX + 1],
                   bool *held)
{
    kvEntry *entry = NULL;
    natsStatus s = m->lease_revision != 0
                       ? kvStore_UpdateString(&m->lease_revision, m->lease, lease_key, self->name,
                                              m->lease_revision)
                       : kvStore_CreateString(&m->lease_revision, m->lease, lease_key, self->name);
    *held = s == NATS_OK;
    snprintf(holder, CLUSTER_NODE_BYTES_MAX + 1, "%s", *held ? self->name : "");
    if (*held) {
        return;
    }
    m->lease_revision = 0;
    if (kvStore_Get(&entry, m->lease, lease_key) == NATS_OK) {
        snprintf(holder, CLUSTER_NODE_BYTES_MAX + 1, "%s", kvEntry_ValueString(entry));
    }
    kvEntry_Destroy(entry);
}
