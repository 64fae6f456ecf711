/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_ops: makes the ops that number and prune generations, and applies them to a store that
 * no service has open.
 *
 * If a service has the store open, its background thread registers what a training has finished.
 * Otherwise the command does. A store that takes its ops from an external log is refused: an op
 * that only this store applied would make it differ from the others.
 *
 * Threading: one thread at a time per store.
 */
#ifndef STORAGE_GENERATION_OPS_H
#define STORAGE_GENERATION_OPS_H

#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"
#include "storage/log/op.h"
#include "storage/models/generations.h"

/* op_register_new makes the op that registers a generation from generation_pending. Free with
 * op_free. */
err_code op_register_new(op **out, const generation_info *info, int64_t time, err *e) ERR_CHECKED;

/* generation_register registers all finished generations, oldest first, and returns the number of
 * `id`, which may have been registered before. ERR_NOT_FOUND: the UUID is not here. ERR_CONFLICT:
 * the store takes its ops from elsewhere. */
err_code generation_register(store *s, const generation_id *id, int64_t time, uint32_t *number,
                             err *e) ERR_CHECKED;

/* generation_switch makes a generation active; 0 means none. ERR_NOT_FOUND, ERR_CONFLICT. */
err_code generation_switch(store *s, uint32_t number, int64_t time, err *e) ERR_CHECKED;

/* generation_prune keeps the active generation and the newest `keep` others, and removes the tables
 * of the rest. ERR_CONFLICT. */
err_code generation_prune(store *s, uint32_t keep, int64_t time, uint32_t *removed,
                          err *e) ERR_CHECKED;

#endif
