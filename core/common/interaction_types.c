/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/interaction_types.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool parse_name(const char **at, char *out)
{
    size_t length = 0;
    while (name_char((*at)[length])) {
        length++;
    }
    if (length == 0 || length > INTERACTION_TYPE_BYTES_MAX) {
        return false;
    }
    memcpy(out, *at, length);
    out[length] = '\0';
    *at += length;
    return true;
}

static bool parse_word(const char **at, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0 || name_char((*at)[length])) {
        return false;
    }
    *at += length;
    return true;
}

static bool parse_flags(const char **at, uint8_t *flags)
{
    *flags = 0;
    if (parse_word(at, "none")) {
        return true;
    }
    for (;;) {
        uint8_t flag = parse_word(at, "edge")   ? (uint8_t)EDGE_IN_GRAPH
                       : parse_word(at, "seen") ? (uint8_t)EDGE_SEEN
                                                : 0;
        if (flag == 0 || (*flags & flag) != 0) {
            return false;
        }
        *flags = (uint8_t)(*flags | flag);
        if (**at != '+') {
            return true;
        }
        (*at)++;
    }
}

static bool parse_weight(const char **at, float *weight)
{
    *weight = 1.0F;
    if (**at != ':') {
        return true;
    }
    (*at)++;
    char *end = NULL;
    if (!((**at >= '0' && **at <= '9') || **at == '.')) {
        return false;
    }
    *weight = strtof(*at, &end);
    *at = end;
    return isfinite(*weight) && *weight > 0.0F && *weight <= 1000.0F;
}

err_code interaction_types_parse(interaction_types *out, const char *text, err *e)
{
    memset(out, 0, sizeof *out);
    const char *at = text;
    for (;;) {
        const char *start = at;
        interaction_type *type = &out->list[out->count];
        if (out->count == INTERACTION_TYPES_MAX) {
            return err_set(e, ERR_INVALID, "interaction types: more than %d, the maximum",
                           INTERACTION_TYPES_MAX);
        }
        bool good = parse_name(&at, type->name) && *at == '=';
        if (good) {
            at++;
            good = parse_flags(&at, &type->flags) && parse_weight(&at, &type->weight) &&
                   (*at == '\0' || *at == ',');
        }
        if (!good) {
            return err_set(e, ERR_INVALID,
                           "interaction types: expected NAME=edge+seen[:WEIGHT], with a weight "
                           "above 0 up to 1000, not \"%.60s\"",
                           start);
        }
        if (interaction_types_find(out, slice_of(type->name)) != NULL) {
            return err_set(e, ERR_INVALID, "interaction types: \"%s\" is given twice", type->name);
        }
        out->count++;
        if (*at == '\0') {
            break;
        }
        at++;
    }
    if (interaction_types_find(out, slice_of(INTERACTION_TYPE_DEFAULT)) == NULL) {
        return err_set(e, ERR_INVALID, "interaction types: \"%s\" is missing",
                       INTERACTION_TYPE_DEFAULT);
    }
    return ERR_OK;
}

const interaction_type *interaction_types_find(const interaction_types *types, slice name)
{
    for (uint32_t i = 0; i < types->count; i++) {
        if (slice_equal(slice_of(types->list[i].name), name)) {
            return &types->list[i];
        }
    }
    return NULL;
}
