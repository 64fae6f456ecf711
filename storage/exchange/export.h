/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: writes the content of a store as JSON lines that import can read.
 *
 * Items come in row order, with their vectors in base64 (exact). Interactions come by user, with
 * type, timestamp, weight, split and flags. Importing both files into an empty store and exporting
 * that store gives the same bytes, if every user has an interaction (users without one are not
 * exported). Deleted items and their interactions are left out.
 *
 * The caller holds the read transaction, so both files can describe the same moment. A slow
 * receiver must be fed from a spool file, not directly from the sink.
 */
#ifndef STORAGE_EXPORT_H
#define STORAGE_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

/* export_sink receives the next bytes, always whole lines. Any error, also ERR_CANCELLED, stops the
 * export and is returned. */
typedef err_code (*export_sink)(void *ctx, const char *data, size_t bytes, err *e);

typedef struct export_counts {
    uint64_t lines;
    uint64_t bytes;
} export_counts;

/* export_items and export_interactions write everything that `r` sees. `counts` counts what the
 * sink has taken; it may be NULL. */
err_code export_items(store_read *r, export_sink sink, void *ctx, export_counts *counts,
                      err *e) ERR_CHECKED;
err_code export_interactions(store_read *r, export_sink sink, void *ctx, export_counts *counts,
                             err *e) ERR_CHECKED;

#endif
