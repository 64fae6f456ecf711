/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshots: copies of a node's store beside the log, from which a new node starts.
 *
 * A copy is one blob: the file of a snapshot (storage/maintenance/snapshot.h). Its index entry says
 * at which position of the log it stands, so that whoever takes it goes on behind it. Entries are
 * made for copies that were read back and are right.
 *
 * One thread at a time per `blobs`.
 */
#ifndef SERVER_SNAPSHOTS_H
#define SERVER_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cluster/parcels.h"
#include "storage/env/store.h"

enum { SNAPSHOTS_MAX = 64, SNAPSHOTS_KEPT = 2 };

typedef struct cluster_snapshot {
    parcel file;
    char key[PARCEL_ID_MAX + 32]; /* in the index */
    char lineage[LINEAGE_TEXT];
    uint64_t position, seq;
    uint64_t log_bytes; /* of the log then */
    int64_t created;    /* epoch seconds */
} cluster_snapshot;

/* snapshots_put copies the store into a folder below its own, stores the copy and enters it.
 * `log_bytes` and `now` are noted. */
err_code snapshots_put(parcels *b, store *s, uint64_t log_bytes, int64_t now, err *e) ERR_CHECKED;

/* snapshots_of reads the snapshots out of an index, the newest first. */
size_t snapshots_of(const json_t *index, cluster_snapshot out[SNAPSHOTS_MAX]);

/* snapshots_fetch makes the folder `dir` (its parent must exist) a store of this snapshot.
 * ERR_CONFLICT if there is one. */
err_code snapshots_fetch(parcels *b, const cluster_snapshot *x, const char *dir,
                         err *e) ERR_CHECKED;

/* snapshots_remove takes a snapshot away. */
err_code snapshots_remove(parcels *b, const cluster_snapshot *x, err *e) ERR_CHECKED;

#endif
