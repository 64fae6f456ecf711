/* SPDX-License-Identifier: Apache-2.0 */
/* stair ping: the health check of a container that has no curl. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "server/cli/address.h"
#include "server/commands/commands.h"
#include "server/telemetry/clock.h"

typedef struct ping_options {
    const char *listen;
    const char *tls_certificate;
    double timeout;
} ping_options;

static const option table[] = {
    {.name = "listen",
     .check = address_check,
     OPTION_FIELD(ping_options, listen, OPTION_TEXT),
     .initial = "127.0.0.1:8080",
     .value = "HOST:PORT",
     .help = "address that the service listens on"},
    {.name = "tls-certificate",
     OPTION_FIELD(ping_options, tls_certificate, OPTION_TEXT),
     .value = "FILE",
     .help = "give this option if the service speaks HTTPS; the certificate is not "
             "verified, since nothing secret is sent"},
    {.name = "timeout",
     OPTION_FIELD(ping_options, timeout, OPTION_SECONDS),
     .initial = "5s",
     .min = 1,
     .max = 3600,
     .help = "maximum time to wait in total"},
    OPTION_END,
};

enum { ANSWER_BYTES_MAX = 4096 };

/* One connection; session is NULL without TLS. */
typedef struct line {
    int fd;
    double deadline; /* time by clock_seconds at which the whole call fails */
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
} line;

/* The socket's time-out applies to one call, so a peer that sends byte by byte would never exceed
 * it. */
static ssize_t receive_in_time(gnutls_transport_ptr_t of, void *bytes, size_t room)
{
    const line *l = of;
    double left = l->deadline - clock_seconds();
    if (left <= 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    long long us = (long long)(left * 1e6) + 1; /* 0 would mean no limit */
    struct timeval limit = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t got = recv(l->fd, bytes, room, 0);
    if (got < 0 && errno == EAGAIN) {
        errno = ETIMEDOUT; /* do not try again */
    }
    return got;
}

static ssize_t send_plain(gnutls_transport_ptr_t of, const void *bytes, size_t length)
{
    const line *l = of;
    return send(l->fd, bytes, length, MSG_NOSIGNAL);
}

static ssize_t line_send(line *l, const char *bytes, size_t length)
{
    return l->session != NULL ? gnutls_record_send(l->session, bytes, length)
                              : send_plain(l, bytes, length);
}

static ssize_t line_receive(line *l, char *bytes, size_t room)
{
    return l->session != NULL ? gnutls_record_recv(l->session, bytes, room)
                              : receive_in_time(l, bytes, room);
}

static err_code line_secure(line *l, err *e)
{
    int rc = gnutls_certificate_allocate_credentials(&l->credentials);
    if (rc == 0) {
        rc = gnutls_init(&l->session, GNUTLS_CLIENT);
    }
    if (rc == 0) {
        rc = gnutls_set_default_priority(l->session);
    }
    if (rc == 0) {
        rc = gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->credentials);
    }
    if (rc == 0) {
        gnutls_transport_set_ptr(l->session, l);
        gnutls_transport_set_pull_function(l->session, receive_in_time);
        gnutls_transport_set_push_function(l->session, send_plain);
        do {
            rc = gnutls_handshake(l->session);
        } while (rc < 0 && gnutls_error_is_fatal(rc) == 0);
    }
    return rc == 0 ? ERR_OK : err_set(e, ERR_IO, "TLS: %s", gnutls_strerror(rc));
}

static void line_close(line *l)
{
    if (l->session != NULL) {
        gnutls_deinit(l->session);
    }
    if (l->credentials != NULL) {
        gnutls_certificate_free_credentials(l->credentials);
    }
    (void)close(l->fd);
}

static err_code ask(line *l, const char *where, err *e)
{
    static const char request[] =
        "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char answer[ANSWER_BYTES_MAX + 1];
    size_t used = 0;
    ssize_t got = 0;
    if (line_send(l, request, sizeof request - 1) != (ssize_t)sizeof request - 1) {
        return err_set(e, ERR_IO, "%s: the request could not be sent", where);
    }
    while (used < ANSWER_BYTES_MAX &&
           (got = line_receive(l, answer + used, ANSWER_BYTES_MAX - used)) > 0) {
        used += (size_t)got;
    }
    answer[used] = '\0';
    unsigned status = 0;
    if (clock_seconds() >= l->deadline || sscanf(answer, "HTTP/1.%*u %u", &status) != 1) {
        return err_set(e, ERR_IO, "%s: no answer within the timeout, or the answer is not HTTP",
                       where);
    }
    if (status != 200) {
        return err_set(e, ERR_UNAVAILABLE, "%s: not ready (status %u)", where, status);
    }
    return ERR_OK;
}

static err_code run(const command_call *call, err *e)
{
    const ping_options *o = call->options;
    address at;
    line l = {.fd = -1, .deadline = clock_seconds() + o->timeout};
    err_code code = address_parse(&at, o->listen, e);
    if (code != ERR_OK) {
        *call->usage = true;
        (void)err_context(e, "--listen");
        return code;
    }
    code = address_connect(&at, (unsigned)o->timeout, &l.fd, e);
    if (code != ERR_OK) {
        return code;
    }
    if (o->tls_certificate != NULL) {
        code = line_secure(&l, e);
    }
    if (code == ERR_OK) {
        code = ask(&l, o->listen, e);
    }
    line_close(&l);
    if (code == ERR_OK) {
        puts("ready");
    }
    return code;
}

const command cmd_ping = {
    .name = "ping",
    .summary = "ask a running service whether it is ready: exit status 0 if so",
    .options = table,
    .options_bytes = sizeof(ping_options),
    .run = run,
};
