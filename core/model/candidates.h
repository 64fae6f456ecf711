/* SPDX-License-Identifier: Apache-2.0 */
/*
 * candidates: which items an evaluated list may contain, and how popular items fill it up.
 *
 * The rules are those of the service (core/serve/query/recommend.h), applied to a dataset's
 * training pairs:
 *   - an item is a candidate unless it was deleted or is hidden;
 *   - a user without training pairs gets the popular list;
 *   - popular items fill a list that the scored items leave short.
 *
 * The popular order is that of core/serve/query/top.h: items with more users first, ties to the
 * lower row. Items without users follow, newest first; of those created in the same second, the
 * higher row comes first.
 *
 * The trainer, the baselines and `stair eval` all use these lists, so their figures can be
 * compared. Immutable after new.
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
    uint64_t *history; /* bitmap over user rows: the user has a training pair */
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
