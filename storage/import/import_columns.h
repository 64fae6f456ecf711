/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_columns: what the header of a delimited file of interactions says.
 *
 * Columns go by the names that the field's tools use, in any case and with or without underscores;
 * one that is not known is refused, unless --ignore-columns names it, since a misspelt one would
 * be lost in silence. Private to import*.c.
 */
#ifndef STORAGE_IMPORT_COLUMNS_H
#define STORAGE_IMPORT_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/import/delimited.h"
#include "storage/import/import.h"

typedef enum import_column {
    COLUMN_USER = 0,
    COLUMN_ITEM,
    COLUMN_TIME,
    COLUMN_RATING,
    COLUMN_TYPE,
    COLUMN_SPLIT,
    COLUMNS,
    COLUMN_UNKNOWN,
} import_column;

typedef struct import_columns {
    size_t at[COLUMNS]; /* SIZE_MAX: there is none */
} import_columns;

/* import_columns_find tells the columns of a file just opened. ERR_INVALID names the column that is
 * unknown, missing, there twice or against the options. */
err_code import_columns_find(import_columns *out, const import_options *options, const delimited *d,
                             err *e) ERR_CHECKED;

#endif
