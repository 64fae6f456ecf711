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

void generation_encode(const generation_info *info, encoder *x);
err_code generation_decode(generation_info *out, uint32_t number, slice bytes, err *e) ERR_CHECKED;

typedef struct blob_record {
    uint64_t bytes;
    uint64_t user_stride;
} blob_record;

err_code blob_decode(blob_record *out, slice bytes, err *e) ERR_CHECKED;
/* piece_encode appends a piece with its header, for a migration; piece_decode checks the header;
 * `sum` is only compared if `verify`. */
void piece_encode(const void *data, size_t bytes, encoder *x);
err_code piece_decode(slice *content, slice bytes, bool verify, err *e) ERR_CHECKED;

/* generations_settle clears the request to be activated from every generation up to `number`, so
 * that the next start does not undo a roll-back. */
err_code generations_settle(store_write *w, uint32_t number, err *e) ERR_CHECKED;

/* generations_erase_user zeroes the user's row in every blob of every generation. */
err_code generations_erase_user(store_write *w, uint32_t row, uint32_t *generations,
                                err *e) ERR_CHECKED;

/* generations_sweep removes every generation that was not finished. */
err_code generations_sweep(store *s, err *e) ERR_CHECKED;

/* checkpoint_file_sweep removes a checkpoint that could not be resumed, and half-written ones. */
err_code checkpoint_file_sweep(store *s, err *e) ERR_CHECKED;

#endif
