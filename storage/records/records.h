/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records: from stored bytes to structs. Pure functions, so that each can be fuzzed and a damaged
 * store is an error and never a crash. What they return borrows from the bytes, lists from the
 * arena. Internal to storage/ and its tests.
 */
#ifndef STORAGE_RECORDS_H
#define STORAGE_RECORDS_H

#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/log/op.h"
#include "storage/log/oplog.h"
#include "storage/models/generations.h"
#include "storage/records/features.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

err_code user_decode(stored_user *out, uint32_t row, slice bytes, err *e) ERR_CHECKED;

/* Attributes and lists of strings are coded the same way in items and in ops. */
void attributes_encode(encoder *x, const attribute *attributes, uint32_t count);
void attributes_decode(decoder *d, arena *a, const attribute **out, uint32_t *count);
void slices_encode(encoder *x, const slice *slices, uint32_t count);
void slices_decode(decoder *d, arena *a, uint32_t most, size_t length_max, const slice **out,
                   uint32_t *count);

void item_encode(const stored_item *it, encoder *x);
err_code item_decode(stored_item *out, uint32_t row, slice bytes, arena *a, err *e) ERR_CHECKED;

/* feature_decode gives dtype and data (borrowed, unaligned); the width is the modality's. */
err_code feature_decode(feature *out, uint32_t width, slice bytes, err *e) ERR_CHECKED;
err_code modality_decode(modality *out, uint8_t number, slice bytes, err *e) ERR_CHECKED;

err_code type_decode(slice *name, slice bytes, err *e) ERR_CHECKED;

/* op_write appends an op's encoding. */
void op_write(const op *o, encoder *x);

/* interactions_each from the items' side, for checking that both sides agree. */
err_code interactions_each_by_item(store_read *r, interaction_visit visit, void *ctx,
                                   err *e) ERR_CHECKED;

typedef struct idempotency_record {
    int64_t time;
    const unsigned char *hash;  /* (IDEMPOTENCY_HASH_BYTES) */
    const unsigned char *users; /* (user_count) rows, u32 big-endian, ascending */
    uint32_t user_count;
    uint64_t seq;
    uint16_t status;
    slice body; /* absent: emptied by an erasure */
} idempotency_record;

void idempotency_encode(const idempotency_record *record, encoder *x);
err_code idempotency_decode(idempotency_record *out, slice bytes, err *e) ERR_CHECKED;

void oplog_encode(const oplog_entry *entry, encoder *x);
err_code oplog_decode(oplog_entry *out, uint64_t seq, slice bytes, err *e) ERR_CHECKED;

void generation_encode(const generation_info *info, encoder *x);
err_code generation_decode(generation_info *out, uint32_t number, slice bytes, err *e) ERR_CHECKED;

typedef struct blob_record {
    uint64_t bytes;
    uint64_t user_stride;
} blob_record;

err_code blob_decode(blob_record *out, slice bytes, err *e) ERR_CHECKED;
/* piece_decode checks the header; `sum` is only compared if `verify`. */
err_code piece_decode(slice *content, slice bytes, bool verify, err *e) ERR_CHECKED;

/* row_find looks an id up in one of the two id maps; ERR_NOT_FOUND: "unknown <what>". */
err_code row_find(store_read *r, store_db ids, slice id, const char *what, uint32_t *row,
                  err *e) ERR_CHECKED;

#endif
