/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: finds the address of the client behind trusted proxies.
 *
 * A proxy appends the address of its own client to X-Forwarded-For. Anybody who is not a trusted
 * proxy may write anything there, so the list is read from its end: the first address that is not a
 * trusted proxy is the client.
 *
 * Immutable after client_proxies_parse; thread-safe.
 */
#ifndef SERVER_HTTP_CLIENT_H
#define SERVER_HTTP_CLIENT_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/slice.h"

enum { CLIENT_TEXT_MAX = 48, CLIENT_PROXIES_MAX = 64 };

typedef struct client_proxy {
    unsigned char bytes[16]; /* the address; IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
} client_proxy;

typedef struct client_proxies {
    client_proxy list[CLIENT_PROXIES_MAX]; /* (count) */
    size_t count;
} client_proxies;

/* client_proxies_parse reads addresses and networks ("10.0.0.0/8,::1") separated by commas; NULL
 * and "" mean none. client_proxies_check only checks the text. */
err_code client_proxies_parse(client_proxies *out, const char *text, err *e) ERR_CHECKED;
err_code client_proxies_check(const char *text, err *e) ERR_CHECKED;

/* client_of writes the client's address: `peer`, or what the trusted proxies before it forwarded.
 */
void client_of(const client_proxies *trusted, const char *peer, slice forwarded,
               char out[CLIENT_TEXT_MAX]);

#endif
