/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_quota: checks that the generation that a training will write fits into the quota, and that
 * the training fits into the memory.
 *
 * The quota is checked before the training, which may take hours, and again before the generation
 * is written, because a running server goes on writing. Otherwise a generation could take the space
 * that the quota keeps for the service, including the reserve for deletions. One thread calls.
 */
#ifndef SERVER_TRAIN_ROOM_H
#define SERVER_TRAIN_ROOM_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/train_options.h"
#include "storage/env/store.h"

/* train_quota_check returns ERR_OK if there is no quota. If a generation with these data and
 * options might not fit, it returns ERR_FULL with both sizes and what to do. */
err_code train_quota_check(store *s, const dataset *d, const train_options *o, err *e) ERR_CHECKED;

/* train_memory_check returns ERR_NOMEM, with both sizes and a remedy, if even the lower bound of
 * train_memory for these data and options exceeds `memory` bytes. */
err_code train_memory_check(const dataset *d, const train_options *o, uint64_t memory,
                            err *e) ERR_CHECKED;

#endif
