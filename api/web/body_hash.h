/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body_hash: SHA-256 of a request, by which a repeat of an Idempotency-Key is told from another
 * request. The only user of GnuTLS in api/. Thread-safe.
 */
#ifndef API_BODY_HASH_H
#define API_BODY_HASH_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/log/op.h"

/* body_hash digests the parts, each with its length before it, so that no two lists of parts give
 * the same bytes. */
err_code body_hash(const slice *parts, size_t count, unsigned char out[IDEMPOTENCY_HASH_BYTES],
                   err *e) ERR_CHECKED;

#endif
