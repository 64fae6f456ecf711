/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_cost: estimates what a list costs, in the units of api/web/cost.h.
 *
 * The factors were measured with a catalogue of 63,000 items and 64 dimensions. A standing test of
 * the worst cases (tests/e2e/test_costs.py) compares the estimates with the clock.
 */
#ifndef API_RECOMMEND_COST_H
#define API_RECOMMEND_COST_H

#include "api/resources/recommend_request.h"
#include "api/web/context.h"
#include "api/web/cost.h"

/* recommend_cost estimates the cost of one list. It needs the context's view. filter_cost is the
 * part of the filter, which requests that share a filter pay once. */
cost_units recommend_cost(const context *c, const recommend_request *r);
cost_units filter_cost(const context *c, const filter *f);

#endif
