/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blobs: stores the large tables of a generation in pieces of 1 MiB, each with a checksum.
 *
 * Only storage/models and the checker use blobs directly. An offset within a blob counts plain
 * bytes; a table's row may span two pieces.
 */
#ifndef STORAGE_BLOBS_H
#define STORAGE_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/models/model_private.h"

/* blob_key_is_piece tells a piece's key, which ends with its number, from the key of a blob's
 * record, which ends with the zero byte after the name. */
bool blob_key_is_piece(slice key);

err_code blob_name_check(const char *name, err *e) ERR_CHECKED;

/* blob_begin writes the blob's record. blob_pieces_put then writes its pieces: `part` is the
 * content at `offset`, which is a multiple of BLOB_PIECE_BYTES. */
err_code blob_begin(store_write *w, const generation_id *id, const char *name,
                    const blob_record *record, err *e) ERR_CHECKED;
err_code blob_pieces_put(store_write *w, const generation_id *id, const char *name, size_t offset,
                         slice part, err *e) ERR_CHECKED;

/* blob_read copies a span of a blob, in the caller's transaction. */
typedef struct blob_span {
    size_t offset, bytes;
    void *out; /* (bytes) */
} blob_span;
err_code blob_read(store_read *r, const generation_id *id, const char *name, const blob_span *span,
                   err *e) ERR_CHECKED;

/* blob_names_read lists the blobs of a generation by name. blob_get reads the record of one; it
 * returns ERR_CORRUPT if there is none, where blob_find returns ERR_NOT_FOUND. */
enum { BLOBS_MAX = 256 };
typedef struct blob_names {
    size_t count;
    char at[BLOBS_MAX][BLOB_NAME_MAX + 1]; /* (count) */
} blob_names;
err_code blob_names_read(store_read *r, const generation_id *id, blob_names *out,
                         err *e) ERR_CHECKED;
err_code blob_get(store_read *r, const generation_id *id, const char *name, blob_record *out,
                  err *e) ERR_CHECKED;
err_code blob_find(store_read *r, const generation_id *id, const char *name, blob_record *out,
                   err *e) ERR_CHECKED;

/* blobs_zero_rows zeroes the rows (ascending) in every blob of the generation that has a user
 * stride. *changed tells whether any byte was not zero before. */
err_code blobs_zero_rows(store_write *w, const generation_id *id, const uint32_t *rows,
                         size_t count, bool *changed, err *e) ERR_CHECKED;

/* blobs_complete checks that every blob has all pieces, and adds up their bytes. */
err_code blobs_complete(store_read *r, const generation_id *id, uint64_t *bytes,
                        err *e) ERR_CHECKED;

/* blobs_verify reads every piece of a generation and compares its checksum. */
err_code blobs_verify(store_read *r, const generation_id *id, err *e) ERR_CHECKED;

/* blobs_users_left tells whether one of the rows (ascending) has anything but zeroes in any blob
 * with a stride. */
err_code blobs_users_left(store_read *r, const generation_id *id, const uint32_t *rows,
                          size_t count, bool *left, err *e) ERR_CHECKED;

/* blobs_remove_some deletes up to `most` pieces or records. *empty tells that none is left. */
err_code blobs_remove_some(store_write *w, const generation_id *id, size_t most, bool *empty,
                           err *e) ERR_CHECKED;

#endif
