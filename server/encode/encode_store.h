/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_store: encodes what waits in a store that no service has open, for import and encode.
 *
 * Every call's vectors are committed as they come, so whoever interrupts it loses what is under way
 * and nothing else; a later run goes on.
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
    uint64_t encoded, refused; /* items */
    uint64_t failures;         /* calls */
    uint64_t pending;          /* items that still wait */
} encode_report;

/* encode_store fills *out whatever the outcome. ERR_CANCELLED; ERR_UNAVAILABLE if the encoder keeps
 * failing. */
err_code encode_store(store *s, const encoder_options *o, bool replace, const encode_hooks *hooks,
                      encode_report *out, err *e) ERR_CHECKED;

#endif
