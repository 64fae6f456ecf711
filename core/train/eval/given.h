/* SPDX-License-Identifier: Apache-2.0 */
/*
 * given: a data set that asks what somebody takes who is known by a few items alone.
 *
 * Of each user's held-out items, of both splits, the earliest few are given: they stand for a
 * session, or one of them for an item that somebody looks at. The rest are to be found. Of one time
 * the validation split comes first, then the lower row. Users with fewer held-out items, or without
 * a training pair, ask for nothing.
 *
 * The sessions' own pairs are no training pairs, so no graph and no link has seen them. The user's
 * training items are masked, because they are no answer that could be right.
 */
#ifndef CORE_GIVEN_H
#define CORE_GIVEN_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"

enum { GIVEN_MAX = 100 };

/* given_new gives data to be judged on EVAL_TEST under PROTOCOL_STAIR: `valid` holds the `count`
 * (1 .. GIVEN_MAX) given items of each user, `test` those to be found, `train` is that of `d`. It
 * borrows d's features, so `d` must outlive it. */
err_code given_new(dataset **out, const dataset *d, size_t count, err *e) ERR_CHECKED;

/* given_of lists a user's given items, earliest first, in `items`; returns how many there are.
 * `start` (users + 1) is from pairs_starts of x->valid. */
size_t given_of(const dataset *x, const size_t *start, uint32_t user, uint32_t items[GIVEN_MAX]);

#endif
