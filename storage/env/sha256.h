/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256: SHA-256 digests of API keys, requests and generations. Thread-safe; one thread at a time
 * per sha256_sum.
 */
#ifndef STORAGE_SHA256_H
#define STORAGE_SHA256_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/slice.h"

enum { SHA256_BYTES = 32 };

/* sha256 digests the bytes. ERR_INTERNAL if the library refuses. */
err_code sha256(slice bytes, unsigned char out[SHA256_BYTES], err *e) ERR_CHECKED;

/* sha256_parts digests several byte strings, each preceded by its length, so that different lists
 * of parts have different digests. It distinguishes a repeat with the same Idempotency-Key from
 * another request. */
err_code sha256_parts(const slice *parts, size_t count, unsigned char out[SHA256_BYTES],
                      err *e) ERR_CHECKED;

/* A digest of data that is added piece by piece. sha256_begin starts one. sha256_end writes the
 * result and frees it; ERR_INTERNAL if adding failed. sha256_drop frees one without a result; it
 * accepts one that was never begun. */
typedef struct sha256_sum {
    void *handle; /* the library's state; NULL after a failure and at the end */
} sha256_sum;
err_code sha256_begin(sha256_sum *h, err *e) ERR_CHECKED;
void sha256_add(sha256_sum *h, const void *bytes, size_t count);
err_code sha256_end(sha256_sum *h, unsigned char out[SHA256_BYTES], err *e) ERR_CHECKED;
void sha256_drop(sha256_sum *h);

#endif
