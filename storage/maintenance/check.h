/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: verifies every record and every invariant of a store.
 *
 * It reads everything once, in one read transaction, and continues after a damaged record, so that
 * one run reports all damage. It verifies that:
 *
 *   1. every record decodes and has its checksum; keys have their shape; counters are right
 *   2. id maps and records are bijective; no id leads to a tombstone
 *   3. both directions of the interactions hold the same set; each has its user, item row and type
 *   4. features belong to existing items, have their modality's width and are finite
 *   5. the log ascends to at most seq; its size is right; each op in it decodes
 *   6. idempotency records and their times are bijective
 *   7. all held tables have all pieces with their checksums, and their SHA-256; the active
 *      generation is registered; no table has anything but zeroes in the row of an erased user
 */
#ifndef STORAGE_CHECK_H
#define STORAGE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct check_options {
    /* problem is called for every problem. check_user calls it with `what` for every place where it
     * finds the user. The text is valid during the call. */
    void (*problem)(void *ctx, const char *text);
    void *ctx;
    void (*at)(void *ctx, const char *database); /* called before each database; may be NULL */
    bool (*cancelled)(void *ctx);                /* may be NULL */
    void *cancelled_ctx;
} check_options;

typedef struct check_report {
    store_info info;
    uint64_t problems;
    /* items whose vector an interrupted stair encode --replace has not replaced yet */
    uint64_t items_to_encode;
    uint64_t items, deleted_items, users, interactions, features;
    uint64_t log_entries, idempotency_records;
    uint32_t modalities, types;
    uint32_t generations, unfinished_generations;
} check_report;

/* check_run checks the whole store. It returns ERR_OK even if there are problems: report->problems
 * counts them. */
err_code check_run(store *s, const check_options *options, check_report *report,
                   err *e) ERR_CHECKED;

/* check_user reports every place that still contains the id: records, id map, log, idempotency
 * records. *places counts them. check_run finds interactions and table rows without a user, for all
 * rows. */
err_code check_user(store *s, slice user, const check_options *options, uint64_t *places,
                    err *e) ERR_CHECKED;

#endif
