/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: makes a consistent copy of a store, also while it is being served.
 *
 * The copy describes one moment. It is compacted (so it contains no freed pages and no erased
 * data), synced, and gets its final name only when complete. It can be used wherever a store can.
 * Its first owner gives it a new lineage, because its history continues separately.
 *
 * While a copy is made, LMDB does not reuse the pages that writes replace, so the live file grows
 * by what is written meanwhile.
 */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

/* snapshot_write copies into the folder `to`, which must not exist (ERR_CONFLICT); its parent must.
 * It writes a draft in the folder `to`.draft~ and first removes what a killed process left there.
 * `cancelled` is called between the steps and may be NULL. *bytes and *seq describe the copy and
 * may be NULL. Blocks for as long as writing the data takes. */
err_code snapshot_write(store *s, const char *to, bool (*cancelled)(void *ctx), void *ctx,
                        uint64_t *bytes, uint64_t *seq, err *e) ERR_CHECKED;

typedef struct snapshot_facts {
    uint64_t bytes;
    uint64_t seq;
    bool seq_known; /* false if it has another format */
    int64_t made;   /* epoch seconds */
} snapshot_facts;

/* snapshot_inspect reads what the copy in `dir` contains and leaves the folder unchanged. Use it on
 * copies that no process writes to: otherwise it may read a half-finished write. ERR_NOT_FOUND: it
 * is not a store. ERR_CORRUPT: it is cut off or damaged. */
err_code snapshot_inspect(const char *dir, snapshot_facts *out, err *e) ERR_CHECKED;

#endif
