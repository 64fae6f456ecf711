/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_refit: tells whether a generation was also trained on the validation interactions.
 *
 * If so, its validation figures come from the run before the refit: measured again on these
 * interactions, it would show what it has memorised. Only the trainer's summary records this.
 * Thread-safe.
 */
#ifndef SERVER_GENERATION_REFIT_H
#define SERVER_GENERATION_REFIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/models/generations.h"

bool generation_refitted(const generation_info *info);

/* generation_read_refitted looks up generation `number`. ERR_NOT_FOUND: there is none. */
err_code generation_read_refitted(store *s, uint32_t number, bool *refitted, err *e) ERR_CHECKED;

#endif
