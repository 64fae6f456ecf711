/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost: estimates how much work a request needs, before the work is done.
 *
 * The unit is one plain list of ten items, about 50 microseconds of one core. After parsing, a
 * handler computes the cost of its request in units and calls cost_admit. A request over work_max
 * is refused. One over the rate of units (work_rate) must wait. Long work would delay other
 * requests of the same thread, so it is postponed (API_LATER) and starts again on another thread. A
 * handler with a loop calls cost_go_on between its steps, so that the work ends when its client has
 * gone.
 */
#ifndef API_COST_H
#define API_COST_H

#include <stddef.h>

#include "api/web/context.h"
#include "core/common/err.h"

/* Work of more than COST_SHORT units, about 5 ms, is long. */
enum { COST_SHORT = 100 };

/* An estimate in units. Parts are added as fractions. */
typedef double cost_units;

/* cost_text returns the cost of finding the known words of a text: one unit for 400 bytes. */
static inline cost_units cost_text(size_t bytes)
{
    return (double)bytes / 400;
}

/* cost_bytes returns the cost of writing an answer of that length: one unit for 16 KiB. */
static inline cost_units cost_bytes(size_t bytes)
{
    return (double)bytes / (16 * 1024);
}

/* cost_admit decides on `units` of work. ERR_TOO_LARGE: over work_max. ERR_UNAVAILABLE: over the
 * rate. ERR_CANCELLED: postponed. */
err_code cost_admit(context *c, cost_units units, err *e) ERR_CHECKED;

/* cost_bounded is cost_admit without work_max, for work that has limits of its own. */
err_code cost_bounded(context *c, cost_units units, err *e) ERR_CHECKED;

/* cost_while_short is for work whose length shows only while it is done, such as writing long
 * texts. It returns ERR_CANCELLED, and postpones the request, if the `units` done so far are long;
 * an estimate that was charged is charged again when the request starts anew. cost_more charges
 * what such work took beyond the estimate; the request is not refused for it. */
err_code cost_while_short(context *c, cost_units units, err *e) ERR_CHECKED;
void cost_more(const context *c, cost_units units);

/* cost_go_on returns ERR_CANCELLED once the client is gone or the service stops. */
err_code cost_go_on(const context *c, err *e) ERR_CHECKED;

#endif
