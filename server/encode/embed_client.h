/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_client: calls the encoder over HTTP, several calls at once, with libcurl's multi interface.
 * The only file that includes <curl/curl.h>.
 *
 * The encoder is not trusted. The client follows no redirects, checks certificates, speaks only
 * http and https, and ignores proxies of the environment. The body, the headers and the time of an
 * answer are limited, and at most EMBED_CALLS_MAX calls run at once.
 *
 * One thread at a time, except embed_client_wake, which any thread may call.
 */
#ifndef SERVER_EMBED_CLIENT_H
#define SERVER_EMBED_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/cli/encoder_options.h"
#include "server/encode/embed_call.h"

enum { EMBED_CALLS_MAX = 8 };

typedef struct embed_client embed_client;

typedef enum embed_outcome {
    EMBED_DONE,    /* the call succeeded; its vectors are in `vectors` */
    EMBED_REFUSED, /* the encoder refuses a text of the call (400, 413, 422) */
    EMBED_FAILED,  /* the call failed in another way; try again later */
} embed_outcome;

typedef struct embed_result {
    embed_outcome outcome;
    embed_vectors vectors;  /* with EMBED_DONE; the callback may take the numbers and set NULL */
    double retry_after;     /* seconds that the encoder asks to wait; 0 if none */
    char why[ERR_TEXT_MAX]; /* the reason, unless EMBED_DONE */
} embed_result;

/* embed_client_new reads the key file. `options` are borrowed. */
err_code embed_client_new(embed_client **out, const encoder_options *options, err *e) ERR_CHECKED;
void embed_client_free(embed_client *c); /* accepts NULL; running calls are dropped */

/* embed_client_free_calls returns how many more calls may start now. */
size_t embed_client_free_calls(const embed_client *c);

/* embed_client_start begins a call. `width` is that of embed_answer. `ctx` comes back with the
 * result. */
err_code embed_client_start(embed_client *c, const slice *texts, size_t count, uint32_t width,
                            void *ctx, err *e) ERR_CHECKED;

/* embed_client_poll lets the calls run for up to `seconds`. It returns earlier when one has ended
 * or embed_client_wake was called. */
typedef void (*embed_done)(void *done_ctx, void *ctx, embed_result *result);
void embed_client_poll(embed_client *c, double seconds, embed_done done, void *done_ctx);
void embed_client_wake(embed_client *c);

#endif
