/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/sha256.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>

static err_code refused(int rc, err *e)
{
    return err_set(e, ERR_INTERNAL, "SHA-256: %s", gnutls_strerror(rc));
}

err_code sha256(slice bytes, unsigned char out[SHA256_BYTES], err *e)
{
    int rc =
        gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.at != NULL ? bytes.at : "", bytes.length, out);
    return rc == 0 ? ERR_OK : refused(rc, e);
}

err_code sha256_parts(const slice *parts, size_t count, unsigned char out[SHA256_BYTES], err *e)
{
    gnutls_hash_hd_t hash;
    int rc = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);
    if (rc != 0) {
        return refused(rc, e);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint64_t length = parts[i].length;
        rc = gnutls_hash(hash, &length, sizeof length);
        if (rc == 0 && length > 0) {
            rc = gnutls_hash(hash, parts[i].at, parts[i].length);
        }
    }
    gnutls_hash_deinit(hash, out);
    return rc == 0 ? ERR_OK : refused(rc, e);
}

err_code sha256_begin(sha256_sum *h, err *e)
{
    gnutls_hash_hd_t handle = NULL;
    h->handle = NULL;
    int rc = gnutls_hash_init(&handle, GNUTLS_DIG_SHA256);
    if (rc != 0) {
        return refused(rc, e);
    }
    h->handle = handle;
    return ERR_OK;
}

void sha256_drop(sha256_sum *h)
{
    if (h->handle != NULL) {
        gnutls_hash_deinit(h->handle, NULL);
        h->handle = NULL;
    }
}

void sha256_add(sha256_sum *h, const void *bytes, size_t count)
{
    if (h->handle != NULL && count > 0 && gnutls_hash(h->handle, bytes, count) != 0) {
        sha256_drop(h);
    }
}

err_code sha256_end(sha256_sum *h, unsigned char out[SHA256_BYTES], err *e)
{
    if (h->handle == NULL) {
        return err_set(e, ERR_INTERNAL, "SHA-256: adding failed");
    }
    gnutls_hash_deinit(h->handle, out);
    h->handle = NULL;
    return ERR_OK;
}
