/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_document builds the answer of GET /cluster. */
#include <jansson.h>
#include <stdio.h>

#include "server/cluster/cluster_private.h"

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *generation_or_null(uint32_t generation)
{
    return generation != 0 ? json_integer(generation) : json_null();
}

static json_t *node_document(const member *x)
{
    return json_pack("{s:s,s:s,s:s,s:i,s:I,s:I,s:o,s:o,s:f,s:b}", "name", x->name, "incarnation",
                     x->incarnation, "version", x->version, "op_version", (int)x->op_version, "seq",
                     (json_int_t)x->seq, "position", (json_int_t)x->position, "active",
                     generation_or_null(x->active), "serving", generation_or_null(x->serving),
                     "lag_seconds", x->lag_seconds, "ready", x->ready);
}

static json_t *erasure_document(const erasure_progress *p)
{
    return p->seq == 0 ? json_null()
                       : json_pack("{s:I,s:b,s:b,s:b}", "seq", (json_int_t)p->seq, "log", p->log,
                                   "snapshots", p->snapshots, "generations", p->generations);
}

json_t *cluster_document(cluster *c)
{
    cluster_status status;
    char log[LOG_NAME_MAX];
    json_t *nodes = json_array();
    cluster_tell(c, &status);
    log_stream_name(c->setup.options->name, log);
    pthread_mutex_lock(&c->mutex);
    log_facts facts = c->facts;
    for (size_t i = 0; i < c->node_count; i++) {
        json_array_append_new(nodes, node_document(&c->nodes[i]));
    }
    json_t *lease = text_or_null(c->holder);
    json_t *erasure = erasure_document(&c->erasure);
    pthread_mutex_unlock(&c->mutex);
    json_t *stream =
        json_pack("{s:s,s:s,s:I,s:I,s:I,s:i}", "name", log, "lineage", c->identity.lineage, "first",
                  (json_int_t)facts.first, "last", (json_int_t)status.last, "bytes",
                  (json_int_t)facts.bytes, "replicas", facts.replicas);
    return json_pack("{s:s,s:s,s:b,s:b,s:I,s:I,s:f,s:o,s:o,s:o,s:o,s:o}", "cluster",
                     c->setup.options->name, "node", c->node, "connected", status.connected,
                     "writable", status.led && !status.stopped, "position",
                     (json_int_t)status.position, "lag_ops",
                     (json_int_t)(status.last - status.position), "lag_seconds", status.lag_seconds,
                     "problem", text_or_null(status.problem), "lease", lease, "erasure", erasure,
                     "log", stream, "nodes", nodes);
}
