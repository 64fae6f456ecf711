/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/admission.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>

#include "server/telemetry/clock.h"

void admission_init(admission *a, const admission_options *options)
{
    a->options = *options;
    atomic_init(&a->next_ns, 0);
    atomic_init(&a->work_ns, 0);
    budget_init(&a->bodies, options->bodies_bytes_max);
}

static void refuse(admission_answer *answer, unsigned status, const char *reason,
                   const char *detail)
{
    answer->status = status;
    answer->reason = reason;
    answer->detail = detail;
}

static bool equal_ignoring_case(slice a, const char *word)
{
    size_t length = strlen(word);
    return a.length == length && strncasecmp(a.at, word, length) == 0;
}

/* is_loopback_name accepts "localhost", "127.0.0.1" and "[::1]", each with or without ":PORT". */
static bool is_loopback_name(slice host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t length = strlen(names[i]);
        if (host.length < length || strncasecmp(host.at, names[i], length) != 0) {
            continue;
        }
        size_t at = length;
        if (at == host.length) {
            return true;
        }
        if (host.at[at++] != ':' || at == host.length) {
            continue;
        }
        while (at < host.length && isdigit((unsigned char)host.at[at])) {
            at++;
        }
        if (at == host.length) {
            return true;
        }
    }
    return false;
}

/* target_host returns the HOST of a target in absolute form, "http://HOST/path", which proxies send
 * and every server must accept (RFC 9112, 3.2.2). It is absent if the target begins with the
 * path. */
static slice target_host(slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (target.length >= skip && strncasecmp(target.at, schemes[i], skip) == 0) {
            size_t end = skip;
            while (end < target.length && strchr("/?#", target.at[end]) == NULL) {
                end++;
            }
            return (slice){target.at + skip, end - skip};
        }
    }
    return (slice){NULL, 0};
}

/* is_printable tells whether a text has neither a space nor a control byte. */
static bool is_printable(slice text)
{
    bool printable = true;
    for (size_t i = 0; printable && i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        printable = c > ' ' && c != 0x7f;
    }
    return printable;
}

static bool is_target(slice target)
{
    slice host = target_host(target);
    size_t path = host.at != NULL ? (size_t)(host.at + host.length - target.at) : 0;
    return (host.at == NULL || host.length > 0) && path < target.length && target.at[path] == '/' &&
           is_printable(target);
}

/* framing_fault returns what is wrong with the request line or the header lines, or NULL. A line
 * that two programs could read differently is refused, not interpreted. */
static const char *framing_fault(const admission_request *r)
{
    if (!is_target(r->target)) {
        return "request line: expected a path that begins with /, alone or after http://HOST, "
               "without spaces and control bytes";
    }
    if (r->other_version) {
        return "request line: expected HTTP/1.1 or HTTP/1.0 at its end";
    }
    if (r->malformed_name) {
        return "header: expected a name of letters, digits and !#$%&'*+-.^_`|~, directly followed "
               "by a colon";
    }
    if (r->malformed_line) {
        return "header: expected lines that end with CR LF, without folding, a bare CR, a NUL or "
               "another control byte";
    }
    if (r->hosts > 1 || (r->hosts == 0 && !r->http_1_0)) {
        return "expected one Host header";
    }
    if (memchr(r->host.at != NULL ? r->host.at : "", ' ', r->host.length) != NULL) {
        return "Host: expected a name or an address, without spaces";
    }
    if (r->content_lengths > 1) {
        return "expected at most one Content-Length header";
    }
    if (r->transfer_encoding.at != NULL && r->content_lengths > 0) {
        return "expected Content-Length or Transfer-Encoding, not both";
    }
    if (r->transfer_encodings > 1) {
        return "expected at most one Transfer-Encoding header";
    }
    if (r->transfer_encoding.at != NULL && !equal_ignoring_case(r->transfer_encoding, "chunked")) {
        return "expected Transfer-Encoding: chunked, no other coding";
    }
    if (r->transfer_encoding.at != NULL && r->http_1_0) {
        return "HTTP/1.0 has no Transfer-Encoding";
    }
    return r->repeated;
}

static bool check_framing(const admission_request *r, admission_answer *answer)
{
    if (r->target.length > ADMISSION_TARGET_BYTES_MAX) {
        snprintf(answer->text, sizeof answer->text,
                 "the target has %zu bytes; at most %d are allowed", r->target.length,
                 ADMISSION_TARGET_BYTES_MAX);
        refuse(answer, 414, "target_size", answer->text);
    } else if (r->header_bytes > ADMISSION_HEADER_BYTES_MAX) {
        snprintf(answer->text, sizeof answer->text,
                 "the header has %zu bytes; at most %d are allowed", r->header_bytes,
                 ADMISSION_HEADER_BYTES_MAX);
        refuse(answer, 431, "header_size", answer->text);
    } else if (r->header_lines > ADMISSION_HEADER_LINES_MAX) {
        snprintf(answer->text, sizeof answer->text,
                 "the header has %zu lines; at most %d are allowed", r->header_lines,
                 ADMISSION_HEADER_LINES_MAX);
        refuse(answer, 431, "header_size", answer->text);
    } else {
        const char *fault = framing_fault(r);
        if (fault != NULL) {
            refuse(answer, 400, "framing", fault);
        }
    }
    return answer->status == 0;
}

static bool parse_length(const admission_request *r, admission_answer *answer)
{
    answer->chunked = r->transfer_encoding.at != NULL;
    answer->has_body = answer->chunked;
    if (r->content_lengths == 0) {
        return true;
    }
    if (r->content_length.length == 0) {
        refuse(answer, 400, "framing", "Content-Length: expected a whole number");
        return false;
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->content_length.length; i++) {
        unsigned digit = (unsigned)(unsigned char)r->content_length.at[i] - '0';
        if (digit > 9 || i > 18) {
            refuse(answer, 400, "framing", "Content-Length: expected a whole number");
            return false;
        }
        bytes = bytes * 10 + digit;
    }
    answer->body_bytes = bytes;
    answer->has_body = bytes > 0;
    return true;
}

static bool is_listed(const char *list, slice name)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == name.length && strncasecmp(at, name.at, length) == 0) {
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

/* name_of returns the host without its port. */
static slice name_of(slice host)
{
    size_t length = host.length;
    while (length > 0 && isdigit((unsigned char)host.at[length - 1])) {
        length--;
    }
    bool port = length > 0 && host.at[length - 1] == ':';
    return (slice){host.at, port ? length - 1 : host.length};
}

/* is_private_name accepts names that no web page can use for a server of its own: addresses, and
 * names without a dot, which only a local network can resolve. */
static bool is_private_name(slice name)
{
    bool digits = name.length > 0;
    for (size_t i = 0; digits && i < name.length; i++) {
        digits = isdigit((unsigned char)name.at[i]) || name.at[i] == '.';
    }
    return digits || (name.length > 0 && name.at[0] == '[') ||
           memchr(name.at, '.', name.length) == NULL;
}

static bool host_is_ours(const admission *a, const admission_request *r, slice host)
{
    const admission_options *o = &a->options;
    if (host.at == NULL || is_loopback_name(host) || is_listed(o->allow_hosts, name_of(host))) {
        return true;
    }
    return r->admin ? !o->admin_loopback && is_private_name(name_of(host)) : !o->check_host;
}

/* check_host checks the Host header and the host in the target, which overrides it. A program in
 * between may use either, so both must be accepted. */
static bool check_host(const admission *a, const admission_request *r, admission_answer *answer)
{
    if (!host_is_ours(a, r, r->host) || !host_is_ours(a, r, target_host(r->target))) {
        refuse(answer, 403, "host",
               r->admin ? "Host: expected an address, a name without a dot, or one of allow_host"
                        : "Host: expected a loopback name (localhost, 127.0.0.1, [::1]) or one of "
                          "allow_host");
        return false;
    }
    return true;
}

static bool is_own_origin(const admission *a, const admission_request *r)
{
    static const char *const schemes[] = {"http://", "https://"};
    const char *allowed = a->options.allow_origin;
    if (allowed != NULL &&
        (strcmp(allowed, "*") == 0 || slice_equal(r->origin, slice_of(allowed)))) {
        return true;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (r->origin.length > skip && strncasecmp(r->origin.at, schemes[i], skip) == 0) {
            slice from = {r->origin.at + skip, r->origin.length - skip};
            return from.length == r->host.length &&
                   strncasecmp(from.at, r->host.at, from.length) == 0;
        }
    }
    return false;
}

/* check_origin refuses pages of other origins if no key is required. A browser would send their
 * requests: a POST without a body needs no preflight. */
static bool check_origin(const admission *a, const admission_request *r, const api_route *route,
                         admission_answer *answer)
{
    if (route->role == API_OPEN || (a->options.keys != NULL && !r->admin)) {
        return true;
    }
    bool foreign = r->origin.at != NULL ? !is_own_origin(a, r)
                                        : equal_ignoring_case(r->fetch_site, "cross-site") ||
                                              equal_ignoring_case(r->fetch_site, "same-site");
    if (foreign) {
        refuse(
            answer, 403, "origin",
            "pages of this origin may not call the service; allow_origin names the one that may");
    }
    return !foreign;
}

static slice presented_key(const admission_request *r)
{
    static const char bearer[] = "Bearer ";
    const size_t length = sizeof bearer - 1;
    if (r->authorization.at != NULL && r->authorization.length > length &&
        strncasecmp(r->authorization.at, bearer, length) == 0) {
        slice key = {r->authorization.at + length, r->authorization.length - length};
        return key;
    }
    return r->api_key;
}

/* check_key checks the key and its role. The answer does not say what is wrong with a key: missing,
 * unknown and misspelt keys look alike. */
static bool check_key(const admission *a, const admission_request *r, const api_route *route,
                      admission_answer *answer)
{
    if (a->options.keys == NULL || route->role == API_OPEN || r->admin) {
        return true;
    }
    api_role role = keys_check(a->options.keys, presented_key(r), &answer->key);
    if (role == API_OPEN) {
        refuse(answer, 401, "no_key",
               "a valid key is needed, as Authorization: Bearer or X-API-Key");
    } else if (role < route->role) {
        refuse(answer, 403, "role", "the key's role does not allow this call");
    }
    return answer->status == 0;
}

/* check_rate limits the rate by the generic cell rate algorithm: one number says when the bucket
 * would be full again. It needs no lock and no refill. */
static bool check_rate(admission *a, const api_route *route, uint64_t now_ns,
                       admission_answer *answer)
{
    if (a->options.rate_per_second <= 0 || route->role == API_OPEN) {
        return true;
    }
    int64_t step = (int64_t)(NS_PER_SECOND / a->options.rate_per_second);
    int64_t room = (int64_t)((double)step * (a->options.rate_burst - 1));
    int64_t now = (int64_t)now_ns;
    int_fast64_t due = atomic_load_explicit(&a->next_ns, memory_order_relaxed);
    for (;;) {
        int64_t begin = due > now ? due : now;
        if (begin - now > room) {
            int64_t wait = begin - now - room;
            answer->retry_after_seconds = (unsigned)((wait + NS_PER_SECOND - 1) / NS_PER_SECOND);
            snprintf(answer->text, sizeof answer->text, "more than %g requests a second",
                     a->options.rate_per_second);
            refuse(answer, 429, "rate", answer->text);
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(&a->next_ns, &due, begin + step,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
}

unsigned admission_work(admission *a, double units, uint64_t now_ns)
{
    if (a->options.work_per_second <= 0) {
        return 0;
    }
    int64_t takes = (int64_t)fmin(NS_PER_SECOND * units / a->options.work_per_second, 1e15);
    int64_t now = (int64_t)now_ns;
    int_fast64_t due = atomic_load_explicit(&a->work_ns, memory_order_relaxed);
    for (;;) {
        int64_t begin = due > now ? due : now;
        if (begin - now > NS_PER_SECOND) {
            return (unsigned)((begin - now) / NS_PER_SECOND);
        }
        if (atomic_compare_exchange_weak_explicit(&a->work_ns, &due, begin + takes,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return 0;
        }
    }
}

/* check_encoding refuses compressed bodies, because the decompressed size would need limits of its
 * own. */
static bool check_encoding(const admission_request *r, const api_route *route,
                           admission_answer *answer)
{
    slice encoding = r->content_encoding;
    if (!route->takes_body || !answer->has_body || encoding.length == 0 ||
        equal_ignoring_case(encoding, "identity")) {
        return true;
    }
    bool printable = encoding.length <= 64;
    for (size_t i = 0; printable && i < encoding.length; i++) {
        printable = isprint((unsigned char)encoding.at[i]);
    }
    snprintf(answer->text, sizeof answer->text,
             "Content-Encoding%s%.*s: expected identity, a body that is not compressed",
             printable ? " " : "", printable ? (int)encoding.length : 0, encoding.at);
    refuse(answer, 415, "encoding", answer->text);
    return false;
}

/* check_length refuses a body over the route's limit. If there is no such call, the answer says so
 * instead, whatever the body. */
static void check_length(const api_route *route, admission_answer *answer)
{
    if (route->exists && answer->body_bytes > route->body_bytes_max) {
        snprintf(answer->text, sizeof answer->text,
                 route->takes_body
                     ? "the body has %llu bytes; at most %zu are allowed (body_bytes_max)"
                     : "the body has %llu bytes; this call needs none, and reads at most %zu",
                 (unsigned long long)answer->body_bytes, route->body_bytes_max);
        refuse(answer, 413, "body_size", answer->text);
    }
}

void admission_check(admission *a, const admission_request *r, const api_route *route,
                     uint64_t now_ns, admission_answer *answer)
{
    answer->status = 0;
    answer->detail = NULL;
    answer->reason = NULL;
    answer->key = NULL;
    answer->retry_after_seconds = 0;
    answer->has_body = false;
    answer->chunked = false;
    answer->body_bytes = 0;
    if (!check_framing(r, answer) || !parse_length(r, answer)) {
        return;
    }
    if (!check_host(a, r, answer) || !check_origin(a, r, route, answer)) {
        return;
    }
    if (check_key(a, r, route, answer) && check_rate(a, route, now_ns, answer) &&
        check_encoding(r, route, answer)) {
        check_length(route, answer);
    }
}

void admission_request_id(slice given, char out[ADMISSION_REQUEST_ID_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";
    static _Thread_local uint64_t state;
    bool usable = given.length > 0 && given.length <= ADMISSION_REQUEST_ID_MAX;
    for (size_t i = 0; usable && i < given.length; i++) {
        unsigned char c = (unsigned char)given.at[i];
        usable = isalnum(c) || c == '.' || c == '_' || c == '-';
    }
    if (usable) {
        memcpy(out, given.at, given.length);
        out[given.length] = '\0';
        return;
    }
    /* unique enough to find a line in a log; no secret depends on it */
    if (state == 0 && gnutls_rnd(GNUTLS_RND_NONCE, &state, sizeof state) != 0) {
        state = (uint64_t)(uintptr_t)out;
    }
    state += 0x9e3779b97f4a7c15U;
    uint64_t mixed = (state ^ state >> 30) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31;
    for (int i = 0; i < 16; i++) {
        out[i] = digits[mixed >> (4 * i) & 15];
    }
    out[16] = '\0';
}
