/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost: what a request is going to take, before it is done.
 *
 * The unit is one plain list of ten items, about 50 microseconds of one core. A handler reckons its
 * request in units as soon as it has been parsed and calls cost_admit: a request over work_max is
 * refused, one over the rate of units (work_rate) has to wait, and one that is long for a thread
 * that other requests wait for is put off (API_LATER) to be begun again elsewhere. A handler with a
 * loop asks cost_go_on between its steps, so that work ends when nobody waits for it any more.
 */
#ifndef API_COST_H
#define API_COST_H

#include "api/web/context.h"
#include "core/common/err.h"

/* COST_SHORT: more units than these are long work, about 5 ms. */
enum { COST_SHORT = 100 };

/* A reckoning in units; several parts are added up as fractions. */
typedef double cost_units;

/* cost_admit decides about `units` of work. ERR_TOO_LARGE over work_max; ERR_UNAVAILABLE over the
 * rate; ERR_CANCELLED if it is put off. */
err_code cost_admit(context *c, cost_units units, err *e) ERR_CHECKED;

/* cost_bounded is cost_admit without work_max, for work that limits of its own bound. */
err_code cost_bounded(context *c, cost_units units, err *e) ERR_CHECKED;

/* cost_go_on is ERR_CANCELLED once the client is gone or the service stops. */
err_code cost_go_on(const context *c, err *e) ERR_CHECKED;

#endif
