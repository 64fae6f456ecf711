/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: repairs the parts of a damaged store that can be dropped or derived again without losing
 * content.
 *
 * It drops:
 *   - stored answers of Idempotency-Keys that are damaged or have no time, and times without an
 *     answer;
 *   - features of items that do not exist;
 *   - the log up to a damaged entry;
 *   - tables without a generation, and generations that are damaged and not active;
 *   - publishers' records that are damaged, in a store that follows no log.
 *
 * It restores the id maps and the counters from the records, an interaction from its other side,
 * and either record of a generation from the other one. It cannot repair items, users, vectors,
 * interactions whose sides disagree, and the tables of the active generation: these come from a
 * snapshot, or from an import and a training.
 *
 * Everything except the removal of whole generations happens in one transaction, so a kill leaves
 * the store either as it was or repaired. Content, seq and digest stay the same, apart from dropped
 * keys.
 */
#ifndef STORAGE_REPAIR_H
#define STORAGE_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

typedef struct repair_options {
    /* mended is called for each repair, when it is durable or about to be. The text is valid during
     * the call. */
    void (*mended)(void *ctx, const char *text);
    void *ctx;
    void (*at)(void *ctx, const char *database); /* called before each database; may be NULL */
    bool (*cancelled)(void *ctx);                /* may be NULL */
    void *cancelled_ctx;
} repair_options;

/* repair_run repairs a store that was opened with STORE_OWNER. *count is the number of repairs, 0
 * if there was no damage or none that it can repair. ERR_CANCELLED changes nothing. */
err_code repair_run(store *s, const repair_options *options, uint64_t *count, err *e) ERR_CHECKED;

#endif
