/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_file: saves the progress of a training, so that --resume can continue after a kill.
 *
 * The checkpoint is a file beside the environment (train.checkpoint), replaced by rename. It is as
 * large as three models and is rewritten every few epochs, which would bloat the environment and
 * delay a live writer. It contains rows of users. So erasing a user removes it, and a training
 * whose data is older than the last erasure can no longer save one. (Resuming it would be refused
 * anyway, because the data has changed.) Only the one training process writes it; an owner removes
 * a stale one when it opens the store.
 */
#ifndef STORAGE_CHECKPOINT_FILE_H
#define STORAGE_CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

/* checkpoint_file_put replaces the checkpoint. `seq` is the store's seq when the data was read. If
 * a user was erased since, nothing is written, and ERR_OK is returned. The file is synced. */
err_code checkpoint_file_put(store *s, uint64_t seq, slice bytes, err *e) ERR_CHECKED;

/* checkpoint_file_take reads the checkpoint. ERR_NOT_FOUND: there is none. ERR_CONFLICT: the data
 * has changed (another lineage, or an op after `seq` that changed more than the active generation).
 * ERR_CORRUPT. Free *out with mem_free. */
err_code checkpoint_file_take(store *s, void **out, size_t *bytes, err *e) ERR_CHECKED;

/* checkpoint_file_exists tells whether there is a checkpoint, stale or not. */
bool checkpoint_file_exists(const store *s);

/* checkpoint_file_remove removes the checkpoint. It is no error if there is none. */
err_code checkpoint_file_remove(store *s, err *e) ERR_CHECKED;

#endif
