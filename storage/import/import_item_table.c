/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RecBole's .item files, and CSV in their manner: a column is a title, the categories or an
 * attribute. A suffix says what an attribute is; without one, what looks like a number is one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/common/utf8.h"
#include "storage/import/delimited.h"
#include "storage/import/import_state.h"

enum { TICK_EVERY = 4096 };

typedef enum role {
    ROLE_ATTRIBUTE = 0,
    ROLE_ID,
    ROLE_TITLE,
    ROLE_DESCRIPTION,
    ROLE_CATEGORIES,
    ROLE_NONE
} role;

typedef struct columns {
    role roles[DELIMITED_COLUMNS_MAX];
    bool plain; /* no column has a suffix */
} columns;

static role role_of(slice name)
{
    static const struct {
        const char *name;
        role role;
    } known[] = {
        {"item_id", ROLE_ID},
        {"itemid", ROLE_ID},
        {"item", ROLE_ID},
        {"id", ROLE_ID},
        {"title", ROLE_TITLE},
        {"name", ROLE_TITLE},
        {"item_name", ROLE_TITLE},
        {"movie_title", ROLE_TITLE},
        {"description", ROLE_DESCRIPTION},
        {"category", ROLE_CATEGORIES},
        {"categories", ROLE_CATEGORIES},
        {"genre", ROLE_CATEGORIES},
        {"genres", ROLE_CATEGORIES},
        {"class", ROLE_CATEGORIES},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == name.length &&
            strncasecmp(known[i].name, name.at, name.length) == 0) {
            return known[i].role;
        }
    }
    return ROLE_ATTRIBUTE;
}

static err_code find_columns(import_state *s, const delimited *d, columns *c, err *e)
{
    unsigned found[ROLE_NONE] = {0};
    c->plain = true;
    for (size_t i = 0; i < delimited_columns(d); i++) {
        slice name = delimited_column(d, i);
        delimited_kind kind = delimited_column_kind(d, i);
        c->plain = c->plain && kind == DELIMITED_PLAIN;
        c->roles[i] = role_of(name);
        if (c->roles[i] != ROLE_ATTRIBUTE && found[c->roles[i]]++ > 0) {
            return err_set(e, ERR_INVALID, "column \"%.*s\": there is another column of that kind",
                           (int)(name.length < 60 ? name.length : 60), name.at);
        }
        if (!utf8_valid(name) || name.length > ATTRIBUTE_NAME_BYTES_MAX) {
            return err_set(e, ERR_INVALID,
                           "column %zu: expected a name of at most %d bytes of UTF-8", i + 1,
                           ATTRIBUTE_NAME_BYTES_MAX);
        }
        if (c->roles[i] == ROLE_ATTRIBUTE && kind == DELIMITED_FLOATS) {
            c->roles[i] = ROLE_NONE;
            import_skip(s, s->options->items, 1,
                        "a column of float_seq: give vectors by --features");
        }
    }
    if (found[ROLE_ID] == 0) {
        return err_set(e, ERR_INVALID, "no column item_id (or itemID, item, id)");
    }
    return ERR_OK;
}

/* Splits at '|' or ';' where there is one, else at spaces; what is empty or there twice goes. */
static err_code split_list(import_state *s, slice field, uint32_t most, const slice **out,
                           uint32_t *count, err *e)
{
    char separator = memchr(field.at, '|', field.length) != NULL   ? '|'
                     : memchr(field.at, ';', field.length) != NULL ? ';'
                                                                   : ' ';
    slice *list = arena_alloc(&s->scratch, most, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "a list");
    }
    *count = 0;
    *out = list;
    for (size_t at = 0; at <= field.length;) {
        const char *end = memchr(field.at + at, separator, field.length - at);
        size_t length = end != NULL ? (size_t)(end - field.at) - at : field.length - at;
        slice part = {field.at + at, length};
        at += length + 1;
        while (part.length > 0 && part.at[0] == ' ') {
            part.at++;
            part.length--;
        }
        while (part.length > 0 && part.at[part.length - 1] == ' ') {
            part.length--;
        }
        bool known = part.length == 0;
        for (uint32_t i = 0; i < *count && !known; i++) {
            known = slice_equal(list[i], part);
        }
        if (known) {
            continue;
        }
        if (*count == most || part.length > CATEGORY_BYTES_MAX) {
            return err_set(e, ERR_INVALID,
                           "expected at most %u entries of at most %d bytes in a list", most,
                           CATEGORY_BYTES_MAX);
        }
        list[(*count)++] = part;
    }
    return ERR_OK;
}

static bool plain_number(slice field, double *out)
{
    char copy[64];
    if (field.length == 0 || field.length >= sizeof copy) {
        return false;
    }
    for (size_t i = 0; i < field.length; i++) {
        if (strchr("0123456789.eE+-", field.at[i]) == NULL || field.at[i] == '\0') {
            return false;
        }
        copy[i] = field.at[i];
    }
    copy[field.length] = '\0';
    char *end = NULL;
    *out = strtod(copy, &end);
    return *end == '\0' && end != copy && isfinite(*out);
}

static err_code read_attribute(import_state *s, slice field, delimited_kind kind, bool plain,
                               attribute *out, err *e)
{
    if (kind == DELIMITED_TOKENS) {
        out->kind = ATTRIBUTE_TEXTS;
        return split_list(s, field, ATTRIBUTE_TEXTS_MAX, &out->texts, &out->text_count, e);
    }
    bool number = (kind == DELIMITED_FLOAT || plain) && plain_number(field, &out->number);
    if (kind == DELIMITED_FLOAT && !number) {
        return err_set(e, ERR_INVALID, "expected a number, not \"%.*s\"",
                       (int)utf8_cut(field, 40).length, field.at);
    }
    if (field.length > ATTRIBUTE_TEXT_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "expected at most %d bytes, not %zu",
                       ATTRIBUTE_TEXT_BYTES_MAX, field.length);
    }
    out->kind = number ? ATTRIBUTE_NUMBER : ATTRIBUTE_TEXT;
    out->text = field;
    return ERR_OK;
}

static err_code read_text(slice field, size_t most, slice *out, err *e)
{
    if (field.length > most) {
        return err_set(e, ERR_INVALID, "expected at most %zu bytes, not %zu", most, field.length);
    }
    *out = field.length > 0 ? field : (slice){NULL, 0};
    return ERR_OK;
}

static err_code read_field(import_state *s, const delimited *d, const columns *c, size_t i,
                           slice field, op_item *it, attribute *attributes, err *e)
{
    if (!utf8_valid(field)) {
        return err_set(e, ERR_INVALID, "not valid UTF-8");
    }
    switch (c->roles[i]) {
    case ROLE_ID: it->id = field; return import_id(field, "item", e);
    case ROLE_TITLE: return read_text(field, TITLE_BYTES_MAX, &it->title, e);
    case ROLE_DESCRIPTION: return read_text(field, DESCRIPTION_BYTES_MAX, &it->description, e);
    case ROLE_CATEGORIES:
        return split_list(s, field, CATEGORIES_MAX, &it->categories, &it->category_count, e);
    case ROLE_ATTRIBUTE:
        if (field.length == 0) {
            return ERR_OK;
        }
        if (it->attribute_count == ATTRIBUTES_MAX) {
            return err_set(e, ERR_INVALID, "more than %d attributes", ATTRIBUTES_MAX);
        }
        attributes[it->attribute_count].name = delimited_column(d, i);
        return read_attribute(s, field, delimited_column_kind(d, i), c->plain,
                              &attributes[it->attribute_count++], e);
    default: return ERR_OK;
    }
}

static err_code read_line(import_state *s, const delimited *d, const columns *c,
                          const slice *fields, err *e)
{
    arena_reset(&s->scratch);
    attribute *attributes = arena_alloc(&s->scratch, ATTRIBUTES_MAX, sizeof *attributes);
    if (attributes == NULL) {
        return err_nomem(e, "an item's attributes");
    }
    op_item it = {.given = OP_TITLE | OP_DESCRIPTION | OP_CATEGORIES | OP_ATTRIBUTES,
                  .attributes = attributes};
    for (size_t i = 0; i < delimited_columns(d); i++) {
        err_code code = read_field(s, d, c, i, fields[i], &it, attributes, e);
        if (code != ERR_OK) {
            slice name = delimited_column(d, i);
            err_context(e, "%.*s", (int)name.length, name.at);
            return code;
        }
    }
    return import_item_put(s, &it, (uint32_t)delimited_line(d), e);
}

err_code import_items_recbole(import_state *s, err *e)
{
    const char *path = s->options->items;
    uint64_t total = import_file_bytes(path);
    delimited *d = NULL;
    columns c = {0};
    const slice *fields = NULL;
    err_code code = delimited_open(&d, path, e);
    if (code != ERR_OK) {
        return code;
    }
    code = find_columns(s, d, &c, e);
    if (code != ERR_OK) {
        err_context(e, "%s:1", path);
    }
    for (uint64_t n = 1; code == ERR_OK; n++) {
        code = delimited_next(d, &fields, e);
        if (code != ERR_OK || fields == NULL) {
            break;
        }
        code = read_line(s, d, &c, fields, e);
        if (code != ERR_OK) {
            err_context(e, "%s:%llu", path, (unsigned long long)delimited_line(d));
        } else if (n % TICK_EVERY == 0) {
            code = import_tick(s, "reading items", delimited_bytes(d), total, e);
        }
    }
    delimited_close(d);
    return code;
}
