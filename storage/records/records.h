/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records: encodes and decodes users, items, features, modalities, types and interactions.
 *
 * Pure functions between bytes and structs, so that each can be fuzzed and a damaged store leads to
 * an error instead of a crash. Decoded values borrow from the bytes; decoded lists are in the
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
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

void user_encode(int64_t created, slice id, encoder *x);
err_code user_decode(stored_user *out, uint32_t row, slice bytes, err *e) ERR_CHECKED;

/* Attributes and lists of strings have the same stored form in items and in ops. */
void attributes_encode(encoder *x, const attribute *attributes, uint32_t count);
void attributes_decode(decoder *d, arena *a, const attribute **out, uint32_t *count);
void slices_encode(encoder *x, const slice *slices, uint32_t count);
void slices_decode(decoder *d, arena *a, uint32_t most, size_t length_max, const slice **out,
                   uint32_t *count);

void item_encode(const stored_item *it, encoder *x);
err_code item_decode(stored_item *out, uint32_t row, slice bytes, arena *a, err *e) ERR_CHECKED;

/* feature_decode returns dtype and data (borrowed, unaligned). The width is that of the
 * modality. */
err_code feature_decode(feature *out, uint32_t width, slice bytes, err *e) ERR_CHECKED;
err_code modality_decode(modality *out, uint8_t number, slice bytes, err *e) ERR_CHECKED;

err_code type_decode(slice *name, slice bytes, err *e) ERR_CHECKED;

/* An interaction is stored twice: under its user with the item's row, and under its item with the
 * user's row. `by_user` selects the former, and `key_row` is the row that the record is stored
 * under. */
void edge_encode(const interaction *x, bool by_user, unsigned char out[EDGE_VALUE_BYTES]);
err_code edge_decode(interaction *out, bool by_user, uint32_t key_row, slice bytes,
                     err *e) ERR_CHECKED;

/* interactions_each_by_item visits the items' side, so that a check can compare both sides. */
err_code interactions_each_by_item(store_read *r, interaction_visit visit, void *ctx,
                                   err *e) ERR_CHECKED;

/* row_find looks an id up in one of the two id maps. ERR_NOT_FOUND: "unknown <what>". */
err_code row_find(store_read *r, store_db ids, slice id, const char *what, uint32_t *row,
                  err *e) ERR_CHECKED;

#endif
