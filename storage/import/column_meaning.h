/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column_meaning: what the name of a column, or of a member of JSON lines, means.
 *
 * The first of these that applies decides: --map, --ignore-columns, --column (which makes an
 * attribute of items), the names of import_names. Private to import*.c.
 */
#ifndef STORAGE_COLUMN_MEANING_H
#define STORAGE_COLUMN_MEANING_H

#include <stdbool.h>

#include "core/common/slice.h"
#include "storage/import/import_names.h"
#include "storage/import/import_state.h"

typedef struct column_meaning {
    import_role role;
    import_rank rank; /* RANK_NONE if it has no role */
    bool left_out;    /* named by --ignore-columns, or without a name */
    slice kind;       /* the kind that --column gives a column of items, or absent */
} column_meaning;

/* column_meaning_of looks a name up, and records which options were used. */
column_meaning column_meaning_of(import_state *s, bool items, slice name);

/* column_ignores_unknown tells whether --ignore-columns contains "*", which leaves out every column
 * without a role. */
bool column_ignores_unknown(const import_state *s);

/* column_option finds "LEFT=name" or "name=RIGHT" in a list of options: the text on the other side
 * of the equals sign, or an absent slice. */
slice column_option(const import_texts *list, slice name, bool name_is_right);

/* column_shown makes a name safe to print in a message. */
slice column_shown(slice name);

#endif
