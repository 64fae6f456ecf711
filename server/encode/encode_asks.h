/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_asks: encodes single texts while a request waits, for a short time at most.
 *
 * The caller submits an encode_ask. Its callback receives the vector, or none when the time is up.
 * The calls have a thread, a client and a rate of their own, so that they never queue behind the
 * batches of encode_run. Queries also have a rate limit, because anyone who may read can send them;
 * a query beyond it is not asked.
 *
 * After a failed call, or after several asks of a kind that ended late, nothing is asked for a
 * while, so that a dead or hanging encoder delays few requests. Answers are remembered, also late
 * ones, so that encode_run need not ask for the same text again.
 *
 * Thread-safe, except encode_asks_stop and encode_asks_free.
 */
#ifndef SERVER_ENCODE_ASKS_H
#define SERVER_ENCODE_ASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cli/encoder_options.h"

/* How many texts may wait at once, and how many answers are remembered. */
enum { ENCODE_ASKS_MAX = 64, ENCODE_KNOWN_MAX = 128 };

typedef struct encode_asks encode_asks;

/* The caller owns it. encode_asks does not touch it after `done` has been called. */
typedef struct encode_ask {
    slice text;                           /* valid UTF-8, not empty; borrowed until `done` */
    double seconds;                       /* longest wait; 0: use only remembered answers */
    bool query;                           /* it belongs to a search, not to an item to be written */
    void (*done)(struct encode_ask *ask); /* called in the thread of encode_asks */
    void *ctx;
    float *vector; /* the answer (width), to be freed with mem_free; NULL if none came in time */
    uint32_t width;
    /* private */
    struct encode_ask *next;
    double until;
    bool called;
} encode_ask;

/* encode_asks_new starts the thread. The options are borrowed. */
err_code encode_asks_new(encode_asks **out, const encoder_options *options, err *e) ERR_CHECKED;

/* encode_asks_submit takes an ask over until its `done`. It returns false, and does not call
 * `done`, if the ask has ended already: with the vector if the text is remembered, without one if
 * nothing can be asked now. */
bool encode_asks_submit(encode_asks *x, encode_ask *ask);

/* How an ask ended. */
typedef enum encode_ask_end {
    ENCODE_ASK_KNOWN,    /* the answer was remembered from an earlier ask */
    ENCODE_ASK_ANSWERED, /* the encoder answered in time */
    ENCODE_ASK_LATE,     /* the time was up */
    ENCODE_ASK_FAILED,   /* the call failed */
    ENCODE_ASK_PAUSED,   /* not asked: recent calls failed or asks ended late */
    ENCODE_ASK_BUSY,     /* not asked: too many are waiting */
    ENCODE_ASK_LIMITED,  /* not asked: over the rate of queries */
    ENCODE_ASK_ENDS
} encode_ask_end;
const char *encode_ask_end_name(encode_ask_end end);

typedef struct encode_asks_status {
    uint64_t ends[ENCODE_ASK_ENDS]; /* number of asks by how they ended, since the start */
    char problem[128];              /* why nothing is asked now; "" while asks are accepted */
} encode_asks_status;
void encode_asks_tell(encode_asks *x, encode_asks_status *out);

/* encode_asks_known returns a copy of the remembered vector of a text, to be freed with mem_free,
 * or NULL if there is none. */
float *encode_asks_known(encode_asks *x, slice text, uint32_t *width);

/* encode_asks_stop ends all asks without a vector and joins the thread. Both functions accept
 * NULL. */
void encode_asks_stop(encode_asks *x);
void encode_asks_free(encode_asks *x);

#endif
