/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_refit: whether a generation was trained on the validation interactions too.
 *
 * Then its own validation figures are of the run before, and whoever measures it on them anew
 * measures what it learned by heart. The trainer's summary says so; nothing else in a store does.
 * Thread-safe.
 */
#ifndef SERVER_GENERATION_REFIT_H
#define SERVER_GENERATION_REFIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/models/generations.h"

bool generation_refitted(const generation_info *info);

/* generation_read_refitted looks generation `number` up. ERR_NOT_FOUND without it. */
err_code generation_read_refitted(store *s, uint32_t number, bool *refitted, err *e) ERR_CHECKED;

#endif
