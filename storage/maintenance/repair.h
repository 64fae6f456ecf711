/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: mends what of a damaged store can be dropped or derived anew without losing content.
 *
 * It drops kept answers of Idempotency-Keys that are damaged or have no time, times without an
 * answer, features of items that do not exist, the log up to a damaged entry, tables without a
 * generation, and generations that are damaged and not active. It restores the id maps and the
 * counters from the records. It leaves the rest as it is: items, users, interactions, vectors and
 * the active generation come back from a snapshot, or from an import and a training.
 *
 * All of it but the removal of whole generations happens in one transaction: a kill leaves the
 * store as it was or repaired. Content, seq and digest stay the same, but for the keys dropped.
 */
#ifndef STORAGE_REPAIR_H
#define STORAGE_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

typedef struct repair_options {
    /* Called for each thing that is mended, once it is durable or about to be; valid during the
     * call. */
    void (*mended)(void *ctx, const char *text);
    void *ctx;
    void (*at)(void *ctx, const char *database); /* before each; may be NULL */
    bool (*cancelled)(void *ctx);                /* may be NULL */
    void *cancelled_ctx;
} repair_options;

/* repair_run mends a store that was opened with STORE_OWNER. *count is the number of things that
 * were mended: 0 if there was nothing, or nothing that repair can mend. ERR_CANCELLED changes
 * nothing. */
err_code repair_run(store *s, const repair_options *options, uint64_t *count, err *e) ERR_CHECKED;

#endif
