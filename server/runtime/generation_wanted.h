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

/* generation_ready returns ERR_NOT_FOUND, with a text for the caller's user, unless the generation
 * is registered and its tables are in this store. */
err_code generation_ready(store *s, uint32_t generation, err *e) ERR_CHECKED;

/* generation_wanted returns the newest generation after `considered` that is registered, is to be
 * activated, is not active, and has its tables here; 0 if there is none. */
err_code generation_wanted(uint32_t *out, store *s, uint32_t considered, err *e) ERR_CHECKED;

/* generation_behind returns the active generation if it is not `serving` and its tables are here,
 * otherwise 0. */
err_code generation_behind(uint32_t *out, store *s, uint32_t serving, err *e) ERR_CHECKED;

/* generation_unregistered makes the op that registers a generation that a training has finished.
 * *out is NULL if there is none. Free with op_free. */
err_code generation_unregistered(op **out, store *s, int64_t time, err *e) ERR_CHECKED;

#endif
