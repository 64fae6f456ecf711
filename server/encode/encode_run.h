/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_run: gets items' texts encoded, in batches, several calls at once.
 *
 *     waiting rows -> a batch of texts -> a call -> vectors -> one op -> applied
 *                            ^              | refused: split in two, down to the bad text,
 *                            |              |          which is marked and not asked again
 *                            +--------------+ failed: later, with back-off and Retry-After
 *
 * What waits is known from the items (storage/records/item_text.h), so it survives whatever happens
 * here. A single text is only marked if the encoder takes other texts: before its first success a
 * plain word is tried, so that a wrong model's name marks nothing.
 *
 * One thread at a time, but for encode_run_add, encode_run_wake and encode_run_tell.
 */
#ifndef SERVER_ENCODE_RUN_H
#define SERVER_ENCODE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cli/encoder_options.h"
#include "storage/env/store.h"
#include "storage/log/op.h"

typedef struct encode_run encode_run;

typedef struct encode_run_options {
    store *store;
    const encoder_options *encoder;
    bool replace; /* encode what has a vector too */
    /* apply applies the op and waits for it; it does not take it over. */
    err_code (*apply)(void *ctx, const op *o, err *e);
    /* resize takes all vectors of the modality away and gives it another width, when the first
     * answer has one; NULL: answers of another width are failures. */
    err_code (*resize)(void *ctx, uint32_t width, err *e);
    /* known gives the vector of a text that is known already, to be freed with mem_free; NULL: none
     * (or no such function) */
    float *(*known)(void *ctx, slice text, uint32_t *width);
    long long (*now)(void);  /* epoch seconds, for the ops */
    double (*seconds)(void); /* a monotonic clock */
    void *ctx;
} encode_run_options;

typedef struct encode_status {
    size_t pending;                      /* waiting or under way */
    uint64_t encoded, refused, failures; /* items, items, calls, since the start */
    char problem[128];                   /* why the last call failed; "" after one that did not */
} encode_status;

err_code encode_run_new(encode_run **out, const encode_run_options *options, err *e) ERR_CHECKED;
void encode_run_free(encode_run *r); /* accepts NULL */

/* encode_run_scan has every item of the store wait that lacks its vector. */
err_code encode_run_scan(encode_run *r, err *e) ERR_CHECKED;

/* encode_run_add has one item looked at. encode_run_wake ends a step that waits. */
err_code encode_run_add(encode_run *r, uint32_t row, err *e) ERR_CHECKED;
void encode_run_wake(encode_run *r);

/* encode_run_forget drops what waits, but for calls under way: another process has it encoded. */
void encode_run_forget(encode_run *r);

/* encode_run_step starts what may be started and lets calls go on, for up to `seconds`. */
err_code encode_run_step(encode_run *r, double seconds, err *e) ERR_CHECKED;

void encode_run_tell(encode_run *r, encode_status *out);

#endif
