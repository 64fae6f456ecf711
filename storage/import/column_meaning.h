/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column_meaning: what the name of a column, or of a member of JSON lines, means.
 *
 * --map decides first, then --ignore-columns, then --column, which makes an attribute of items,
 * then the names of import_names. Private to import*.c.
 */
#ifndef STORAGE_COLUMN_MEANING_H
#define STORAGE_COLUMN_MEANING_H

#include <stdbool.h>

#include "core/common/slice.h"
#include "storage/import/import_names.h"
#include "storage/import/import_state.h"

typedef struct column_meaning {
    import_role role;
    import_rank rank; /* RANK_NONE: no role */
    bool left_out;    /* --ignore-columns names it, or it has no name */
    slice kind;       /* what --column says of a column of items, or absent */
} column_meaning;

/* column_meaning_of looks a name up, and notes which options were of use. */
column_meaning column_meaning_of(import_state *s, bool items, slice name);

/* column_ignores_unknown tells whether --ignore-columns has "*": what has no role is left out. */
bool column_ignores_unknown(const import_state *s);

/* column_option finds "LEFT=name" or "name=RIGHT" in a list of options: the text on the other side
 * of the equals sign, or an absent slice. */
slice column_option(const import_texts *list, slice name, bool name_is_right);

/* column_shown makes a name fit for a message. */
slice column_shown(slice name);

#endif
