/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/replication.h"

#include <stdio.h>

#ifdef STAIR_CLUSTER

#include <limits.h>
#include <unistd.h>

#include "server/cluster/cluster.h"
#include "server/cluster/identity.h"
#include "server/cluster/join.h"
#include "server/telemetry/log.h"
#include "server/telemetry/supervisor.h"

/* join_if_empty fetches a snapshot only into a folder without a store: a node that starts again
 * continues from its own. */
static err_code join_if_empty(const serve_options *o, err *e)
{
    char data[PATH_MAX];
    log_identity own;
    uint64_t position = 0;
    if (snprintf(data, sizeof data, "%s/data.mdb", o->store) >= (int)sizeof data) {
        return err_set(e, ERR_INVALID, "the store's path is too long");
    }
    if (access(data, F_OK) == 0) {
        return ERR_OK;
    }
    supervisor_status("Fetching a snapshot");
    err_code code = identity_set(&own, o->interaction_types, &o->encoder, e);
    if (code == ERR_OK) {
        code = cluster_join(&o->cluster, &own, o->store, &position, e);
    }
    if (code == ERR_OK) {
        log_event(LOG_INFO, "cluster_joined", log_int("position", position));
    }
    return code;
}

err_code replication_open(replication **out, const serve_options *o, metrics *m, err *e)
{
    cluster *c = NULL;
    const cluster_setup setup = {.options = &o->cluster,
                                 .encoder = &o->encoder,
                                 .interaction_types = o->interaction_types,
                                 .metrics = m};
    *out = NULL;
    err_code code = cluster_options_check(&o->cluster, e);
    if (code == ERR_OK && o->cluster.join == CLUSTER_JOIN_YES) {
        code = join_if_empty(o, e);
    }
    if (code == ERR_OK && o->cluster.urls != NULL) {
        code = cluster_new(&c, &setup, e);
    }
    *out = (replication *)c;
    return code;
}

const replicated_log *replication_log(replication *r)
{
    return r != NULL ? cluster_log((cluster *)r) : NULL;
}

/* replication_health says why a node of a cluster cannot write. A problem of the writer has
 * precedence. */
void replication_health(replication *r, api_health *out)
{
    cluster_status status;
    if (r == NULL) {
        return;
    }
    cluster_tell((cluster *)r, &status);
    out->ready = out->ready && status.ready;
    out->writable = out->writable && status.led && !status.stopped;
    if (out->problem[0] == '\0') {
        snprintf(out->problem, sizeof out->problem, "%.*s", (int)sizeof out->problem - 1,
                 status.problem);
    }
}

void replication_erasure(const replication *r, const serve_options *o, api_erasure_terms *out)
{
    *out = (api_erasure_terms){0};
    if (r != NULL) {
        cluster_erasure_terms(&o->cluster, out);
    }
}

struct json_t *replication_document(replication *r)
{
    return cluster_document((cluster *)r);
}

void replication_close(replication *r)
{
    cluster_free((cluster *)r);
}

#else

err_code replication_open(replication **out, const serve_options *o, metrics *m, err *e)
{
    (void)m;
    *out = NULL;
    return o->cluster.urls != NULL
               ? err_set(e, ERR_INVALID, "cluster: this build of stair supports a single node only")
               : ERR_OK;
}

const replicated_log *replication_log(replication *r)
{
    (void)r;
    return NULL;
}

void replication_health(replication *r, api_health *out)
{
    (void)r;
    (void)out;
}

void replication_erasure(const replication *r, const serve_options *o, api_erasure_terms *out)
{
    (void)r;
    (void)o;
    *out = (api_erasure_terms){0};
}

struct json_t *replication_document(replication *r)
{
    (void)r;
    return NULL;
}

void replication_close(replication *r)
{
    (void)r;
}

#endif
