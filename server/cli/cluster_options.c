/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/cluster_options.h"

#include <string.h>

/* check_url checks one address. Its messages do not quote the address, because the wrong part may
 * be a password. */
static err_code check_url(const char *at, size_t length, err *e)
{
    static const char *const schemes[] = {"nats://", "tls://"};
    if (memchr(at, '@', length) != NULL) {
        return err_set(e, ERR_INVALID,
                       "expected addresses without user information; put the credentials into a "
                       "file (cluster_credentials)");
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t head = strlen(schemes[i]);
        if (length > head && strncmp(at, schemes[i], head) == 0) {
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID,
                   "expected addresses such as nats://host:4222, separated by commas");
}

err_code cluster_urls_check(const char *text, err *e)
{
    size_t count = 0;
    err_code code = ERR_OK;
    for (const char *at = text; code == ERR_OK; at++) {
        size_t length = strcspn(at, ",");
        code = ++count > CLUSTER_URLS_MAX
                   ? err_set(e, ERR_INVALID, "expected at most %d addresses", CLUSTER_URLS_MAX)
                   : check_url(at, length, e);
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    return code;
}

static err_code check_name(const char *text, const char *allowed, size_t most, err *e)
{
    size_t length = strlen(text);
    if (length < 1 || length > most || strspn(text, allowed) != length) {
        return err_set(e, ERR_INVALID, "expected 1 to %zu of %s, not \"%.80s\"", most, allowed,
                       text);
    }
    return ERR_OK;
}

err_code cluster_name_check(const char *text, err *e)
{
    return check_name(text, "abcdefghijklmnopqrstuvwxyz0123456789-", CLUSTER_NAME_BYTES_MAX, e);
}

err_code cluster_node_check(const char *text, err *e)
{
    return check_name(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
                      CLUSTER_NODE_BYTES_MAX, e);
}

err_code cluster_options_check(const cluster_options *o, err *e)
{
    if (o->urls == NULL && o->join == CLUSTER_JOIN_YES) {
        return err_set(e, ERR_INVALID, "cluster_join needs cluster");
    }
    if ((o->tls_certificate == NULL) != (o->tls_key == NULL)) {
        return err_set(e, ERR_INVALID,
                       "cluster_tls_certificate and cluster_tls_key must be given together");
    }
    return ERR_OK;
}
