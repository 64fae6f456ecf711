/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static bool is_loopback(const struct sockaddr_storage *at)
{
    if (at->ss_family == AF_INET) {
        struct in_addr in = ((const struct sockaddr_in *)at)->sin_addr;
        return ntohl(in.s_addr) >> 24 == 127;
    }
    if (at->ss_family == AF_INET6) {
        const struct in6_addr *in = &((const struct sockaddr_in6 *)at)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(in) || (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == 127);
    }
    return false;
}

static bool port_valid(const char *port)
{
    size_t length = strlen(port);
    if (length == 0 || length > 5 || strspn(port, "0123456789") != length) {
        return false;
    }
    unsigned number = 0;
    return sscanf(port, "%u", &number) == 1 && number <= 65535;
}

/* take_apart splits at the last colon and removes the brackets of IPv6. */
static bool take_apart(const char *text, char host[256], const char **port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon - text > 255) {
        return false;
    }
    size_t length = (size_t)(colon - text);
    *port = colon + 1;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        memcpy(host, text + 1, length - 2);
        host[length - 2] = '\0';
        return port_valid(*port);
    }
    memcpy(host, text, length);
    host[length] = '\0';
    return strchr(host, ':') == NULL && port_valid(*port);
}

err_code address_parse(address *out, const char *text, err *e)
{
    char host[256];
    const char *port = NULL;
    memset(out, 0, sizeof *out);
    if (!take_apart(text, host, &port)) {
        return err_set(e, ERR_INVALID,
                       "expected HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, not \"%.80s\"",
                       text);
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
    if (rc != 0 || found == NULL) {
        return err_set(e, ERR_INVALID, "the host \"%.80s\" cannot be resolved: %s", host,
                       gai_strerror(rc));
    }
    memcpy(&out->at, found->ai_addr, found->ai_addrlen);
    out->length = found->ai_addrlen;
    out->loopback = is_loopback(&out->at);
    freeaddrinfo(found);
    return ERR_OK;
}

err_code address_check(const char *text, err *e)
{
    address at;
    return address_parse(&at, text, e);
}

static void address_text(const struct sockaddr_storage *at, char out[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (at->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)at;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)at;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
    }
}

err_code address_listen(const address *a, int *out, char text[ADDRESS_TEXT_MAX], err *e)
{
    *out = -1;
    address_text(&a->at, text);
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(e, ERR_IO, "listening on %s: %s", text, strerror(errno));
    }
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&a->at, a->length) != 0 || listen(fd, SOMAXCONN) != 0) {
        int why = errno;
        (void)close(fd);
        return err_set(e, ERR_IO, "listening on %s: %s", text, strerror(why));
    }
    struct sockaddr_storage real;
    socklen_t length = sizeof real;
    if (getsockname(fd, (struct sockaddr *)&real, &length) == 0) {
        address_text(&real, text);
    }
    *out = fd;
    return ERR_OK;
}

err_code address_connect(const address *a, unsigned timeout_seconds, int *out, err *e)
{
    char text[ADDRESS_TEXT_MAX];
    *out = -1;
    address_text(&a->at, text);
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(e, ERR_IO, "connecting to %s: %s", text, strerror(errno));
    }
    struct timeval limit = {.tv_sec = (time_t)timeout_seconds};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&a->at, a->length) != 0) {
        int why = errno;
        (void)close(fd);
        return err_set(e, ERR_IO, "connecting to %s: %s", text, strerror(why));
    }
    *out = fd;
    return ERR_OK;
}
