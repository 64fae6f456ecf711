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
 * The draft is the folder `to`.draft~ beside it; what a killed copy left there is removed.
 * `cancelled` (may be NULL) is asked between the steps. *bytes and *seq (may be NULL) are the
 * copy's. Blocks for as long as writing the data takes. */
err_code snapshot_write(store *s, const char *to, bool (*cancelled)(void *ctx), void *ctx,
                        uint64_t *bytes, uint64_t *seq, err *e) ERR_CHECKED;

typedef struct snapshot_facts {
    uint64_t bytes;
    uint64_t seq;
    bool seq_known; /* false: of another format */
    int64_t made;   /* epoch seconds */
} snapshot_facts;

/* snapshot_inspect tells what the copy in `dir` holds and leaves the folder as it is. Made for
 * copies at rest: one that is being served may be read in the middle of a write. ERR_NOT_FOUND if
 * it is no store, ERR_CORRUPT if it is cut off or damaged. */
err_code snapshot_inspect(const char *dir, snapshot_facts *out, err *e) ERR_CHECKED;

#endif
