/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import_columns.h"

#include <stdbool.h>
#include <string.h>

/* The names, in small letters and without underscores. */
static import_column column_of(slice name)
{
    static const struct {
        const char *name;
        import_column column;
    } known[] = {
        {"userid", COLUMN_USER},   {"user", COLUMN_USER},      {"itemid", COLUMN_ITEM},
        {"item", COLUMN_ITEM},     {"timestamp", COLUMN_TIME}, {"time", COLUMN_TIME},
        {"rating", COLUMN_RATING}, {"type", COLUMN_TYPE},      {"xlabel", COLUMN_SPLIT},
        {"split", COLUMN_SPLIT},
    };
    char plain[16];
    size_t length = 0;
    for (size_t i = 0; i < name.length; i++) {
        if (name.at[i] == '_') {
            continue;
        }
        if (length == sizeof plain - 1) {
            return COLUMN_UNKNOWN;
        }
        bool capital = name.at[i] >= 'A' && name.at[i] <= 'Z';
        plain[length++] = (char)(capital ? name.at[i] + 32 : name.at[i]);
    }
    plain[length] = '\0';
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, plain) == 0) {
            return known[i].column;
        }
    }
    return COLUMN_UNKNOWN;
}

/* Whether --ignore-columns names it. */
static bool told_to_ignore(const char *list, slice name)
{
    if (list == NULL) {
        return false;
    }
    for (const char *at = list; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if ((length == 1 && *at == '*') || slice_equal((slice){at, length}, name)) {
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

/* The first line is data, or its separator is another one: to name one "column" of it would say the
 * wrong thing. */
static err_code check_header(const delimited *d, err *e)
{
    size_t columns = delimited_columns(d);
    bool names_one = false;
    for (size_t i = 0; i < columns; i++) {
        names_one = names_one || column_of(delimited_column(d, i)) != COLUMN_UNKNOWN;
    }
    if (names_one && columns > 1) {
        return ERR_OK;
    }
    slice first = delimited_column(d, 0);
    return err_set(e, ERR_INVALID,
                   "expected a header that names columns, separated by tabs or commas, such as "
                   "user,item,timestamp; not %s \"%.*s\"",
                   columns > 1 ? "a line that begins with" : "the single column",
                   (int)(first.length < 60 ? first.length : 60), first.at);
}

static err_code find_columns(import_columns *c, const import_options *o, const delimited *d, err *e)
{
    memset(c->at, 0xff, sizeof c->at);
    for (size_t i = 0; i < delimited_columns(d); i++) {
        slice name = delimited_column(d, i);
        int shown = (int)(name.length < 60 ? name.length : 60);
        if (told_to_ignore(o->ignored_columns, name)) {
            continue;
        }
        import_column what = column_of(name);
        if (what == COLUMN_UNKNOWN) {
            return err_set(e, ERR_INVALID,
                           "unknown column \"%.*s\"; known are user, item, timestamp, rating, type "
                           "and split (x_label); leave it out with --ignore-columns %.*s",
                           shown, name.at, shown, name.at);
        }
        if (c->at[what] != SIZE_MAX) {
            slice other = delimited_column(d, c->at[what]);
            return err_set(e, ERR_INVALID, "columns \"%.*s\" and \"%.*s\" mean the same",
                           (int)(other.length < 60 ? other.length : 60), other.at, shown, name.at);
        }
        c->at[what] = i;
    }
    for (import_column need = COLUMN_USER; need <= COLUMN_ITEM; need++) {
        if (c->at[need] == SIZE_MAX) {
            return err_set(e, ERR_INVALID, "no column %s (or %s)",
                           need == COLUMN_USER ? "user" : "item",
                           need == COLUMN_USER ? "userID, user_id, USER" : "itemID, item_id, ITEM");
        }
    }
    return ERR_OK;
}

static err_code check_columns(const import_columns *c, const import_options *o, err *e)
{
    if (o->has_min_rating && c->at[COLUMN_RATING] == SIZE_MAX) {
        return err_set(e, ERR_INVALID, "no column rating, which --min-rating needs");
    }
    if (o->split == IMPORT_SPLIT_TIME && c->at[COLUMN_TIME] == SIZE_MAX) {
        return err_set(e, ERR_INVALID, "no column timestamp, which --split time needs");
    }
    if (c->at[COLUMN_SPLIT] != SIZE_MAX && o->parts[0] != NULL) {
        return err_set(e, ERR_INVALID,
                       "a split column in one of three files; leave it out with --ignore-columns");
    }
    if (c->at[COLUMN_SPLIT] != SIZE_MAX && o->split != IMPORT_SPLIT_UNSET) {
        return err_set(e, ERR_INVALID,
                       "the file has a split column; leave out --split, or leave out the column "
                       "with --ignore-columns");
    }
    return ERR_OK;
}

err_code import_columns_find(import_columns *out, const import_options *options, const delimited *d,
                             err *e)
{
    err_code code = check_header(d, e);
    if (code == ERR_OK) {
        code = find_columns(out, options, d, e);
    }
    return code == ERR_OK ? check_columns(out, options, e) : code;
}
