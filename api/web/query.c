/* SPDX-License-Identifier: Apache-2.0 */
/* query: reads the parameters of the query string. A repeated or unknown parameter is refused. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/web/context.h"
#include "api/web/quote.h"
#include "core/common/item_fields.h"

enum { NUMBER_BYTES_MAX = 64 };

static void note_asked(context *c, const char *name)
{
    size_t i = 0;
    while (c->asked[i] != NULL) {
        i++;
    }
    assert(i < QUERY_NAMES_MAX);
    c->asked[i] = name;
}

/* take marks every parameter of this name as used, and returns the only one allowed. */
static bool take(context *c, const char *name, slice *out)
{
    bool found = false;
    note_asked(c, name);
    for (size_t i = 0; i < c->target.parameter_count; i++) {
        target_parameter *p = &c->target.parameters[i];
        if (!slice_equal(p->name, slice_of(name))) {
            continue;
        }
        p->used = true;
        if (found) {
            problem_parameter(&c->problems, p->name, "expected once, not several times");
            return false;
        }
        *out = p->value;
        found = true;
    }
    return found;
}

bool query_text(context *c, const char *name, slice *out)
{
    return take(c, name, out);
}

bool context_id_check(context *c, slice name, slice id)
{
    if (id.length < 1 || id.length > ID_BYTES_MAX) {
        problem_parameter(&c->problems, name, "expected an id of 1 to %d bytes, not %zu",
                          ID_BYTES_MAX, id.length);
        return false;
    }
    return true;
}

bool query_id(context *c, const char *name, slice *out)
{
    slice text;
    if (!take(c, name, &text) || !context_id_check(c, slice_of(name), text)) {
        return false;
    }
    *out = text;
    return true;
}

/* c_string copies a short text as a C string. It returns false if the text is empty, too long or
 * contains a NUL. */
static bool c_string(slice text, char out[NUMBER_BYTES_MAX])
{
    if (text.length == 0 || text.length >= NUMBER_BYTES_MAX ||
        memchr(text.at, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(out, text.at, text.length);
    out[text.length] = '\0';
    return true;
}

bool query_unsigned(context *c, const char *name, uint64_t least, uint64_t most, uint64_t *out)
{
    slice text;
    if (!take(c, name, &text)) {
        return false;
    }
    char number[NUMBER_BYTES_MAX];
    char *end = number;
    unsigned long long value = 0;
    if (c_string(text, number) && isdigit((unsigned char)number[0])) {
        errno = 0;
        value = strtoull(number, &end, 10);
    }
    if (end == number || *end != '\0' || errno == ERANGE || value < least || value > most) {
        problem_parameter(&c->problems, slice_of(name),
                          "expected a whole number from %llu to %llu, not %s",
                          (unsigned long long)least, (unsigned long long)most, quote(text).text);
        return false;
    }
    *out = value;
    return true;
}

bool query_number(context *c, const char *name, double least, double most, double *out)
{
    slice text;
    if (!take(c, name, &text)) {
        return false;
    }
    char number[NUMBER_BYTES_MAX];
    char *end = number;
    double value = 0.0;
    /* without this check strtod would also accept "inf", "nan", hexadecimal digits and leading
     * spaces */
    if (c_string(text, number) && strspn(number, "0123456789+-.eE") == text.length) {
        value = strtod(number, &end);
    }
    if (end == number || *end != '\0' || !isfinite(value) || value < least || value > most) {
        problem_parameter(&c->problems, slice_of(name), "expected a number from %g to %g, not %s",
                          least, most, quote(text).text);
        return false;
    }
    *out = value;
    return true;
}

bool query_bool(context *c, const char *name, bool *out)
{
    slice text;
    if (!take(c, name, &text)) {
        return false;
    }
    bool yes = slice_equal(text, slice_of("true"));
    if (!yes && !slice_equal(text, slice_of("false"))) {
        problem_parameter(&c->problems, slice_of(name), "expected true or false, not %s",
                          quote(text).text);
        return false;
    }
    *out = yes;
    return true;
}

void query_all(context *c, const char *name, size_t bytes_max, const slice **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    slice *list = NULL;
    note_asked(c, name);
    for (size_t i = 0; i < c->target.parameter_count; i++) {
        target_parameter *p = &c->target.parameters[i];
        if (!slice_equal(p->name, slice_of(name))) {
            continue;
        }
        p->used = true;
        if (p->value.length < 1 || p->value.length > bytes_max) {
            problem_parameter(&c->problems, p->name, "expected 1 to %zu bytes, not %zu", bytes_max,
                              p->value.length);
            continue;
        }
        if (list == NULL) {
            list = arena_alloc(c->memory, c->target.parameter_count - i, sizeof *list);
            if (list == NULL) {
                problem_parameter(&c->problems, p->name, "too many");
                return;
            }
        }
        list[(*count)++] = p->value;
    }
    *out = list;
}

bool query_words(context *c, const char *name, const char *const *words, unsigned *out)
{
    slice text;
    if (!take(c, name, &text)) {
        return false;
    }
    unsigned bits = 0;
    bool more = text.length > 0;
    while (more) {
        const char *comma = memchr(text.at, ',', text.length);
        slice word = {text.at, comma != NULL ? (size_t)(comma - text.at) : text.length};
        size_t i = 0;
        while (words[i] != NULL && !slice_equal(word, slice_of(words[i]))) {
            i++;
        }
        if (words[i] == NULL) {
            problem_parameter(&c->problems, slice_of(name), "unknown name %s; expected %s",
                              quote(word).text, problem_names(&c->problems, words));
            return false;
        }
        bits |= 1U << i;
        more = comma != NULL;
        size_t used = word.length + more;
        text = (slice){text.at + used, text.length - used};
    }
    *out = bits;
    return true;
}

void query_end(context *c)
{
    for (size_t i = 0; i < c->target.parameter_count; i++) {
        if (!c->target.parameters[i].used) {
            problem_parameter(&c->problems, c->target.parameters[i].name,
                              "unknown parameter; expected %s",
                              problem_names(&c->problems, c->asked));
        }
    }
}
