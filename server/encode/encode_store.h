/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_store: encodes the waiting items of a store that no service has open, for `stair import`
 * and `stair encode`.
 *
 * The vectors of every call are committed as they come. An interrupted run loses only its running
 * calls, and a later run goes on.
 */
#ifndef SERVER_ENCODE_STORE_H
#define SERVER_ENCODE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cli/encoder_options.h"
#include "storage/env/store.h"

typedef struct encode_hooks {
    void (*progress)(void *ctx, uint64_t done, uint64_t total, const char *problem);
    bool (*cancelled)(void *ctx);
    void *ctx;
} encode_hooks;

typedef struct encode_report {
    uint64_t encoded, refused; /* items with a new vector, and items whose text was refused */
    uint64_t failures;         /* calls that failed */
    uint64_t pending;          /* items that still wait */
} encode_report;

/* encode_store fills *out in every case. ERR_CANCELLED: it was interrupted. ERR_UNAVAILABLE: the
 * encoder keeps failing. */
err_code encode_store(store *s, const encoder_options *o, bool replace, const encode_hooks *hooks,
                      encode_report *out, err *e) ERR_CHECKED;

#endif
