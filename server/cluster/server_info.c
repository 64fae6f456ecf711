/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/server_info.h"

#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { INFO_BYTES_MAX = 32 * 1024, INFO_SECONDS = 2 };

/* parse_url parses "nats://host:port" and "tls://[::1]:port". The library adds a missing port. */
static err_code parse_url(const char *url, char *host, size_t bytes, char port[8], err *e)
{
    const char *at = strstr(url, "://");
    at = at != NULL ? at + 3 : url;
    const char *user = strrchr(at, '@');
    at = user != NULL ? user + 1 : at;
    const char *colon = strrchr(at, ':');
    size_t length = colon != NULL ? (size_t)(colon - at) : strlen(at);
    if (length > 1 && at[0] == '[' && at[length - 1] == ']') {
        at++;
        length -= 2;
    }
    if (length == 0 || length >= bytes) {
        return err_set(e, ERR_UNAVAILABLE, "the NATS server's address has no host");
    }
    snprintf(host, bytes, "%.*s", (int)length, at);
    snprintf(port, 8, "%.7s", colon != NULL ? colon + 1 : "4222");
    port[strspn(port, "0123456789")] = '\0';
    return ERR_OK;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const struct timeval patience = {INFO_SECONDS, 0};
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
            (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
                close(fd);
                fd = -1;
            }
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* first_line reads the first line, without its end. It returns the length, 0 if there is none. */
static size_t first_line(int fd, char *out, size_t bytes)
{
    size_t length = 0;
    while (length < bytes - 1) {
        ssize_t got = recv(fd, out + length, bytes - 1 - length, 0);
        if (got <= 0) {
            return 0;
        }
        length += (size_t)got;
        const char *end = memchr(out, '\n', length);
        if (end != NULL) {
            return (size_t)(end - out);
        }
    }
    return 0;
}

err_code server_info_version(const char *url, char *out, size_t bytes, err *e)
{
    char host[256], port[8], line[INFO_BYTES_MAX];
    out[0] = '\0';
    err_code code = parse_url(url, host, sizeof host, port, e);
    if (code != ERR_OK) {
        return code;
    }
    int fd = connect_to(host, port);
    size_t length = fd >= 0 ? first_line(fd, line, sizeof line) : 0;
    if (fd >= 0) {
        close(fd);
    }
    json_t *info = length > 5 && strncmp(line, "INFO ", 5) == 0
                       ? json_loadb(line + 5, length - 5, 0, NULL)
                       : NULL;
    const char *version = json_string_value(json_object_get(info, "version"));
    if (version != NULL) {
        snprintf(out, bytes, "%s", version);
    }
    json_decref(info);
    return out[0] != '\0'
               ? ERR_OK
               : err_set(e, ERR_UNAVAILABLE, "the NATS server does not report its version");
}

int server_info_compare(const char *version, int major, int minor, int patch)
{
    int has[3] = {0}, wanted[3] = {major, minor, patch};
    if (sscanf(version, "%d.%d.%d", &has[0], &has[1], &has[2]) < 2) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (has[i] != wanted[i]) {
            return has[i] < wanted[i] ? -1 : 1;
        }
    }
    return 0;
}
