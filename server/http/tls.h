/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls: the certificate of new connections, which can be replaced while serving.
 *
 * GnuTLS asks for the certificate by a callback without a context, so the current one is global to
 * the process. An older certificate stays until tls_clear, because a handshake may still use it:
 * some kilobytes per reload.
 *
 * Threading: tls_load and tls_clear from one thread; tls_retrieve and tls_expiry from any.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdint.h>

#include "core/common/err.h"

/* tls_load reads PEM files and makes them current. After a failure the old certificate stays. */
err_code tls_load(const char *cert_file, const char *key_file, err *e) ERR_CHECKED;

/* tls_expiry returns when the current certificate expires, in epoch seconds; 0 if there is none. */
int64_t tls_expiry(void);

/* tls_clear frees all certificates. No connection may be open. */
void tls_clear(void);

/* tls_retrieve is a gnutls_certificate_retrieve_function2. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *requested, int requested_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **certs, unsigned *cert_count, gnutls_privkey_t *key);

#endif
