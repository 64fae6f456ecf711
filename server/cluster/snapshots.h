/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshots: copies of a node's store beside the log, from which a new node starts.
 *
 * A copy is one blob: the file of a snapshot (storage/maintenance/snapshot.h). Its index entry
 * gives its position in the log, where a new node goes on reading. An entry is made only after the
 * copy has been read back and is right.
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
    char key[PARCEL_ID_MAX + 32]; /* key of its entry in the index */
    char lineage[LINEAGE_TEXT];
    uint64_t position, seq;
    uint64_t log_bytes; /* size of the log when the snapshot was made */
    int64_t stored;     /* when it was entered, epoch seconds by the servers' clock */
} cluster_snapshot;

/* snapshots_put copies the store into a folder below the store's own, uploads the copy and adds its
 * index entry, which records `log_bytes`. */
err_code snapshots_put(parcels *b, store *s, uint64_t log_bytes, err *e) ERR_CHECKED;

/* snapshots_clean removes the copy of a process that died while it uploaded one. */
void snapshots_clean(const store *s);

/* snapshots_of lists the snapshots of an index, the newest first. */
size_t snapshots_of(const json_t *index, cluster_snapshot out[SNAPSHOTS_MAX]);

/* snapshots_fetch makes the folder `dir`, whose parent must exist, a store with this snapshot's
 * content. ERR_CONFLICT: there is a store already. */
err_code snapshots_fetch(parcels *b, const cluster_snapshot *x, const char *dir,
                         err *e) ERR_CHECKED;

/* snapshots_remove removes a snapshot. */
err_code snapshots_remove(parcels *b, const cluster_snapshot *x, err *e) ERR_CHECKED;

#endif
