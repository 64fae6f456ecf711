/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seq_waits: requests that wait until the live tables include a write.
 *
 * A node that follows a log is slightly behind it, so a read that names a later write has to wait.
 * No thread waits for it: the request is suspended, and this module's thread resumes it when the
 * write has arrived, its time is up, or the service stops. A store that follows no log has no such
 * waits and no such thread.
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

/* The most requests that may wait at once in any service. Each holds its connection; a wait itself
 * takes no memory. */
enum { SEQ_WAITS_MAX = 1024 };

/* Owned by the caller, as part of a struct of its own. */
typedef struct seq_wait {
    /* set by the caller */
    uint64_t seq;                    /* the write to wait for */
    uint64_t until_ns;               /* deadline by the steady clock */
    void (*done)(struct seq_wait *); /* must be quick; the caller owns the wait again */
    void *ctx;
    /* valid from `done` on */
    bool over; /* the write did not arrive in time, or the service stops */
    /* private */
    struct seq_wait *next;
} seq_wait;

/* seq_waits_new starts the thread. `l` must outlive it. At most `most` requests wait at once, and
 * at most SEQ_WAITS_MAX. */
err_code seq_waits_new(seq_waits **out, live *l, size_t most, err *e) ERR_CHECKED;

/* seq_waits_add takes the wait over until `done`, which may be called before this returns. If too
 * many are waiting or the service stops, it returns false and `done` is not called. */
bool seq_waits_add(seq_waits *x, seq_wait *wait);

/* seq_waits_count returns how many are waiting. */
size_t seq_waits_count(seq_waits *x);

/* seq_waits_look compares the waits with the live tables after a write was published. It costs one
 * atomic read if nobody waits. */
void seq_waits_look(seq_waits *x);

/* seq_waits_end ends all waits and accepts no more. seq_waits_free also joins the thread. Both
 * accept NULL. */
void seq_waits_end(seq_waits *x);
void seq_waits_free(seq_waits *x);

#endif
