/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_wanted: finds the generations of the store that may be served, and the one that should
 * become active.
 *
 * Threading: thread-safe; each call takes one short read transaction.
 */
#ifndef SERVER_GENERATION_WANTED_H
#define SERVER_GENERATION_WANTED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"
#include "storage/log/op.h"

/* generation_ready fails with a text for whoever asked: ERR_NOT_FOUND unless the generation is
 * registered and its tables lie in this store. */
err_code generation_ready(store *s, uint32_t generation, err *e) ERR_CHECKED;

/* generation_wanted gives the newest generation after `considered` that is registered with the wish
 * to be active, is not, and whose tables lie here; 0: none. */
err_code generation_wanted(uint32_t *out, store *s, uint32_t considered, err *e) ERR_CHECKED;

/* generation_behind gives the active generation if it is not `serving` and its tables lie here;
 * else 0. */
err_code generation_behind(uint32_t *out, store *s, uint32_t serving, err *e) ERR_CHECKED;

/* generation_unregistered makes the op for what a training left without a number; *out is NULL if
 * there is nothing. Free with op_free. */
err_code generation_unregistered(op **out, store *s, int64_t time, err *e) ERR_CHECKED;

#endif
