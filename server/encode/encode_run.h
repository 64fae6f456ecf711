/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_run: encodes items' texts in batches, several calls at once.
 *
 *     waiting rows -> a batch of texts -> a call -> vectors -> one op -> applied
 *                            ^              | refused: split in two, down to the bad text,
 *                            |              |          which is marked and not asked again
 *                            +--------------+ failed: later, with back-off and Retry-After
 *
 * Which items wait is derived from the items themselves (storage/records/item_text.h), so it
 * survives a crash. A refused text is marked only if the encoder accepts other texts: before its
 * first success, a plain word is tried, so that a wrong model name marks nothing.
 *
 * One thread at a time, except encode_run_add, encode_run_wake and encode_run_tell.
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
    bool replace; /* also encode what the encoder has encoded before */
    /* apply applies the op and waits for it. It does not take the op over. */
    err_code (*apply)(void *ctx, op *o, err *e);
    /* begin_replacing is called with the width of the first answer, before its vectors are stored.
     * It marks the encoder's vectors as ones to replace and gives the modality that width. If it
     * fails, so does encode_run_step. NULL: answers of another width are failures. */
    err_code (*begin_replacing)(void *ctx, uint32_t width, err *e);
    /* known returns the remembered vector of a text, to be freed with mem_free, or NULL. The
     * function itself may be NULL. */
    float *(*known)(void *ctx, slice text, uint32_t *width);
    long long (*now)(void);  /* epoch seconds, for the ops */
    double (*seconds)(void); /* a monotonic clock */
    void *ctx;
} encode_run_options;

typedef struct encode_status {
    size_t pending; /* items that wait or are in a running call */
    /* since the start: items encoded, items that the encoder refused, calls that failed */
    uint64_t encoded, refused, failures;
    char problem[128]; /* why the last call failed; "" if it did not */
} encode_status;

err_code encode_run_new(encode_run **out, const encode_run_options *options, err *e) ERR_CHECKED;
void encode_run_free(encode_run *r); /* accepts NULL */

/* encode_run_scan queues every item of the store that lacks its vector. */
err_code encode_run_scan(encode_run *r, err *e) ERR_CHECKED;

/* encode_run_add queues one item. encode_run_wake ends a step that waits. */
err_code encode_run_add(encode_run *r, uint32_t row, err *e) ERR_CHECKED;
void encode_run_wake(encode_run *r);

/* encode_run_forget drops all waiting items, except those in running calls: another process encodes
 * them. */
void encode_run_forget(encode_run *r);

/* encode_run_step starts the calls that may start and lets calls run for up to `seconds`. */
err_code encode_run_step(encode_run *r, double seconds, err *e) ERR_CHECKED;

void encode_run_tell(encode_run *r, encode_status *out);

#endif
