/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_expect: the error for a generation that an option names and the store lacks.
 */
#ifndef SERVER_GENERATION_EXPECT_H
#define SERVER_GENERATION_EXPECT_H

#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

/* generation_expect succeeds if the store has the generation, in any state. Otherwise ERR_NOT_FOUND
 * names the existing ones, or only the newest if there are many. */
err_code generation_expect(store *s, uint32_t number, err *e) ERR_CHECKED;

#endif
