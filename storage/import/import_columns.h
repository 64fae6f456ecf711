/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_columns: what each column of a delimited file means.
 *
 * --map decides first, then the names of import_names. --ignore-columns leaves a column out, "*"
 * all whose names say nothing. A column of interactions that is neither known nor left out is
 * refused, since a misspelt one would be lost in silence; one of items becomes an attribute. What
 * was found, and what was left out, is told in a note. Private to import*.c.
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
    size_t at[ROLES]; /* the column with a role; SIZE_MAX: there is none */
} import_columns;

/* import_columns_find tells the columns of a file just opened. ERR_INVALID names the column that is
 * unknown, missing, there twice or against the options, and the option that helps. */
err_code import_columns_find(import_columns *out, import_state *s, bool items, const delimited *d,
                             err *e) ERR_CHECKED;

#endif
