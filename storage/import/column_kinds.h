/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column_kinds: which kind of value each column of a table of items holds.
 *
 * A column has one kind, decided over the whole column before the first item is made. If any cell
 * of a column of numbers would lose something as a number, the whole column becomes text. The
 * option --column and RecBole's suffixes decide without reading the cells. Private to import*.c.
 */
#ifndef STORAGE_COLUMN_KINDS_H
#define STORAGE_COLUMN_KINDS_H

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/import/delimited.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_columns.h"
#include "storage/import/import_state.h"

typedef enum column_kind {
    KIND_TEXT = 0,
    KIND_NUMBER,
    KIND_BOOL,
    KIND_TEXTS,
    KIND_CATEGORIES,
    KINDS,
} column_kind;

typedef struct column_rule {
    column_kind kind;
    list_form form; /* for KIND_TEXTS and KIND_CATEGORIES */
} column_rule;

/* column_kind_named finds a kind by the name that --column takes, or returns KINDS if there is
 * none. */
column_kind column_kind_named(slice name);

/* column_kinds_decide reads the whole items' file and writes one rule for each column, except for
 * columns of vectors. A note reports what it decided. */
err_code column_kinds_decide(import_state *s, import_columns *columns,
                             column_rule rules[DELIMITED_COLUMNS_MAX], err *e) ERR_CHECKED;

#endif
