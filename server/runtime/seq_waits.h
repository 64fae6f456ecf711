/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seq_waits: requests that wait until the live tables have seen a write.
 *
 * A node that follows a log is behind it by moments, so a read that names a later write waits. No
 * thread waits with it: the request is suspended, and a thread of this module lets it go on when
 * the write is seen, when its time is up, or when the service stops. On a store that follows no
 * log there are no such waits and no such thread.
 *
 * Threading: thread-safe. `done` is called in the module's thread, or in that of seq_waits_end,
 * without a lock held.
 */
#ifndef SERVER_SEQ_WAITS_H
#define SERVER_SEQ_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/update/live.h"

typedef struct seq_waits seq_waits;

/* Requests that may wait at once. Each holds its connection; a wait itself takes no memory. */
enum { SEQ_WAITS_MAX = 1024 };

/* Owned by whoever waits; lives inside their own struct. */
typedef struct seq_wait {
    /* set before the wait */
    uint64_t seq;
    uint64_t until_ns;               /* of the steady clock */
    void (*done)(struct seq_wait *); /* quick; the wait is the caller's again */
    void *ctx;
    /* valid from `done` on */
    bool over; /* the write was not seen in time, or the service stops */
    /* private */
    struct seq_wait *next;
} seq_wait;

/* seq_waits_new starts the thread; `l` outlives it. */
err_code seq_waits_new(seq_waits **out, live *l, err *e) ERR_CHECKED;

/* seq_waits_add takes the wait over until `done`, which may come before this returns; false where
 * too many wait or the service stops, and `done` is not called. */
bool seq_waits_add(seq_waits *x, seq_wait *wait);

/* seq_waits_count tells how many wait. */
size_t seq_waits_count(seq_waits *x);

/* seq_waits_look has the waits compared with the live tables: a write was published. Costs one
 * atomic read where nobody waits. */
void seq_waits_look(seq_waits *x);

/* seq_waits_end ends all waits and takes no more; free also joins the thread. Both accept NULL. */
void seq_waits_end(seq_waits *x);
void seq_waits_free(seq_waits *x);

#endif
