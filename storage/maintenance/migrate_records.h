/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate_records: converts the records of formats 1 and 2 to those of format 3.
 *
 * Pure functions from bytes to bytes, which are fuzzed. The two older formats differ only in the
 * state record. The code stays as long as `stair migrate` reads those formats. Internal to
 * storage/maintenance and its tests.
 */
#ifndef STORAGE_MIGRATE_RECORDS_H
#define STORAGE_MIGRATE_RECORDS_H

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/schema.h"
#include "storage/models/generations.h"
#include "storage/records/items.h"

/* old_record appends the converted value to `out`. It takes values of DB_MODALITIES, DB_TYPES,
 * DB_USERS, DB_FEATURES, DB_IDEMPOTENCY and DB_BLOBS. ERR_CORRUPT: the value is not such a record,
 * or the checksum of a table's piece is wrong. */
err_code old_record(store_db db, slice key, slice value, encoder *out, err *e) ERR_CHECKED;

/* old_item reads an item; it borrows from `value` and `memory`. */
err_code old_item(slice value, arena *memory, stored_item *it, err *e) ERR_CHECKED;

/* old_generation reads a generation; it borrows the summary from `value`. old_generation_id derives
 * its UUID, which is the same for every copy of the generation. */
err_code old_generation(slice value, generation_info *out, err *e) ERR_CHECKED;
err_code old_generation_id(const unsigned char lineage[LINEAGE_BYTES], uint32_t number,
                           generation_id *out, err *e) ERR_CHECKED;

/* old_kept_time reads the time of a stored answer of format 1 or 2. ERR_CORRUPT. */
err_code old_kept_time(slice value, int64_t *time, err *e) ERR_CHECKED;

/* old_state reads the state of format 1 or 2. */
err_code old_state(slice value, store_state *out, err *e) ERR_CHECKED;

#endif
