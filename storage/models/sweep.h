/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep: what an owner clears away at open, left by processes that were killed: generations that
 * were never finished (unless their training still runs), a checkpoint that an erasure has
 * outdated, the folder of an import. Internal to storage/.
 */
#ifndef STORAGE_SWEEP_H
#define STORAGE_SWEEP_H

#include "core/common/err.h"
#include "storage/env/store.h"

err_code sweep_unfinished(store *s, err *e) ERR_CHECKED;

#endif
