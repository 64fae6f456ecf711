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
    bool any_order; /* keys may be out of order: a repair drops such records */
    void (*at)(void *ctx, const char *database); /* called before each database */
    /* called now and then; returning true ends the walk */
    bool (*enough)(void *ctx);
    void *ctx;
} walk_options;

typedef struct walk_report {
    uint64_t entries;
    bool complete; /* false if `enough` ended the walk */
} walk_report;

/* walk_store walks the trees. ERR_CORRUPT: keys are out of order, a list of free pages is
 * impossible, a count differs from the tree's, or the file is too short. A damaged store may kill
 * the process. */
err_code walk_store(store *s, const walk_options *options, walk_report *report, err *e) ERR_CHECKED;

#endif
