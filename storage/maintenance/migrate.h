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
    uint32_t from;    /* the format that the store had; STORE_FORMAT: there was nothing to do */
    uint64_t dropped; /* kept answers, or times of them, whose keys an older stair had garbled */
} migrate_report;

/* migrate_store upgrades the store in `dir`, which nobody may own or train meanwhile (ERR_CONFLICT,
 * with the pid). A newer format is ERR_CONFLICT, no store ERR_NOT_FOUND, a damaged record
 * ERR_CORRUPT; none of them changes the store. */
err_code migrate_store(const char *dir, migrate_report *report, err *e) ERR_CHECKED;

#endif
