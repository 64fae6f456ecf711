/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_ops: the ops that give generations their numbers and take them away, and how a store
 * that no service owns applies them itself.
 *
 * Beside a service its background look registers what a training left ready. Without one the
 * command does it. A store that takes its ops from an external log is refused: an op that only this
 * store applied would set it apart from the others.
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

/* op_register_new makes the op that registers what generation_pending gave. Free with op_free. */
err_code op_register_new(op **out, const generation_info *info, int64_t time, err *e) ERR_CHECKED;

/* generation_register registers what is ready, oldest first, and gives the number of `id`, which
 * may have been registered before. ERR_NOT_FOUND for a UUID that is not here, ERR_CONFLICT for a
 * store that takes its ops from elsewhere. */
err_code generation_register(store *s, const generation_id *id, int64_t time, uint32_t *number,
                             err *e) ERR_CHECKED;

/* generation_switch makes a generation active; 0: none. ERR_NOT_FOUND, ERR_CONFLICT. */
err_code generation_switch(store *s, uint32_t number, int64_t time, err *e) ERR_CHECKED;

/* generation_prune keeps the active one and the newest `keep` others, and removes the tables of the
 * rest. ERR_CONFLICT. */
err_code generation_prune(store *s, uint32_t keep, int64_t time, uint32_t *removed,
                          err *e) ERR_CHECKED;

#endif
