/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_load: blobs of a ready generation into memory, however long.
 *
 * Long ones are read in several transactions: none stays open for seconds. Between them an erasure
 * may zero a row, which is as good as before or after. Thread-safe.
 */
#ifndef STORAGE_BLOB_LOAD_H
#define STORAGE_BLOB_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

enum { BLOB_LOAD_BYTES = 64 * 1024 * 1024 };

/* blob_size gives a blob's bytes; ERR_NOT_FOUND without one. blob_load copies `bytes` of it from
 * `offset` on into `out`. */
err_code blob_size(store *s, uint32_t generation, const char *name, size_t *bytes,
                   err *e) ERR_CHECKED;
err_code blob_load(store *s, uint32_t generation, const char *name, size_t offset, void *out,
                   size_t bytes, err *e) ERR_CHECKED;

#endif
