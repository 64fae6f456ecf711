/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column_kinds: what the cells of each column of a table of items become.
 *
 * A column has one kind, decided over the whole column before the first item is made: what looks
 * like a number in one line is text in all if a number would lose anything in any. The option
 * --column and RecBole's suffixes decide without looking. Private to import*.c.
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
    list_form form; /* of KIND_TEXTS and KIND_CATEGORIES */
} column_rule;

/* column_kind_named finds a kind by the name that --column takes; KINDS: there is none. */
column_kind column_kind_named(slice name);

/* column_kinds_decide reads all of the items' file and decides its columns, one rule each; columns
 * of vectors are left out. What was decided is told in a note. */
err_code column_kinds_decide(import_state *s, import_columns *columns,
                             column_rule rules[DELIMITED_COLUMNS_MAX], err *e) ERR_CHECKED;

#endif
