/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/body_hash.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>

err_code body_hash(const slice *parts, size_t count, unsigned char out[IDEMPOTENCY_HASH_BYTES],
                   err *e)
{
    gnutls_hash_hd_t hash;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) {
        return err_set(e, ERR_INTERNAL, "sha-256 is not available");
    }
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = parts[i].length;
        failed |= gnutls_hash(hash, &length, sizeof length);
        if (length > 0) {
            failed |= gnutls_hash(hash, parts[i].at, parts[i].length);
        }
    }
    gnutls_hash_deinit(hash, out);
    return failed != 0 ? err_set(e, ERR_INTERNAL, "sha-256 failed") : ERR_OK;
}
