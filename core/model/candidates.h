/* SPDX-License-Identifier: Apache-2.0 */
/*
 * candidates: which items a judged list may hold, and what stands in it where nothing personal
 * does.
 *
 * The rules are the service's (core/serve/query/recommend.h), over a dataset's training pairs: an
 * item is a candidate unless it was deleted or is hidden; a user without a training pair gets the
 * popular list; popular items fill a list that the scores leave short. The popular order is that of
 * core/serve/query/top.h: more users first, ties to the lower row; then the items without any user,
 * newest first, of one second the higher row.
 *
 * The trainer, the baselines and `stair eval` all list by this, so their figures can be compared.
 * Immutable after new.
 */
#ifndef CORE_CANDIDATES_H
#define CORE_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/bits.h"
#include "core/common/err.h"
#include "core/model/dataset.h"

typedef struct candidates {
    size_t count;      /* items that may be listed */
    uint32_t *popular; /* (count) their rows in the popular order */
    uint32_t *users;   /* (items) training pairs of each item */
    uint64_t *listed;  /* bitmap over item rows: may be listed */
    uint64_t *history; /* bitmap over user rows: has a training pair */
} candidates;

err_code candidates_new(candidates **out, const dataset *d, err *e) ERR_CHECKED;
void candidates_free(candidates *c); /* accepts NULL */

static inline bool candidates_item(const candidates *c, size_t row)
{
    return bits_test(c->listed, row);
}

static inline bool candidates_history(const candidates *c, size_t user)
{
    return bits_test(c->history, user);
}

#endif
