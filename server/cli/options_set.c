/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_set: parses the text of one option's value. An error names its place and the allowed
 * range.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/options.h"

static void *member(const option *entry, void *into)
{
    return (char *)into + entry->offset;
}

typedef struct suffix {
    const char *word;
    double factor;
} suffix;

static const suffix byte_suffixes[] = {
    {"", 1},        {"B", 1},         {"K", 1024},  {"KiB", 1024},  {"kB", 1e3},      {"KB", 1e3},
    {"M", 1 << 20}, {"MiB", 1 << 20}, {"MB", 1e6},  {"G", 1 << 30}, {"GiB", 1 << 30}, {"GB", 1e9},
    {"T", 0x1p40},  {"TiB", 0x1p40},  {"TB", 1e12}, {NULL, 0},
};
static const suffix second_suffixes[] = {
    {"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0},
};

/* number_parse reads a decimal number, without the names that strtod also accepts: inf, nan,
 * hexadecimal. */
static bool number_parse(const char *text, const suffix *suffixes, double *out)
{
    if (!isdigit((unsigned char)text[0]) && text[0] != '-' && text[0] != '.') {
        return false;
    }
    if (strpbrk(text, "xXnN") != NULL) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number)) {
        return false;
    }
    for (const suffix *s = suffixes; s != NULL && s->word != NULL; s++) {
        if (strcmp(end, s->word) == 0) {
            *out = number * s->factor;
            return true;
        }
    }
    *out = number;
    return suffixes == NULL && *end == '\0';
}

bool options_number(const char *text, double *out)
{
    return number_parse(text, NULL, out);
}

static void range_of(const option *entry, double *low, double *high)
{
    bool none = entry->min == 0 && entry->max == 0;
    bool natural = entry->type == OPTION_BYTES || entry->type == OPTION_SECONDS;
    *low = none ? (natural ? 0 : -INFINITY) : entry->min;
    *high = none ? INFINITY : entry->max;
}

static const char *kind_of(option_type type)
{
    switch (type) {
    case OPTION_INT: return "a whole number";
    case OPTION_BYTES: return "a size such as 64MiB";
    case OPTION_SECONDS: return "a time such as 30s, 250ms or 12h";
    default: return "a number";
    }
}

static err_code bad_number(const option *entry, const char *text, const char *place, err *e)
{
    double low = 0;
    double high = 0;
    range_of(entry, &low, &high);
    char range[96] = "";
    const char *unit = entry->type == OPTION_BYTES     ? " bytes"
                       : entry->type == OPTION_SECONDS ? " seconds"
                                                       : "";
    if (isfinite(high)) {
        snprintf(range, sizeof range, " from %.10g to %.10g%s", low, high, unit);
    } else if (isfinite(low)) {
        snprintf(range, sizeof range, " of at least %.10g%s", low, unit);
    }
    return err_set(e, ERR_INVALID, "%s: expected %s%s, not \"%.64s\"", place, kind_of(entry->type),
                   range, text);
}

static err_code set_int(const option *entry, void *at, const char *text, const char *place, err *e)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    double low = 0;
    double high = 0;
    range_of(entry, &low, &high);
    if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0]) ||
        (double)number < low || (double)number > high) {
        return bad_number(entry, text, place, e);
    }
    *(int64_t *)at = number;
    return ERR_OK;
}

static err_code set_number(const option *entry, void *at, const char *text, const char *place,
                           err *e)
{
    const suffix *suffixes = entry->type == OPTION_BYTES     ? byte_suffixes
                             : entry->type == OPTION_SECONDS ? second_suffixes
                                                             : NULL;
    double number = 0;
    double low = 0;
    double high = 0;
    range_of(entry, &low, &high);
    if (!number_parse(text, suffixes, &number) || number < low || number > high ||
        (entry->type == OPTION_BYTES && number >= 0x1p63)) {
        return bad_number(entry, text, place, e);
    }
    if (entry->type == OPTION_BYTES) {
        *(uint64_t *)at = (uint64_t)number;
    } else {
        *(double *)at = number;
    }
    return ERR_OK;
}

static err_code set_bool(void *at, const char *text, const char *place, err *e)
{
    static const char *const yes[] = {"yes", "true", "1", "on", NULL};
    static const char *const no[] = {"no", "false", "0", "off", NULL};
    for (int i = 0; yes[i] != NULL; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *(bool *)at = strcmp(text, yes[i]) == 0;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "%s: expected yes or no, not \"%.64s\"", place, text);
}

static err_code set_choice(const option *entry, void *at, const char *text, const char *place,
                           err *e)
{
    size_t length = strlen(text);
    int index = 0;
    for (const char *word = entry->choices; word != NULL; index++) {
        const char *bar = strchr(word, '|');
        size_t word_length = bar != NULL ? (size_t)(bar - word) : strlen(word);
        if (length > 0 && word_length == length && memcmp(word, text, length) == 0) {
            *(int *)at = index;
            return ERR_OK;
        }
        word = bar != NULL ? bar + 1 : NULL;
    }
    return err_set(e, ERR_INVALID, "%s: expected one of %s, not \"%.64s\"", place, entry->choices,
                   text);
}

err_code options_append(option_list *list, const char *text, arena *memory, err *e)
{
    const char **grown = arena_alloc(memory, list->count + 1, sizeof *grown);
    const char *copy = arena_copy(memory, text, strlen(text) + 1);
    if (grown == NULL || copy == NULL) {
        return err_nomem(e, "options");
    }
    if (list->count > 0) {
        memcpy(grown, list->at, list->count * sizeof *grown);
    }
    grown[list->count] = copy;
    list->at = grown;
    list->count++;
    return ERR_OK;
}

static err_code list_append_commas(option_list *list, const char *text, arena *memory, err *e)
{
    char *copy = arena_copy(memory, text, strlen(text) + 1);
    if (copy == NULL) {
        return err_nomem(e, "options");
    }
    err_code code = ERR_OK;
    char *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL && code == ERR_OK;
         word = strtok_r(NULL, ",", &rest)) {
        code = options_append(list, word, memory, e);
    }
    return code;
}

err_code options_set(const option *entry, void *into, const char *text, const char *place,
                     arena *memory, err *e)
{
    void *at = member(entry, into);
    switch (entry->type) {
    case OPTION_BOOL: return set_bool(at, text, place, e);
    case OPTION_INT: return set_int(entry, at, text, place, e);
    case OPTION_REAL:
    case OPTION_BYTES:
    case OPTION_SECONDS: return set_number(entry, at, text, place, e);
    case OPTION_CHOICE: return set_choice(entry, at, text, place, e);
    case OPTION_TEXT: {
        const char *copy = arena_copy(memory, text, strlen(text) + 1);
        err why = ERR_INIT;
        if (copy == NULL) {
            return err_nomem(e, "options");
        }
        if (entry->check != NULL && entry->check(text, &why) != ERR_OK) {
            return err_set(e, ERR_INVALID, "%s: %s", place, why.text);
        }
        *(const char **)at = copy;
        return ERR_OK;
    }
    case OPTION_LIST: return list_append_commas(at, text, memory, e);
    }
    return err_set(e, ERR_INTERNAL, "%s: an option without a type", place);
}
