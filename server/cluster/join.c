/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/join.h"

#include <stdio.h>

#include "core/common/mem.h"
#include "server/cluster/link.h"
#include "server/cluster/snapshots.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/maintenance/recover.h"

/* NATS servers that have just started, or that have lost their leader, need some seconds. */
enum { WAIT_SECONDS = 30, PAUSE_MS = 500 };

/* settle turns the copy into this node's store, which continues at the snapshot's position. */
static err_code settle(const char *dir, err *e)
{
    store *s = NULL;
    const store_options how = {
        .mode = STORE_OWNER, .keep_lineage = true, .now = (int64_t)clock_now()};
    err_code code = recover_open(&s, dir, &how, e);
    store_close(s);
    return code;
}

static err_code take_newest(parcels *b, const log_identity *own, const log_identity *log,
                            const log_facts *facts, const char *dir, uint64_t *position, err *e)
{
    json_t *index = NULL;
    cluster_snapshot *list = mem_array(SNAPSHOTS_MAX, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the snapshots");
    }
    err_code code = parcel_index_list(b, &index, e);
    size_t count = code == ERR_OK ? snapshots_of(index, list) : 0;
    json_decref(index);
    if (code == ERR_OK && count == 0) {
        code = err_set(e, ERR_NOT_FOUND, "NATS has no snapshot of this cluster");
    }
    if (code == ERR_OK) {
        log_identity joining = *own;
        snprintf(joining.lineage, sizeof joining.lineage, "%s", list[0].lineage);
        *position = list[0].position;
        code = log_stream_expect(&joining, *position, log, facts, e);
    }
    code = code == ERR_OK ? snapshots_fetch(b, &list[0], dir, e) : code;
    mem_free(list);
    return code;
}

static err_code join_once(const cluster_options *o, const log_identity *own, const char *dir,
                          uint64_t *position, err *e)
{
    nats_link *k = NULL;
    parcels *b = NULL;
    log_identity log;
    log_facts facts;
    err_code code = link_open(&k, o, LINK_MAKE_MS, e);
    code = code == ERR_OK ? log_stream_read(k, o->name, &log, &facts, e) : code;
    code = code == ERR_OK ? parcels_open(&b, k, o->name, facts.replicas, e) : code;
    code = code == ERR_OK ? take_newest(b, own, &log, &facts, dir, position, e) : code;
    parcels_close(b);
    link_close(k);
    return code;
}

err_code cluster_join(const cluster_options *o, const log_identity *own, const char *dir,
                      uint64_t *position, err *e)
{
    const uint64_t end = clock_ns() + (uint64_t)WAIT_SECONDS * NS_PER_SECOND;
    for (bool told = false;; told = true) {
        err why = ERR_INIT;
        err_code code = join_once(o, own, dir, position, &why);
        if (code == ERR_OK) {
            return settle(dir, e);
        }
        if (code != ERR_UNAVAILABLE) {
            return err_set(e, code, "%s", why.text);
        }
        if (clock_ns() > end) {
            return err_set(e, code, "%s (for %d seconds)", why.text, WAIT_SECONDS);
        }
        if (!told) {
            log_event(LOG_WARN, "cluster_join_waits", log_int("seconds_most", WAIT_SECONDS),
                      log_text("error", why.text));
        }
        nats_Sleep(PAUSE_MS);
    }
}
