/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/target.h"

#include <string.h>
#include <strings.h>

#include "core/common/utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* decode decodes into the arena. Text without escapes is not copied. */
static err_code decode(slice *out, slice in, bool plus_is_space, arena *memory, err *e)
{
    *out = in;
    bool plain = memchr(in.at, '%', in.length) == NULL &&
                 (!plus_is_space || memchr(in.at, '+', in.length) == NULL);
    if (!plain) {
        char *text = arena_alloc(memory, in.length, 1);
        if (text == NULL) {
            return err_nomem(e, "a request's target");
        }
        size_t length = 0;
        for (size_t i = 0; i < in.length; i++) {
            char c = in.at[i];
            if (c == '%') {
                bool whole = in.length - i > 2;
                int high = whole ? hex_value(in.at[i + 1]) : -1;
                int low = whole ? hex_value(in.at[i + 2]) : -1;
                if (high < 0 || low < 0) {
                    return err_set(e, ERR_INVALID,
                                   "target: expected two hexadecimal digits after every %%");
                }
                c = (char)(high * 16 + low);
                i += 2;
            } else if (c == '+' && plus_is_space) {
                c = ' ';
            }
            text[length++] = c;
        }
        *out = (slice){text, length};
    }
    if (!utf8_valid(*out)) {
        return err_set(e, ERR_INVALID, "target: expected valid UTF-8 after decoding");
    }
    return ERR_OK;
}

/* path_and_query returns the part after "http://host", if that is present. */
static slice path_and_query(slice raw)
{
    size_t skip = 0;
    if (raw.length >= 7 && strncasecmp(raw.at, "http://", 7) == 0) {
        skip = 7;
    } else if (raw.length >= 8 && strncasecmp(raw.at, "https://", 8) == 0) {
        skip = 8;
    }
    if (skip > 0) {
        const char *slash = memchr(raw.at + skip, '/', raw.length - skip);
        skip = slash != NULL ? (size_t)(slash - raw.at) : raw.length;
    }
    return (slice){raw.at + skip, raw.length - skip};
}

err_code target_parse_path(target *out, slice raw, arena *memory, err *e)
{
    memset(out, 0, sizeof *out);
    slice path = path_and_query(raw);
    const char *mark = path.length > 0 ? memchr(path.at, '?', path.length) : NULL;
    if (mark != NULL) {
        path.length = (size_t)(mark - path.at);
    }
    if (path.length == 0 || path.at[0] != '/') {
        return err_set(e, ERR_INVALID, "target: expected a path that begins with /");
    }
    const char *at = path.at + 1;
    const char *end = path.at + path.length;
    for (;;) {
        const char *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;
        const char *stop = slash != NULL ? slash : end;
        if (out->segment_count >= TARGET_SEGMENTS_MAX) {
            out->segment_count = TARGET_SEGMENTS_MAX + 1;
            return ERR_OK;
        }
        slice *segment = &out->segments[out->segment_count];
        err_code code = decode(segment, (slice){at, (size_t)(stop - at)}, false, memory, e);
        if (code != ERR_OK) {
            return code;
        }
        out->segment_count++;
        if (slash == NULL) {
            return ERR_OK;
        }
        at = slash + 1;
    }
}

static err_code parse_parameter(target_parameter *out, slice text, arena *memory, err *e)
{
    const char *equals = memchr(text.at, '=', text.length);
    size_t name_length = equals != NULL ? (size_t)(equals - text.at) : text.length;
    slice value = {text.at + text.length, 0};
    if (equals != NULL) {
        value = (slice){equals + 1, text.length - name_length - 1};
    }
    *out = (target_parameter){{NULL, 0}, {NULL, 0}, false};
    err_code code = decode(&out->name, (slice){text.at, name_length}, true, memory, e);
    return code == ERR_OK ? decode(&out->value, value, true, memory, e) : code;
}

err_code target_parse_query(target *t, slice raw, arena *memory, err *e)
{
    const char *mark = raw.length > 0 ? memchr(raw.at, '?', raw.length) : NULL;
    if (mark == NULL) {
        return ERR_OK;
    }
    const char *at = mark + 1;
    const char *end = raw.at + raw.length;
    size_t most = 1;
    for (const char *c = at; c < end; c++) {
        most += *c == '&';
    }
    if (most > TARGET_PARAMETERS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "target: %zu parameters, over the limit of %d", most,
                       TARGET_PARAMETERS_MAX);
    }
    t->parameters = arena_alloc(memory, most, sizeof *t->parameters);
    if (t->parameters == NULL) {
        return err_nomem(e, "a request's parameters");
    }
    while (at < end) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        const char *stop = amp != NULL ? amp : end;
        if (stop > at) {
            err_code code = parse_parameter(&t->parameters[t->parameter_count],
                                            (slice){at, (size_t)(stop - at)}, memory, e);
            if (code != ERR_OK) {
                return code;
            }
            t->parameter_count++;
        }
        at = stop + 1;
    }
    return ERR_OK;
}
