/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_equal: finds the requests of a batch that have the same filter, so that it is evaluated
 * only once.
 *
 * Two filters are equal if they have the same conditions in the same order.
 */
#ifndef API_FILTER_EQUAL_H
#define API_FILTER_EQUAL_H

#include <stdbool.h>
#include <stddef.h>

#include "api/resources/recommend_request.h"
#include "core/common/arena.h"
#include "core/common/err.h"

bool filter_equal(const filter *a, const filter *b);

/* filter_share sets `same_filter` of each request to the filter of the first request that has an
 * equal one. It takes expected linear time, and memory from `a`. */
err_code filter_share(recommend_request *requests /* (count) */, size_t count, arena *a,
                      err *e) ERR_CHECKED;

#endif
