/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_wanted: which generations of the store may be served, and which one wants to be.
 *
 * Threading: thread-safe; each call takes one short read transaction.
 */
#ifndef SERVER_GENERATION_WANTED_H
#define SERVER_GENERATION_WANTED_H

#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

/* generation_ready fails with a text for whoever asked: ERR_NOT_FOUND unless the generation is
 * whole. */
err_code generation_ready(store *s, uint32_t generation, err *e) ERR_CHECKED;

/* generation_wanted gives the newest ready generation after `considered` that was left with the
 * wish to be active and is not; 0: none. */
err_code generation_wanted(uint32_t *out, store *s, uint32_t considered, err *e) ERR_CHECKED;

#endif
