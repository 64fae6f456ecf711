/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/column_meaning.h"

#include <string.h>

#include "core/common/utf8.h"

enum { NAME_SHOWN = 60 };

slice column_shown(slice name)
{
    return utf8_valid(name) ? utf8_cut(name, NAME_SHOWN) : slice_of("?");
}

slice column_option(const import_texts *list, slice name, bool name_is_right)
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

/* mapped_role finds the role that --map ROLE=COLUMN gives a column. The column's name is all that
 * follows the first equals sign. */
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

static bool is_ignored(const import_state *s, slice name)
{
    for (const char *at = s->options->ignored_columns; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (slice_equal((slice){at, length}, name)) {
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

bool column_ignores_unknown(const import_state *s)
{
    return is_ignored(s, slice_of("*"));
}

static slice kind_given(import_state *s, slice name)
{
    const import_texts *columns = &s->options->columns;
    for (size_t i = 0; i < columns->count; i++) {
        const char *equals = strrchr(columns->at[i], '=');
        if (equals != NULL &&
            slice_equal((slice){columns->at[i], (size_t)(equals - columns->at[i])}, name)) {
            s->columns_used |= (uint64_t)1 << i;
            return slice_of(equals + 1);
        }
    }
    return (slice){NULL, 0};
}

column_meaning column_meaning_of(import_state *s, bool items, slice name)
{
    column_meaning out = {.role = mapped_role(s, name)};
    if (items) {
        out.kind = kind_given(s, name);
    }
    if (out.role != ROLE_NONE) {
        out.rank = RANK_MAPPED;
        return out;
    }
    out.left_out = name.length == 0 || is_ignored(s, name);
    if (!out.left_out && out.kind.at == NULL) {
        out.role = import_role_of(name, items, &out.rank);
    }
    return out;
}

/* import_columns_used is a phase that runs after all files have been opened. It refuses options
 * that no column has used. */
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
