/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256: digests of API keys and of requests. Thread-safe.
 */
#ifndef API_SHA256_H
#define API_SHA256_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/slice.h"

enum { SHA256_BYTES = 32 };

/* sha256 digests the bytes. ERR_INTERNAL if the library refuses. */
err_code sha256(slice bytes, unsigned char out[SHA256_BYTES], err *e) ERR_CHECKED;

/* sha256_parts digests several runs of bytes, each with its length before it, so that no two lists
 * of parts have the same digest. A repeat of an Idempotency-Key is told from another request by
 * it. */
err_code sha256_parts(const slice *parts, size_t count, unsigned char out[SHA256_BYTES],
                      err *e) ERR_CHECKED;

#endif
