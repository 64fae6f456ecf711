/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_load: reads whole blobs of a ready generation into memory.
 *
 * Long blobs are read in several transactions, so that none stays open for seconds. An erasure
 * between two of them may zero a row; the result is the same as before or after it. Thread-safe.
 */
#ifndef STORAGE_BLOB_LOAD_H
#define STORAGE_BLOB_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

enum { BLOB_LOAD_BYTES = 64 * 1024 * 1024 };

/* blob_size reads the size of a blob. ERR_NOT_FOUND: there is none. blob_load copies `bytes` of it,
 * from `offset` on, into `out`. */
err_code blob_size(store *s, uint32_t generation, const char *name, size_t *bytes,
                   err *e) ERR_CHECKED;
err_code blob_load(store *s, uint32_t generation, const char *name, size_t offset, void *out,
                   size_t bytes, err *e) ERR_CHECKED;

#endif
