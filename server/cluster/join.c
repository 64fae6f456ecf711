/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/join.h"

#include <stdio.h>

#include "core/common/mem.h"
#include "server/cluster/link.h"
#include "server/cluster/snapshots.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"

/* settle prepares the copy as a store of its own that goes on at the snapshot's position. */
static err_code settle(const char *dir, err *e)
{
    store *s = NULL;
    const store_options how = {
        .mode = STORE_OWNER, .keep_lineage = true, .now = (int64_t)clock_now()};
    err_code rc = recover_open(&s, dir, &how, e);
    store_close(s);
    return rc;
}

static err_code take_newest(parcels *b, const log_identity *own, const log_identity *log,
                            const log_facts *facts, const char *dir, uint64_t *position, err *e)
{
    json_t *index = NULL;
    cluster_snapshot *list = mem_array(SNAPSHOTS_MAX, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the snapshots");
    }
    err_code rc = parcel_index_list(b, &index, e);
    size_t count = rc == ERR_OK ? snapshots_of(index, list) : 0;
    json_decref(index);
    if (rc == ERR_OK && count == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "there is no snapshot beside the cluster's log");
    }
    if (rc == ERR_OK) {
        log_identity joining = *own;
        snprintf(joining.lineage, sizeof joining.lineage, "%s", list[0].lineage);
        *position = list[0].position;
        rc = log_stream_expect(&joining, *position, log, facts, e);
    }
    rc = rc == ERR_OK ? snapshots_fetch(b, &list[0], dir, e) : rc;
    mem_free(list);
    return rc;
}

err_code cluster_join(const cluster_options *o, const log_identity *own, const char *dir,
                      uint64_t *position, err *e)
{
    nats_link *k = NULL;
    parcels *b = NULL;
    log_identity log;
    log_facts facts;
    err_code rc = link_open(&k, o, LINK_MAKE_MS, e);
    rc = rc == ERR_OK ? log_stream_read(k, o->name, &log, &facts, e) : rc;
    rc = rc == ERR_OK ? parcels_open(&b, k, o->name, facts.replicas, e) : rc;
    rc = rc == ERR_OK ? take_newest(b, own, &log, &facts, dir, position, e) : rc;
    parcels_close(b);
    link_close(k);
    return rc == ERR_OK ? settle(dir, e) : rc;
}
