/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_private: what the files of check share. Internal to storage/maintenance/check*.c.
 */
#ifndef STORAGE_CHECK_PRIVATE_H
#define STORAGE_CHECK_PRIVATE_H

#include "core/common/bits.h"
#include "storage/log/log_private.h"
#include "storage/maintenance/check.h"
#include "storage/models/blobs.h"
#include "storage/records/records.h"

typedef struct checking {
    store *s;
    store_read *r;
    store_state state;
    const check_options *options;
    check_report *report;
    arena memory;         /* reused for each record */
    uint64_t *item_rows;  /* bitmap: the row has a record that is not deleted */
    uint64_t *tombstones; /* bitmap: the row has the record of a deleted item */
    uint64_t *user_rows;  /* bitmap: the row has a user */
    uint32_t widths[MODALITIES_MAX];
    /* [0] for the items' side, [1] for the users' side: the sum of a hash of each interaction, as
     * equal sets have equal sums; and their number */
    uint64_t sums[2], counts[2];
    /* state of the walk through the log */
    uint64_t last_seq, log_bytes;
    /* check_user */
    slice user;
    char quoted[2 * ID_BYTES_MAX + 2]; /* the id as it occurs in an answer */
    size_t quoted_length;
} checking;

/* check_problem reports a problem and counts it. */
void check_problem(checking *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* check_walk visits every key of a database. `visit` reports problems and returns ERR_OK; an error
 * ends the check. */
typedef err_code (*check_visit)(checking *c, slice key, slice value, err *e);
err_code check_walk(checking *c, store_db db, check_visit visit, err *e) ERR_CHECKED;

/* check_decoded returns true if a record decoded, and otherwise reports it. Errors that are not
 * about the record are returned through *code. */
bool check_decoded(checking *c, err_code *code, const err *why, err *e);

/* check_begin opens the read transaction and reads the state. Call check_end in every case. */
err_code check_begin(checking *c, store *s, const check_options *options, check_report *report,
                     err *e) ERR_CHECKED;
void check_end(checking *c);

err_code check_log(checking *c, err *e) ERR_CHECKED;
err_code check_idempotency(checking *c, err *e) ERR_CHECKED;
err_code check_generations(checking *c, err *e) ERR_CHECKED;

#endif
