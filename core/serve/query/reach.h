/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach: computes what links add to the scores of a list of items, and finds the items that reach a
 * limit, 32 at a time.
 *
 * A search of a table in clusters asks this repeatedly for about a thousand linked items, few of
 * which reach the limit.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/links.h"

/* reach_gather writes what the sums add to the scores of `count` items, bit for bit as
 * links_sum_score(s, row, 0, factor) computes it. It returns the maximum, 0 if none is above 0. */
float reach_gather(const links_sum *s, const float factor[LINKS_SOURCES], const uint32_t *rows,
                   size_t count, float *adds /* (count) */);

/* reach_find writes the indices of the numbers x with base + x >= limit, ascending, and returns how
 * many there are. `places` has room for count + 1. */
size_t reach_find(const float *x, size_t count, float base, float limit, uint32_t *places);

#endif
