/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_columns: what each column of a delimited file means.
 *
 * --map decides first, then the names of import_names. --ignore-columns leaves out the columns it
 * names, or with "*" all unknown ones. An unknown column of interactions that is not left out is
 * refused, since the values of a misspelt column would be lost silently. An unknown column of items
 * becomes an attribute. A note reports what was recognised and what was left out. Private to
 * import*.c.
 */
#ifndef STORAGE_IMPORT_COLUMNS_H
#define STORAGE_IMPORT_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "storage/import/delimited.h"
#include "storage/import/import.h"
#include "storage/import/import_names.h"
#include "storage/import/import_state.h"

typedef struct import_columns {
    size_t count;
    import_role roles[DELIMITED_COLUMNS_MAX];
    bool left_out[DELIMITED_COLUMNS_MAX];
    size_t at[ROLES]; /* the column that has the role, or SIZE_MAX */
} import_columns;

/* import_columns_find assigns the columns of a file that was just opened. ERR_INVALID names a
 * column that is unknown, missing, repeated or contradicts the options, and the option that
 * helps. */
err_code import_columns_find(import_columns *out, import_state *s, bool items, const delimited *d,
                             err *e) ERR_CHECKED;

#endif
