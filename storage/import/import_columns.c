/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import_columns.h"

#include <stdio.h>
#include <string.h>

#include "core/common/utf8.h"

enum { NAME_SHOWN = 60 };

static slice shown(slice name)
{
    return utf8_valid(name) ? utf8_cut(name, NAME_SHOWN) : slice_of("?");
}

slice import_option_for(const import_texts *list, slice name, bool name_is_right)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strrchr(list->at[i], '=');
        if (equals == NULL) {
            continue;
        }
        slice left = {list->at[i], (size_t)(equals - list->at[i])};
        slice right = slice_of(equals + 1);
        if (slice_equal(name_is_right ? right : left, name)) {
            return name_is_right ? left : right;
        }
    }
    return (slice){NULL, 0};
}

/* --map ROLE=COLUMN: the column is what stands behind the first equals sign. */
static import_role mapped_role(import_state *s, slice column)
{
    const import_texts *maps = &s->options->maps;
    for (size_t i = 0; i < maps->count; i++) {
        const char *equals = strchr(maps->at[i], '=');
        if (equals != NULL && slice_equal(slice_of(equals + 1), column)) {
            s->maps_used |= (uint64_t)1 << i;
            return import_role_named((slice){maps->at[i], (size_t)(equals - maps->at[i])});
        }
    }
    return ROLE_NONE;
}

/* Whether --ignore-columns names a column; *all: it has "*". */
static bool told_to_ignore(const char *list, slice name, bool *all)
{
    bool named = false;
    *all = false;
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        *all = *all || (length == 1 && *at == '*');
        named = named || slice_equal((slice){at, length}, name);
        at += length + (at[length] == ',');
    }
    return named;
}

/* The first line is data, or its separator is another one: to name one "column" of it would say the
 * wrong thing. */
static err_code check_header(const import_state *s, bool items, const delimited *d, err *e)
{
    size_t columns = delimited_columns(d);
    bool names_one = false;
    for (size_t i = 0; i < columns; i++) {
        bool own = false;
        slice name = delimited_column(d, i);
        names_one = names_one || import_role_of(name, items, &own) != ROLE_NONE ||
                    import_option_for(&s->options->maps, name, true).at != NULL;
    }
    if (names_one && (columns > 1 || items)) {
        return ERR_OK;
    }
    slice first = shown(delimited_column(d, 0));
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
    slice is = shown(name);
    import_names_known(items, known, sizeof known);
    return err_set(e, ERR_INVALID,
                   "unknown column \"%.*s\"; known are %s (x_label) and the usual names for them; "
                   "leave it out with --ignore-columns %.*s, or say what it is, such as --map "
                   "item=%.*s",
                   (int)is.length, is.at, known, (int)is.length, is.at, (int)is.length, is.at);
}

static err_code refuse_second(slice first, slice second, import_role role, err *e)
{
    first = shown(first);
    second = shown(second);
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
            slice is = shown(name);
            return err_set(e, ERR_INVALID,
                           "column \"%.*s\" is there twice; leave it out with --ignore-columns",
                           (int)is.length, is.at);
        }
    }
    return ERR_OK;
}

/* The column with a role of its own name, or one that was mapped, goes before one of another name,
 * which then is an unknown one. */
static err_code take_role(import_columns *c, const delimited *d, size_t i, import_role role,
                          unsigned *ranks, unsigned rank, err *e)
{
    size_t had = c->at[role];
    if (had != SIZE_MAX && ranks[role] == rank) {
        return refuse_second(delimited_column(d, had), delimited_column(d, i), role, e);
    }
    if (had != SIZE_MAX && ranks[role] > rank) {
        return ERR_OK;
    }
    if (had != SIZE_MAX) {
        c->roles[had] = ROLE_NONE;
    }
    c->at[role] = i;
    c->roles[i] = role;
    ranks[role] = rank;
    return ERR_OK;
}

static err_code bind_names(import_columns *c, import_state *s, bool items, const delimited *d,
                           err *e)
{
    enum { RANK_OTHER = 1, RANK_OWN, RANK_MAPPED };
    unsigned ranks[ROLES] = {0};
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < c->count; i++) {
        slice name = delimited_column(d, i);
        bool own = false, all = false;
        import_role role = mapped_role(s, name);
        unsigned rank = role != ROLE_NONE ? RANK_MAPPED : 0;
        c->left_out[i] = rank == 0 && (name.length == 0 ||
                                       told_to_ignore(s->options->ignored_columns, name, &all));
        if (c->left_out[i]) {
            continue;
        }
        code = check_twice(c, d, i, e);
        bool typed = items && import_option_for(&s->options->columns, name, false).at != NULL;
        if (rank == 0 && !typed) {
            role = import_role_of(name, items, &own);
            rank = own ? RANK_OWN : RANK_OTHER;
        }
        if (code == ERR_OK && role != ROLE_NONE) {
            code = take_role(c, d, i, role, ranks, rank, e);
        }
    }
    return code;
}

/* What has no role now is an attribute of items, or must be left out. */
static err_code settle_unknown(import_columns *c, const import_state *s, bool items,
                               const delimited *d, err *e)
{
    for (size_t i = 0; i < c->count; i++) {
        slice name = delimited_column(d, i);
        bool all = false;
        if (c->left_out[i] || c->roles[i] != ROLE_NONE) {
            continue;
        }
        (void)told_to_ignore(s->options->ignored_columns, name, &all);
        bool typed = items && import_option_for(&s->options->columns, name, false).at != NULL;
        c->left_out[i] = all && !typed;
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

/* Tells the roles, and what was left out. */
static void tell(const import_columns *c, import_state *s, const delimited *d, const char *path)
{
    char text[IMPORT_NOTE_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text, "%s: columns", path);
    for (size_t i = 0; i < c->count && used < sizeof text; i++) {
        if (c->roles[i] != ROLE_NONE) {
            slice name = shown(delimited_column(d, i));
            used += (size_t)snprintf(text + used, sizeof text - used, " %s=%.*s",
                                     import_role_name(c->roles[i]), (int)name.length, name.at);
        }
    }
    for (size_t i = 0, count = 0; i < c->count && used < sizeof text; i++) {
        if (c->left_out[i]) {
            slice name = shown(delimited_column(d, i));
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
    for (size_t i = 0; i < out->count && i < DELIMITED_COLUMNS_MAX; i++) {
        for (size_t k = 0; k < s->options->columns.count; k++) {
            const char *equals = strrchr(s->options->columns.at[k], '=');
            if (equals != NULL && slice_equal((slice){s->options->columns.at[k],
                                                      (size_t)(equals - s->options->columns.at[k])},
                                              delimited_column(d, i))) {
                s->columns_used |= (uint64_t)1 << k;
            }
        }
    }
    code = code == ERR_OK ? bind_names(out, s, items, d, e) : code;
    code = code == ERR_OK ? settle_unknown(out, s, items, d, e) : code;
    code = code == ERR_OK ? check_needed(out, items, e) : code;
    if (code == ERR_OK && !items) {
        code = check_options(out, s->options, e);
    }
    if (code == ERR_OK) {
        tell(out, s, d, items ? s->options->items : "interactions");
    }
    return code;
}

/* A phase: all files have been opened. */
err_code import_columns_used(import_state *s, err *e)
{
    const import_options *o = s->options;
    for (size_t i = 0; i < o->maps.count; i++) {
        if ((s->maps_used >> i & 1) == 0) {
            return err_set(e, ERR_INVALID, "--map %.80s: no file has such a column", o->maps.at[i]);
        }
    }
    for (size_t i = 0; i < o->columns.count; i++) {
        if ((s->columns_used >> i & 1) == 0) {
            return err_set(e, ERR_INVALID, "--column %.80s: the items have no such column",
                           o->columns.at[i]);
        }
    }
    return ERR_OK;
}
