/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/min_seq.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/web/quote.h"
#include "core/serve/state/view.h"

/* check_seen takes a view of its own. The handler takes the view for its answer later, and that one
 * is not older. */
static err_code check_seen(context *c, uint64_t wanted, err *e)
{
    live_hold hold;
    api_wait *wait = c->request->wait;
    if (wanted == 0) {
        return ERR_OK;
    }
    live_acquire(c->deps->live, &hold);
    uint64_t seen = view_seq(hold.view);
    live_release(c->deps->live, &hold);
    if (seen < wanted && wait != NULL && !wait->over) {
        wait->seq = wanted;
        c->later = c->wait = true;
    }
    return seen >= wanted ? ERR_OK
                          : err_set(e, ERR_UNAVAILABLE,
                                    "min_seq: this node has not seen write %" PRIu64
                                    " yet; its last one is %" PRIu64,
                                    wanted, seen);
}

/* parse_header accepts only digits, at most as many as a seq has. */
static bool parse_header(slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || *out > (MIN_SEQ_MAX - 9) / 10) {
            return false;
        }
        *out = *out * 10 + (uint64_t)(text.at[i] - '0');
    }
    return text.length > 0;
}

err_code min_seq_request(context *c, err *e)
{
    uint64_t by_query = 0, by_header = 0;
    slice header = c->request->min_seq;
    (void)query_unsigned(c, "min_seq", 0, MIN_SEQ_MAX, &by_query);
    if (header.at != NULL && !parse_header(header, &by_header)) {
        problem_parameter(&c->problems, slice_of("X-Stair-Min-Seq"),
                          "expected a whole number from 0 to %" PRIu64 ", not %s", MIN_SEQ_MAX,
                          quote(header).text);
        return context_check(c, e);
    }
    return check_seen(c, by_query > by_header ? by_query : by_header, e);
}

err_code min_seq_body(const body_object *o, err *e)
{
    uint64_t wanted = 0;
    (void)body_unsigned(o, "min_seq", 0, MIN_SEQ_MAX, &wanted);
    return check_seen(o->c, wanted, e);
}
