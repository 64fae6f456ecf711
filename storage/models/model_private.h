/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_private: what the files of storage/models share with apply and with the maintenance
 * commands: the stored form of generations and blobs, and the changes that an op makes to them.
 * Internal to storage/ and its tests.
 */
#ifndef STORAGE_MODEL_PRIVATE_H
#define STORAGE_MODEL_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/models/generations.h"

/* --- records of both databases; they do not contain `number` and `held` --- */

void generation_encode(const generation_info *info, encoder *x);
/* generation_decode borrows the summary. */
err_code generation_decode(generation_info *out, slice bytes, err *e) ERR_CHECKED;

typedef struct blob_record {
    uint64_t bytes;
    uint64_t user_stride;
} blob_record;

err_code blob_decode(blob_record *out, slice bytes, err *e) ERR_CHECKED;
/* piece_encode appends a piece with its header, for a migration. piece_decode checks the header,
 * and compares `sum` only if `verify`. */
void piece_encode(const void *data, size_t bytes, encoder *x);
err_code piece_decode(slice *content, slice bytes, bool verify, err *e) ERR_CHECKED;

/* --- what is registered (generations.c) --- */

/* generation_borrow reads the record of a number. The summary is borrowed until the transaction
 * writes. generation_put_record writes a record. */
err_code generation_borrow(store_read *r, uint32_t number, generation_info *out,
                           err *e) ERR_CHECKED;
err_code generation_put_record(store_write *w, const generation_info *info, err *e) ERR_CHECKED;

/* generation_assign registers `info` under the next number. It uses id, sha256, created, lineage,
 * seq, users, items, bytes, activate and summary. ERR_CONFLICT: the UUID has a number already.
 * ERR_TOO_LARGE: there are too many generations. */
err_code generation_assign(store_write *w, const generation_info *info, uint32_t *number,
                           err *e) ERR_CHECKED;

/* generation_activate makes a registered number the active one, or none (0), at this op's seq. It
 * clears the wish to be activated of every generation up to this one, so that the next start does
 * not undo a roll-back. ERR_NOT_FOUND. */
err_code generation_activate(store_write *w, uint32_t number, uint64_t seq, err *e) ERR_CHECKED;

/* generation_unregister removes the records of all generations but the active one and the newest
 * `keep` others. */
err_code generation_unregister(store_write *w, uint32_t keep, uint32_t *removed,
                               err *e) ERR_CHECKED;

/* --- what is held (held.c) --- */

/* held_borrow reads the record of held tables. ERR_NOT_FOUND leaves `e` unset. */
err_code held_borrow(store_read *r, const generation_id *id, generation_info *out,
                     err *e) ERR_CHECKED;
err_code held_put(store_write *w, const generation_info *info, err *e) ERR_CHECKED;

/* held_list returns a copy of every record without its summary. Free with mem_free. */
err_code held_list(store_read *r, generation_info **out, size_t *count, err *e) ERR_CHECKED;

/* held_start begins tables under a given UUID. held_complete checks that they are complete, zeroes
 * the rows of erased users, and writes the record with this state. */
err_code held_start(store *s, const generation_info *info, err *e) ERR_CHECKED;
err_code held_complete(store_write *w, generation_info *info, err *e) ERR_CHECKED;

/* A part of a table that fits one transaction: at most BLOB_GROUP_BYTES, from a multiple of that
 * on. */
typedef struct blob_part {
    const generation_id *id;
    const char *name;
    blob_record record; /* record of the whole table */
    size_t at;          /* where `part` begins in the table, in bytes */
    slice part;
} blob_part;
err_code held_put_part(store *s, const blob_part *part, err *e) ERR_CHECKED;

/* held_remove removes tables in transactions of bounded size. */
err_code held_remove(store *s, const generation_id *id, err *e) ERR_CHECKED;

/* held_erase_user zeroes the user's row in every table here. */
err_code held_erase_user(store_write *w, uint32_t row, err *e) ERR_CHECKED;

/* generation_sum computes a generation's SHA-256 from its tables, in short transactions.
 * generation_sum_read does the same in the caller's transaction. */
err_code generation_sum(store *s, const generation_id *id, unsigned char out[SHA256_BYTES],
                        err *e) ERR_CHECKED;
err_code generation_sum_read(store_read *r, const generation_id *id,
                             unsigned char out[SHA256_BYTES], err *e) ERR_CHECKED;

/* generations_covering counts the registered generations whose tables have a row for this user. */
err_code generations_covering(store_read *r, uint32_t row, uint32_t *count, err *e) ERR_CHECKED;

/* generations_sweep removes all unfinished tables. */
err_code generations_sweep(store *s, err *e) ERR_CHECKED;

/* checkpoint_file_sweep removes a checkpoint that cannot be resumed, and half-written ones. */
err_code checkpoint_file_sweep(store *s, err *e) ERR_CHECKED;

#endif
