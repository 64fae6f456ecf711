/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate: converts a store of an older format to the present format.
 *
 * The service never migrates. An operator runs `stair migrate` once, by hand, after making a copy.
 * The new content is written beside the old one in transactions of bounded size, synced, and
 * renamed over it, so a kill leaves either the complete old format or the complete new one. A
 * migration needs disk space for a second copy and leaves a compacted store.
 */
#ifndef STORAGE_MIGRATE_H
#define STORAGE_MIGRATE_H

#include <stdint.h>

#include "core/common/err.h"

typedef struct migrate_report {
    uint32_t from;    /* the store's old format; STORE_FORMAT: there was nothing to do */
    uint64_t dropped; /* stored answers, or their times, whose keys an older version had garbled */
} migrate_report;

/* migrate_store upgrades the store in `dir`. ERR_CONFLICT: a process owns or trains it (the text
 * has its pid), or its format is newer. ERR_NOT_FOUND: there is no store. ERR_CORRUPT: a record is
 * damaged. A failure never changes the store. */
err_code migrate_store(const char *dir, migrate_report *report, err *e) ERR_CHECKED;

#endif
