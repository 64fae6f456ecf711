/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/markup.h"

#include <string.h>
#include <strings.h>
#include <utf8proc.h>

enum {
    TAG_BYTES_MAX = 2048,  /* a longer tag counts as text */
    ENTITY_BYTES_MAX = 16, /* between "&" and ";" */
    SPACE = ' ',
};

markup markup_of(slice text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    return (markup){at, at != NULL ? at + text.length : at};
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* find returns the first place of `word` at or after `at`, ignoring case, or NULL. */
static const unsigned char *find(const unsigned char *at, const unsigned char *end,
                                 const char *word)
{
    size_t length = strlen(word);
    for (; at + length <= end; at++) {
        at = memchr(at, word[0], (size_t)(end - at));
        if (at == NULL || at + length > end) {
            return NULL;
        }
        if (strncasecmp((const char *)at, word, length) == 0) {
            return at;
        }
    }
    return NULL;
}

static bool starts(const markup *m, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(m->end - m->at) >= length &&
           strncasecmp((const char *)m->at, word, length) == 0;
}

/* is_tag tells whether a tag has that name, and not a longer one. */
static bool is_tag(const markup *m, const char *name)
{
    size_t length = strlen(name);
    unsigned char after = starts(m, name) && m->end - m->at > (ptrdiff_t)length ? m->at[length] : 0;
    return after != 0 && !is_letter(after) && after != '-' && !(after >= '0' && after <= '9');
}

/* skip_past moves past the next `word`, or to the end if there is none. */
static void skip_past(markup *m, const char *word)
{
    const unsigned char *found = find(m->at, m->end, word);
    m->at = found != NULL ? found + strlen(word) : m->end;
}

/* skip_tag moves past a tag, a comment or a script. It returns false if "<" does not begin one. */
static bool skip_tag(markup *m)
{
    if (starts(m, "<!--")) {
        skip_past(m, "-->");
        return true;
    }
    size_t left = (size_t)(m->end - m->at);
    unsigned char next = left > 1 ? m->at[1] : 0;
    if (!is_letter(next) && next != '/' && next != '!' && next != '?') {
        return false;
    }
    size_t most = left < TAG_BYTES_MAX ? left : TAG_BYTES_MAX;
    const unsigned char *close = memchr(m->at, '>', most);
    if (close == NULL) {
        return false;
    }
    const char *ending = is_tag(m, "<script") ? "</script" : is_tag(m, "<style") ? "</style" : NULL;
    m->at = close + 1;
    if (ending != NULL && close[-1] != '/') {
        skip_past(m, ending);
        skip_past(m, ">");
    }
    return true;
}

typedef struct entity {
    const char *name;
    uint32_t character;
} entity;

static const entity entities[] = {
    {"amp", '&'},      {"lt", '<'},      {"gt", '>'},      {"quot", '"'},     {"apos", '\''},
    {"nbsp", SPACE},   {"shy", 0xAD},    {"szlig", 0xDF},  {"aelig", 0xE6},   {"AElig", 0xC6},
    {"oelig", 0x153},  {"OElig", 0x152}, {"eth", 0xF0},    {"ETH", 0xD0},     {"thorn", 0xFE},
    {"THORN", 0xDE},   {"micro", 0xB5},  {"deg", 0xB0},    {"frac12", 0xBD},  {"frac14", 0xBC},
    {"frac34", 0xBE},  {"sup2", 0xB2},   {"sup3", 0xB3},   {"rsquo", 0x2019}, {"lsquo", 0x2018},
    {"hellip", SPACE}, {"mdash", SPACE}, {"ndash", SPACE}, {"bull", SPACE},   {"middot", SPACE},
    {"ldquo", SPACE},  {"rdquo", SPACE}, {"laquo", SPACE}, {"raquo", SPACE},  {"copy", SPACE},
    {"reg", SPACE},    {"trade", SPACE}, {"times", SPACE}, {"euro", 0x20AC},  {"pound", 0xA3},
};

/* Names of accented letters: the letter, followed by one of these. */
static const entity accents[] = {
    {"acute", 0x301}, {"grave", 0x300}, {"circ", 0x302}, {"uml", 0x308},
    {"tilde", 0x303}, {"cedil", 0x327}, {"ring", 0x30A}, {"caron", 0x30C},
};

static uint32_t numeric_entity(const char *name, size_t length)
{
    uint32_t value = 0;
    bool hex = length > 1 && (name[1] == 'x' || name[1] == 'X');
    for (size_t i = hex ? 2 : 1; i < length; i++) {
        char c = name[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : 99;
        if (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        }
        if (digit >= (hex ? 16U : 10U)) {
            return 0;
        }
        value = value * (hex ? 16U : 10U) + digit;
        if (value > 0x10FFFF) {
            return SPACE;
        }
    }
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return length < (hex ? 3U : 2U) ? 0 : value < SPACE || surrogate ? SPACE : value;
}

/* named_entity returns the character of a name, 0 if it is unknown. An accented letter becomes the
 * plain letter, because the tokenizer drops accents. */
static uint32_t named_entity(const char *name, size_t length)
{
    slice all = {name, length};
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (slice_equal(all, slice_of(entities[i].name))) {
            return entities[i].character;
        }
    }
    slice rest = {name + 1, length - 1};
    for (size_t i = 0; length > 1 && i < sizeof accents / sizeof accents[0]; i++) {
        if (is_letter((unsigned char)name[0]) && slice_equal(rest, slice_of(accents[i].name))) {
            return (unsigned char)name[0];
        }
    }
    if (length > 1 && slice_equal(rest, slice_of("slash")) && (name[0] | 0x20) == 'o') {
        return 0xF8;
    }
    return 0;
}

/* take_one reads an entity that begins where m->at is. It returns false if there is none, or an
 * unknown one. */
static bool take_one(markup *m, uint32_t *character)
{
    size_t left = (size_t)(m->end - m->at) - 1;
    size_t most = left < ENTITY_BYTES_MAX + 1 ? left : ENTITY_BYTES_MAX + 1;
    const unsigned char *close = most > 0 ? memchr(m->at + 1, ';', most) : NULL;
    if (close == NULL || close == m->at + 1) {
        return false;
    }
    const char *name = (const char *)m->at + 1;
    size_t length = (size_t)(close - m->at) - 1;
    *character = name[0] == '#' ? numeric_entity(name, length) : named_entity(name, length);
    if (*character == 0) {
        return false;
    }
    m->at = close + 1;
    return true;
}

/* take_entity reads an entity at "&", also one that was escaped several times ("&amp;amp;eacute;").
 */
static bool take_entity(markup *m, uint32_t *character)
{
    if (!take_one(m, character)) {
        return false;
    }
    while (*character == '&') {
        markup inner = {m->at - 1, m->end}; /* from the ";", in place of an "&" */
        if (!take_one(&inner, character)) {
            *character = '&';
            return true;
        }
        *m = inner;
    }
    return true;
}

bool markup_next(markup *m, uint32_t *character)
{
    if (m->at >= m->end) {
        return false;
    }
    unsigned char c = *m->at;
    if (c == '<' && skip_tag(m)) {
        *character = SPACE;
        return true;
    }
    if (c == '&' && take_entity(m, character)) {
        return true;
    }
    if (c < 0x80) {
        *character = c < SPACE || c == 0x7F ? SPACE : c;
        m->at++;
        return true;
    }
    utf8proc_int32_t wide = -1;
    utf8proc_ssize_t taken = utf8proc_iterate(m->at, m->end - m->at, &wide);
    m->at += taken > 0 ? taken : 1;
    *character = taken > 0 ? (uint32_t)wide : SPACE;
    return true;
}
