/* SPDX-License-Identifier: Apache-2.0 */
/*
 * one_state: takes a store read and a view of the live tables that belong to the same write.
 *
 * A commit is on disk a moment before its view is published. A request that used both in between
 * would answer with the content of one write and the number of another, and the next answer on the
 * same connection could be older. So transaction and view are taken again until their numbers
 * agree.
 */
#include <sched.h>
#include <time.h>

#include "api/web/context.h"

/* How often the thread yields the processor, and how often it tries at most, sleeping in between:
 * the view follows within milliseconds. */
enum { YIELDS = 50, TRIES = 20000 };
static const struct timespec a_moment = {.tv_nsec = 100000};

static void pause_for(unsigned tries)
{
    if (tries < YIELDS) {
        (void)sched_yield();
    } else {
        (void)nanosleep(&a_moment, NULL);
    }
}

err_code context_read(context *c, store_read **out, err *e)
{
    store_info info;
    *out = NULL;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        store_read *read = NULL;
        err_code code = store_read_begin(c->deps->store, &read, e);
        if (code == ERR_OK) {
            code = store_read_stat(read, &info, e);
        }
        if (code != ERR_OK) {
            store_read_end(read);
            return code;
        }
        context_view_end(c);
        context_view(c);
        if (view_seq(c->view) == info.seq) {
            *out = read;
            return ERR_OK;
        }
        store_read_end(read);
        if (view_seq(c->view) < info.seq) {
            pause_for(tries);
        }
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "the live tables have not caught up with the store yet; try again");
}
