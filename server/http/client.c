/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/client.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool parse(slice text, unsigned char bytes[16], unsigned *bits_max)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[CLIENT_TEXT_MAX];
    if (text.length >= sizeof copy || text.length == 0) {
        return false;
    }
    memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    memcpy(bytes, mapped, sizeof mapped);
    if (inet_pton(AF_INET, copy, bytes + sizeof mapped) == 1) {
        *bits_max = 32;
        return true;
    }
    *bits_max = 128;
    return inet_pton(AF_INET6, copy, bytes) == 1;
}

static err_code parse_one(client_proxy *out, slice text, err *e)
{
    const char *slash = memchr(text.at, '/', text.length);
    slice address = {text.at, slash != NULL ? (size_t)(slash - text.at) : text.length};
    unsigned most = 0;
    unsigned long bits = 0;
    char *end = NULL;
    bool right = parse(address, out->bytes, &most);
    if (right && slash != NULL) {
        bits = strtoul(slash + 1, &end, 10);
        right = end == text.at + text.length && end != slash + 1 && bits <= most;
    }
    if (!right) {
        return err_set(e, ERR_INVALID,
                       "trusted_proxies: expected addresses or networks such as 10.0.0.0/8, with "
                       "commas between them, not \"%.*s\"",
                       (int)text.length, text.at);
    }
    out->bits = (slash != NULL ? (unsigned)bits : most) + 128 - most;
    return ERR_OK;
}

err_code client_proxies_parse(client_proxies *out, const char *text, err *e)
{
    out->count = 0;
    for (const char *at = text; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (out->count == CLIENT_PROXIES_MAX) {
            return err_set(e, ERR_INVALID, "trusted_proxies: at most %d", CLIENT_PROXIES_MAX);
        }
        err_code code = parse_one(&out->list[out->count++], (slice){at, length}, e);
        if (code != ERR_OK) {
            return code;
        }
        at += length + (at[length] == ',');
    }
    return ERR_OK;
}

err_code client_proxies_check(const char *text, err *e)
{
    client_proxies ignored;
    return client_proxies_parse(&ignored, text, e);
}

static bool is_trusted(const client_proxies *p, slice text)
{
    unsigned char bytes[16];
    unsigned ignored;
    if (!parse(text, bytes, &ignored)) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        unsigned whole = p->list[i].bits / 8, rest = p->list[i].bits % 8;
        unsigned char mask = (unsigned char)(0xff00U >> rest);
        if (memcmp(bytes, p->list[i].bytes, whole) == 0 &&
            (rest == 0 || ((bytes[whole] ^ p->list[i].bytes[whole]) & mask) == 0)) {
            return true;
        }
    }
    return false;
}

/* last_of removes and returns the last entry of the list. */
static slice last_of(slice *list)
{
    size_t begin = list->length;
    while (begin > 0 && list->at[begin - 1] != ',') {
        begin--;
    }
    slice one = {list->at + begin, list->length - begin};
    list->length = begin > 0 ? begin - 1 : 0;
    while (one.length > 0 && (one.at[0] == ' ' || one.at[0] == '\t')) {
        one.at++;
        one.length--;
    }
    while (one.length > 0 && (one.at[one.length - 1] == ' ' || one.at[one.length - 1] == '\t')) {
        one.length--;
    }
    return one;
}

void client_of(const client_proxies *trusted, const char *peer, slice forwarded,
               char out[CLIENT_TEXT_MAX])
{
    slice client = slice_of(peer);
    while (forwarded.length > 0 && is_trusted(trusted, client)) {
        unsigned char bytes[16];
        unsigned ignored;
        slice before = last_of(&forwarded);
        if (!parse(before, bytes, &ignored)) {
            break; /* not an address: only the proxy that forwarded it is known */
        }
        client = before;
    }
    size_t length = client.length < CLIENT_TEXT_MAX ? client.length : CLIENT_TEXT_MAX - 1;
    memcpy(out, client.at, length);
    out[length] = '\0';
}
