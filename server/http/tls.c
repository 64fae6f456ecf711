/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/tls.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"

enum { CHAIN_MAX = 16 };

typedef struct certificate {
    struct certificate *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    int64_t expires; /* when the certificate expires, epoch seconds */
} certificate;

static _Atomic(certificate *) current;

static void certificate_free(certificate *c)
{
    if (c == NULL) {
        return;
    }
    for (unsigned i = 0; i < c->count; i++) {
        gnutls_pcert_deinit(&c->chain[i]);
    }
    if (c->key != NULL) {
        gnutls_privkey_deinit(c->key);
    }
    mem_free(c);
}

static int read_chain(certificate *c, const char *file)
{
    gnutls_datum_t data = {NULL, 0};
    int rc = gnutls_load_file(file, &data);
    if (rc == 0) {
        unsigned count = CHAIN_MAX;
        rc = gnutls_pcert_list_import_x509_raw(c->chain, &count, &data, GNUTLS_X509_FMT_PEM, 0);
        c->count = rc == 0 ? count : 0;
        gnutls_free(data.data);
    }
    return rc;
}

static int64_t expiry_of(const certificate *c)
{
    gnutls_x509_crt_t leaf = NULL;
    time_t expires = 0;
    if (gnutls_x509_crt_init(&leaf) == 0 &&
        gnutls_x509_crt_import(leaf, &c->chain[0].cert, GNUTLS_X509_FMT_DER) == 0) {
        expires = gnutls_x509_crt_get_expiration_time(leaf);
    }
    if (leaf != NULL) {
        gnutls_x509_crt_deinit(leaf);
    }
    return expires > 0 ? (int64_t)expires : 0;
}

static int read_key(certificate *c, const char *file)
{
    gnutls_datum_t data = {NULL, 0};
    int rc = gnutls_load_file(file, &data);
    if (rc == 0) {
        rc = gnutls_privkey_init(&c->key);
        if (rc == 0) {
            rc = gnutls_privkey_import_x509_raw(c->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
        }
        gnutls_memset(data.data, 0, data.size);
        gnutls_free(data.data);
    }
    return rc;
}

/* key_matches tells whether the key belongs to the certificate. Otherwise every handshake would
 * fail, so such a pair is refused when it is loaded. */
static bool key_matches(const certificate *c)
{
    gnutls_pubkey_t of_key = NULL;
    unsigned char ids[2][64];
    size_t sizes[2] = {sizeof ids[0], sizeof ids[1]};
    bool same = gnutls_pubkey_init(&of_key) == 0 &&
                gnutls_pubkey_import_privkey(of_key, c->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(of_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]) == 0 &&
                gnutls_pubkey_get_key_id(c->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1],
                                         &sizes[1]) == 0 &&
                sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
    if (of_key != NULL) {
        gnutls_pubkey_deinit(of_key);
    }
    return same;
}

err_code tls_load(const char *cert_file, const char *key_file, err *e)
{
    certificate *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "a certificate");
    }
    int rc = read_chain(c, cert_file);
    if (rc != 0) {
        certificate_free(c);
        return err_set(e, ERR_INVALID, "certificate %s: %s", cert_file, gnutls_strerror(rc));
    }
    rc = read_key(c, key_file);
    if (rc != 0) {
        certificate_free(c);
        return err_set(e, ERR_INVALID, "key of the certificate, %s: %s", key_file,
                       gnutls_strerror(rc));
    }
    if (!key_matches(c)) {
        certificate_free(c);
        return err_set(e, ERR_INVALID, "the key in %s does not belong to the certificate in %s",
                       key_file, cert_file);
    }
    c->expires = expiry_of(c);
    c->older = atomic_load(&current);
    atomic_store_explicit(&current, c, memory_order_release);
    return ERR_OK;
}

int64_t tls_expiry(void)
{
    const certificate *c = atomic_load_explicit(&current, memory_order_acquire);
    return c != NULL ? c->expires : 0;
}

void tls_clear(void)
{
    certificate *c = atomic_exchange(&current, NULL);
    while (c != NULL) {
        certificate *older = c->older;
        certificate_free(c);
        c = older;
    }
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *requested, int requested_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **certs, unsigned *cert_count, gnutls_privkey_t *key)
{
    (void)session;
    (void)requested;
    (void)requested_count;
    (void)algorithms;
    (void)algorithm_count;
    certificate *c = atomic_load_explicit(&current, memory_order_acquire);
    if (c == NULL) {
        return -1;
    }
    *certs = c->chain;
    *cert_count = c->count;
    *key = c->key;
    return 0;
}
