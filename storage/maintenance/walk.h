/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: reads every page of a store's trees without interpreting the records.
 *
 * It runs in a child process before the service opens the store: damage that crashes LMDB crashes
 * the child and not the service. It reads all branch and leaf pages, and the first and last byte of
 * larger values. `stair check` verifies checksums and invariants (storage/maintenance/check.h).
 */
#ifndef STORAGE_WALK_H
#define STORAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

typedef struct walk_options {
    void (*at)(void *ctx, const char *database); /* called before each */
    bool (*enough)(void *ctx);                   /* asked now and then: true ends the walk */
    void *ctx;
} walk_options;

typedef struct walk_report {
    uint64_t entries;
    bool complete; /* not ended by `enough` */
} walk_report;

/* walk_store: ERR_CORRUPT for keys out of order, a list of free pages that cannot be, a count that
 * is not the tree's, or a file that is too short. May die of a damaged store. */
err_code walk_store(store *s, const walk_options *options, walk_report *report, err *e) ERR_CHECKED;

#endif
