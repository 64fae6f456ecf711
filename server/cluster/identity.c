/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/common/interaction_types.h"
#include "core/common/sort.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const interaction_type *)a)->name, ((const interaction_type *)b)->name);
}

static const char *flags_text(uint8_t flags)
{
    switch (flags & (EDGE_IN_GRAPH | EDGE_SEEN)) {
    case EDGE_IN_GRAPH | EDGE_SEEN: return "edge+seen";
    case EDGE_IN_GRAPH: return "edge";
    case EDGE_SEEN: return "seen";
    default: return "none";
    }
}

static err_code set_types(log_identity *out, const char *text, err *e)
{
    interaction_types types;
    err_code code = interaction_types_parse(&types, text, e);
    if (code != ERR_OK) {
        return code;
    }
    sort_array(types.list, types.count, sizeof types.list[0], by_name);
    size_t used = 0;
    for (uint32_t i = 0; i < types.count && used < sizeof out->types; i++) {
        const interaction_type *t = &types.list[i];
        used +=
            (size_t)snprintf(out->types + used, sizeof out->types - used, "%s%s=%s:%g",
                             i > 0 ? "," : "", t->name, flags_text(t->flags), (double)t->weight);
    }
    return used < sizeof out->types
               ? ERR_OK
               : err_set(e, ERR_INVALID,
                         "interaction_types: expected at most %zu bytes in a cluster",
                         sizeof out->types);
}

err_code identity_set(log_identity *out, const char *types, const encoder_options *encoder, err *e)
{
    memset(out, 0, sizeof *out);
    out->format = LOG_FORMAT;
    int length = encoder->url != NULL ? snprintf(out->encoder, sizeof out->encoder, "%s %s",
                                                 encoder->modality, encoder->model)
                                      : snprintf(out->encoder, sizeof out->encoder, "-");
    if (length >= (int)sizeof out->encoder) {
        return err_set(e, ERR_INVALID, "encoder_model: expected fewer than %zu bytes in a cluster",
                       sizeof out->encoder);
    }
    return set_types(out, types, e);
}

err_code identity_node(const cluster_options *o, char out[CLUSTER_NODE_BYTES_MAX + 1], err *e)
{
    if (o->node != NULL) {
        snprintf(out, CLUSTER_NODE_BYTES_MAX + 1, "%s", o->node);
        return ERR_OK;
    }
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    for (char *at = host; *at != '\0'; at++) {
        *at = *at == '.' ? '-' : *at;
    }
    snprintf(out, CLUSTER_NODE_BYTES_MAX + 1, "%s", host);
    return cluster_node_check(out, e) == ERR_OK
               ? ERR_OK
               : err_set(e, ERR_INVALID,
                         "the host's name is not valid as a node's name: set cluster_node");
}
