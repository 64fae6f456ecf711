/* SPDX-License-Identifier: Apache-2.0 */
/*
 * given: builds a dataset for judging lists that start from a few given items.
 *
 * Of each user's held-out items, in both splits, the earliest few are given. They stand for a
 * session, or, if there is one, for the item that somebody looks at. The other held-out items are
 * to be found. Among items of the same time, validation items come first, then lower rows. Users
 * with fewer held-out items, or without training pairs, are left out.
 *
 * The given pairs are not training pairs, so no graph and no link has seen them. The user's
 * training items are masked, because they cannot be right answers.
 */
#ifndef CORE_GIVEN_H
#define CORE_GIVEN_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"

enum { GIVEN_MAX = 100 };

/* given_new makes data to be judged on EVAL_TEST under PROTOCOL_STAIR. `valid` holds the `count` (1
 * .. GIVEN_MAX) given items of each user, `test` those to be found, and `train` is that of `d`. It
 * borrows d's features, so `d` must outlive it. */
err_code given_new(dataset **out, const dataset *d, size_t count, err *e) ERR_CHECKED;

/* given_of lists a user's given items, earliest first, in `items` and returns their number. `start`
 * (users + 1) is from pairs_starts of x->valid. */
size_t given_of(const dataset *x, const size_t *start, uint32_t user, uint32_t items[GIVEN_MAX]);

#endif
