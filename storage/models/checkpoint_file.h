/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_file: how far a training got, so that --resume can go on after a kill.
 *
 * A file beside the environment (train.checkpoint), replaced by rename: it is as large as three
 * models and is rewritten every few epochs, which would bloat the environment and hold up a live
 * writer. It holds rows of users, so erasing a user removes it, and a training whose data is older
 * than the last erasure cannot store one any more; resuming it would be refused anyway, as the
 * data changed. The one training process writes; store_open of an owner removes a stale one.
 */
#ifndef STORAGE_CHECKPOINT_FILE_H
#define STORAGE_CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

/* checkpoint_file_put replaces the checkpoint. `seq` is the store's when the data was read. If a
 * user was erased since, nothing is stored and ERR_OK is returned. The file is synced. */
err_code checkpoint_file_put(store *s, uint64_t seq, slice bytes, err *e) ERR_CHECKED;

/* checkpoint_file_take reads it; ERR_NOT_FOUND without one, ERR_CONFLICT if the data changed
 * (lineage, or an op after `seq` that changed more than the active generation), ERR_CORRUPT. Free
 * *out with mem_free. */
err_code checkpoint_file_take(store *s, void **out, size_t *bytes, err *e) ERR_CHECKED;

/* checkpoint_file_exists tells whether there is one, stale or not. */
bool checkpoint_file_exists(const store *s);

/* checkpoint_file_remove removes it; that there is none is no error. */
err_code checkpoint_file_remove(store *s, err *e) ERR_CHECKED;

#endif
