/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import_columns.h"

#include <stdio.h>
#include <string.h>

#include "core/common/utf8.h"
#include "storage/import/column_meaning.h"

/* check_header refuses a first line that names no known column: it is data, or was split at the
 * wrong separator. A message about one unknown "column" would mislead there. */
static err_code check_header(const import_state *s, bool items, const delimited *d, err *e)
{
    size_t columns = delimited_columns(d);
    bool names_one = false;
    for (size_t i = 0; i < columns; i++) {
        import_rank rank = RANK_NONE;
        slice name = delimited_column(d, i);
        names_one = names_one || import_role_of(name, items, &rank) != ROLE_NONE ||
                    column_option(&s->options->maps, name, true).at != NULL;
    }
    if (names_one && (columns > 1 || items)) {
        return ERR_OK;
    }
    slice first = column_shown(delimited_column(d, 0));
    return err_set(e, ERR_INVALID,
                   "expected a header that names columns, separated by tabs, commas, semicolons or "
                   "::, such as %s; not %s \"%.*s\"; name the columns of a file without a header "
                   "by --%sheader, and other names by --map",
                   items ? "id,title,categories" : "user,item,timestamp",
                   columns > 1 ? "a line that begins with" : "the single column", (int)first.length,
                   first.at, items ? "items-" : "");
}

static err_code refuse_unknown(bool items, slice name, err *e)
{
    char known[160];
    slice is = column_shown(name);
    import_names_known(items, known, sizeof known);
    return err_set(
        e, ERR_INVALID,
        "unknown column \"%.*s\"; known are %s and the usual names for them; leave it out with "
        "--ignore-columns %.*s ('*' leaves out all unknown ones), or name its meaning, for example "
        "--map item=%.*s",
        (int)is.length, is.at, known, (int)is.length, is.at, (int)is.length, is.at);
}

static err_code refuse_second(slice first, slice second, import_role role, err *e)
{
    first = column_shown(first);
    second = column_shown(second);
    return err_set(e, ERR_INVALID,
                   "columns \"%.*s\" and \"%.*s\" mean the same; choose one with --map %s=%.*s, "
                   "and leave the other out with --ignore-columns",
                   (int)first.length, first.at, (int)second.length, second.at,
                   import_role_name(role), (int)first.length, first.at);
}

static err_code check_twice(const import_columns *c, const delimited *d, size_t i, err *e)
{
    slice name = delimited_column(d, i);
    for (size_t other = 0; other < i; other++) {
        if (!c->left_out[other] && slice_equal(name, delimited_column(d, other))) {
            slice is = column_shown(name);
            return err_set(
                e, ERR_INVALID,
                "column \"%.*s\" is there twice: rename one in the file, or leave out both "
                "with --ignore-columns",
                (int)is.length, is.at);
        }
    }
    return ERR_OK;
}

/* bind_names gives each role to the column whose name has the highest rank; other columns of the
 * same role get none. */
static err_code bind_names(import_columns *c, import_state *s, bool items, const delimited *d,
                           err *e)
{
    import_rank ranks[ROLES] = {RANK_NONE};
    size_t seconds[ROLES]; /* another column with the same role and rank */
    err_code code = ERR_OK;
    memset(seconds, 0xff, sizeof seconds);
    for (size_t i = 0; code == ERR_OK && i < c->count; i++) {
        column_meaning m = column_meaning_of(s, items, delimited_column(d, i));
        c->left_out[i] = m.left_out;
        if (m.left_out) {
            continue;
        }
        code = check_twice(c, d, i, e);
        if (m.role != ROLE_NONE && m.rank == ranks[m.role]) {
            seconds[m.role] = i;
        } else if (m.role != ROLE_NONE && m.rank > ranks[m.role]) {
            seconds[m.role] = SIZE_MAX;
            ranks[m.role] = m.rank;
            c->at[m.role] = i;
        }
    }
    for (import_role role = ROLE_NONE + 1; code == ERR_OK && role < ROLES; role++) {
        if (seconds[role] != SIZE_MAX) {
            code = refuse_second(delimited_column(d, c->at[role]),
                                 delimited_column(d, seconds[role]), role, e);
        }
        if (c->at[role] != SIZE_MAX) {
            c->roles[c->at[role]] = role;
        }
    }
    /* A column that lost its role to a better name is known, so it is not a misspelt name whose
     * values would be lost. */
    for (size_t i = 0; code == ERR_OK && !items && i < c->count; i++) {
        import_rank rank = RANK_NONE;
        bool gave_way = !c->left_out[i] && c->roles[i] == ROLE_NONE &&
                        import_role_of(delimited_column(d, i), items, &rank) != ROLE_NONE;
        c->left_out[i] = c->left_out[i] || (gave_way && rank == RANK_LATE);
    }
    return code;
}

/* settle_unknown handles columns without a role. They become attributes of items; in interactions
 * an option must leave them out. */
static err_code settle_unknown(import_columns *c, const import_state *s, bool items,
                               const delimited *d, err *e)
{
    for (size_t i = 0; i < c->count; i++) {
        slice name = delimited_column(d, i);
        if (c->left_out[i] || c->roles[i] != ROLE_NONE) {
            continue;
        }
        bool typed = items && column_option(&s->options->columns, name, false).at != NULL;
        c->left_out[i] = column_ignores_unknown(s) && !typed;
        if (!items && !c->left_out[i]) {
            return refuse_unknown(items, name, e);
        }
        if (items && (!utf8_valid(name) || name.length > ATTRIBUTE_NAME_BYTES_MAX)) {
            return err_set(e, ERR_INVALID,
                           "column %zu: expected a name of at most %d bytes of UTF-8", i + 1,
                           ATTRIBUTE_NAME_BYTES_MAX);
        }
    }
    return ERR_OK;
}

static err_code check_needed(const import_columns *c, bool items, err *e)
{
    for (import_role need = ROLE_ITEM; need <= (items ? ROLE_ITEM : ROLE_USER); need++) {
        if (c->at[need] == SIZE_MAX) {
            return err_set(e, ERR_INVALID, "no column %s (or %s); name it by --map %s=COLUMN",
                           need == ROLE_USER ? "user"
                           : items           ? "item_id"
                                             : "item",
                           need == ROLE_USER ? "userID, user_id, customer_id, visitorid"
                                             : "itemID, movieId, product_id, asin, sku",
                           need == ROLE_USER ? "user" : "item");
        }
    }
    return ERR_OK;
}

static err_code check_options(const import_columns *c, const import_options *o, err *e)
{
    if (o->has_min_rating && c->at[ROLE_RATING] == SIZE_MAX) {
        return err_set(e, ERR_INVALID, "no column rating, which --min-rating needs");
    }
    if (o->split == IMPORT_SPLIT_TIME && c->at[ROLE_TIME] == SIZE_MAX) {
        return err_set(e, ERR_INVALID, "no column timestamp, which --split time needs");
    }
    if (c->at[ROLE_SPLIT] != SIZE_MAX && o->parts[0] != NULL) {
        return err_set(e, ERR_INVALID,
                       "a split column in one of three files; leave it out with --ignore-columns");
    }
    if (c->at[ROLE_SPLIT] != SIZE_MAX && o->split != IMPORT_SPLIT_UNSET) {
        return err_set(e, ERR_INVALID,
                       "the file has a split column; leave out --split, or leave out the column "
                       "with --ignore-columns");
    }
    return ERR_OK;
}

/* tell reports the roles of the columns, and which columns were left out. */
static void tell(const import_columns *c, import_state *s, const delimited *d, const char *path)
{
    char text[IMPORT_NOTE_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text, "%s: columns", path);
    for (size_t i = 0; i < c->count && used < sizeof text; i++) {
        if (c->roles[i] != ROLE_NONE) {
            slice name = column_shown(delimited_column(d, i));
            used += (size_t)snprintf(text + used, sizeof text - used, " %s=%.*s",
                                     import_role_name(c->roles[i]), (int)name.length, name.at);
        }
    }
    for (size_t i = 0, count = 0; i < c->count && used < sizeof text; i++) {
        if (c->left_out[i]) {
            slice name = column_shown(delimited_column(d, i));
            used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                     count++ == 0 ? "; left out: " : ", ");
            if (used < sizeof text && name.length > 0) {
                used += (size_t)snprintf(text + used, sizeof text - used, "%.*s", (int)name.length,
                                         name.at);
            } else if (used < sizeof text) {
                used += (size_t)snprintf(text + used, sizeof text - used,
                                         "column %zu, which has no name", i + 1);
            }
        }
    }
    import_note(s, "%s", text);
}

err_code import_columns_find(import_columns *out, import_state *s, bool items, const delimited *d,
                             err *e)
{
    memset(out, 0, sizeof *out);
    memset(out->at, 0xff, sizeof out->at);
    out->count = delimited_columns(d);
    err_code code = check_header(s, items, d, e);
    if (code == ERR_OK) {
        code = bind_names(out, s, items, d, e);
    }
    if (code == ERR_OK) {
        code = settle_unknown(out, s, items, d, e);
    }
    if (code == ERR_OK) {
        code = check_needed(out, items, e);
    }
    if (code == ERR_OK && !items) {
        code = check_options(out, s->options, e);
    }
    if (code == ERR_OK) {
        tell(out, s, d, items ? s->options->items : "interactions");
    }
    return code;
}
