/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/cost.h"

#include <math.h>

static err_code put_off(context *c, err *e)
{
    c->later = true;
    return err_set(e, ERR_CANCELLED, "long work, to be begun elsewhere");
}

/* charge charges work where it is done, not where it is postponed. */
static err_code charge(context *c, cost_units units, err *e)
{
    if (c->deps->work == NULL) {
        return ERR_OK;
    }
    unsigned wait = c->deps->work(c->deps->ctx, units);
    if (wait == 0) {
        return ERR_OK;
    }
    c->limited = true;
    c->response->retry_after_seconds = wait;
    return err_set(e, ERR_UNAVAILABLE, "more than work_rate = %g units of work a second",
                   c->deps->limits.work_rate);
}

err_code cost_admit(context *c, cost_units units, err *e)
{
    size_t most = c->deps->limits.work_max;
    if (units > (double)most) {
        return err_set(e, ERR_TOO_LARGE,
                       "the request is %.0f units of work, over work_max = %zu: ask for shorter "
                       "lists, fewer at once, or less explanation and diversity",
                       ceil(units), most);
    }
    return cost_bounded(c, units, e);
}

err_code cost_while_short(context *c, cost_units units, err *e)
{
    return c->request->short_only && units > COST_SHORT ? put_off(c, e) : ERR_OK;
}

err_code cost_bounded(context *c, cost_units units, err *e)
{
    err_code code = cost_while_short(c, units, e);
    return code == ERR_OK ? charge(c, units, e) : code;
}

void cost_more(const context *c, cost_units units)
{
    if (units > 0 && c->deps->work != NULL) {
        (void)c->deps->work(c->deps->ctx, units);
    }
}

err_code cost_go_on(const context *c, err *e)
{
    const api_request *q = c->request;
    if (q->stopped != NULL && q->stopped(q->stopped_ctx)) {
        return err_set(e, ERR_CANCELLED, "the service is stopping, or the client has disconnected");
    }
    return ERR_OK;
}
