/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_asks: single texts that somebody waits for, encoded for a short time at most.
 *
 * Whoever asks hands in an encode_ask and is called back: with the vector, or without one when the
 * time is up. The calls have a thread, a client and a rate of their own, so that they never queue
 * behind the batches of encode_run. Queries have a rate of their own besides, because anybody who
 * may read can send them, and beyond it they are not asked. After a failed call, or several asks
 * of a kind that waited in vain, nothing is asked for a while, so that a dead or hanging encoder
 * delays few. Answers are remembered, also those that come
 * too late, so that encode_run need not ask for the same text again.
 *
 * Thread-safe, encode_asks_stop and encode_asks_free excepted.
 */
#ifndef SERVER_ENCODE_ASKS_H
#define SERVER_ENCODE_ASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cli/encoder_options.h"

/* Texts that may wait at once, and answers that are remembered. */
enum { ENCODE_ASKS_MAX = 64, ENCODE_KNOWN_MAX = 128 };

typedef struct encode_asks encode_asks;

/* Owned by whoever submits it; untouched once `done` has been called. */
typedef struct encode_ask {
    slice text;                           /* valid UTF-8, not empty; borrowed until `done` */
    double seconds;                       /* at most so long; 0: only what is known */
    bool query;                           /* of a search, not of an item to be written */
    void (*done)(struct encode_ask *ask); /* from the thread */
    void *ctx;
    float *vector; /* the answer (width), to be freed with mem_free; NULL: none in time */
    uint32_t width;
    /* private */
    struct encode_ask *next;
    double until;
    bool called;
} encode_ask;

/* encode_asks_new borrows the options; the thread begins at once. */
err_code encode_asks_new(encode_asks **out, const encoder_options *options, err *e) ERR_CHECKED;

/* encode_asks_submit takes an ask over until its `done`. False, and no `done`: it is over already,
 * with the vector if the text is known, without one if nothing can be asked now. */
bool encode_asks_submit(encode_asks *x, encode_ask *ask);

/* What became of asks. */
typedef enum encode_ask_end {
    ENCODE_ASK_KNOWN,    /* the text was asked for lately */
    ENCODE_ASK_ANSWERED, /* by the encoder, in time */
    ENCODE_ASK_LATE,     /* the time was up */
    ENCODE_ASK_FAILED,   /* the call failed */
    ENCODE_ASK_PAUSED,   /* not asked: calls have failed, or asks were late, lately */
    ENCODE_ASK_BUSY,     /* not asked: too many wait */
    ENCODE_ASK_LIMITED,  /* not asked: over the rate of queries */
    ENCODE_ASK_ENDS
} encode_ask_end;
const char *encode_ask_end_name(encode_ask_end end);

typedef struct encode_asks_status {
    uint64_t ends[ENCODE_ASK_ENDS]; /* asks, since the start */
    char problem[128];              /* why nothing is asked now; "": asks are taken */
} encode_asks_status;
void encode_asks_tell(encode_asks *x, encode_asks_status *out);

/* encode_asks_known gives a copy of the vector of a text that was asked for lately; free it with
 * mem_free. NULL: it is not known. */
float *encode_asks_known(encode_asks *x, slice text, uint32_t *width);

/* encode_asks_stop ends all asks without a vector and joins the thread. Both accept NULL. */
void encode_asks_stop(encode_asks *x);
void encode_asks_free(encode_asks *x);

#endif
