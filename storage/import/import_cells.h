/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_cells: parses the text of one cell as nothing, a number, a truth value, a time or a list.
 *
 * Only this module decides when a number keeps everything that its text says, which words mean that
 * a cell is empty, and how lists are separated. Pure; thread-safe.
 */
#ifndef STORAGE_IMPORT_CELLS_H
#define STORAGE_IMPORT_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/import/time_zone.h"

/* The words that mean an empty cell, separated by commas. An empty cell always counts as empty. */
#define IMPORT_NULL_WORDS                                                                          \
    "NA,N/A,#N/A,NaN,nan,null,NULL,None,\\N,-,\u2013,\u2014,(no genres listed)"

/* cell_is_nothing tells whether a cell is empty or one of `words` (NULL: IMPORT_NULL_WORDS). */
bool cell_is_nothing(slice cell, const char *words);

/* cell_number reads a decimal number: digits with a sign, a point and an exponent. */
bool cell_number(slice cell, double *out);

/* Whether the cells of a column can become numbers without loss, collected cell by cell. */
typedef struct number_facts {
    bool lost;    /* a cell is not a number, or its text has more than the number would keep */
    bool padded;  /* a cell ends in a zero after its point, other than ".0" */
    int decimals; /* digits after the point in the first cell that has a point */
    bool uneven;  /* the number of decimals differs between cells */
} number_facts;

/* cell_note_number adds one more cell. A number keeps its text unless the text has leading zeros, a
 * plus, a minus before zero, an exponent without a sign, or more digits than a double holds.
 * Trailing zeros, as in "19.90", count as kept if all cells have the same number of decimals. */
void cell_note_number(number_facts *facts, slice cell);
bool number_facts_keep(const number_facts *facts);

/* cell_bool reads true, false, yes, no, 1 and 0, in lower case, upper case or capitalised.
 * cell_is_truth accepts only true and false. */
bool cell_bool(slice cell, bool *out);
bool cell_is_truth(slice cell);

/* How to read numbers and dates as times. */
typedef struct time_reading {
    double unit;           /* seconds in one unit of a number: 1, 1e-3, ... */
    const time_zone *zone; /* for dates without an offset; NULL: such dates are refused */
    int64_t now;           /* epoch seconds; times more than a day later are refused */
} time_reading;

/* cell_time reads RFC 3339, a number, or a date with or without a time of day in the given time
 * zone. ERR_INVALID names the option that would make it readable. */
err_code cell_time(slice cell, const time_reading *how, int64_t *seconds, err *e) ERR_CHECKED;

/* How the lists of a column are written. */
typedef struct list_form {
    char separator[8]; /* "" if the whole cell is one entry */
    /* entries in quotes, separated by commas, optionally in brackets: ['A', 'B'] */
    bool quoted;
} list_form;

/* list_form_note adapts the form to one more cell: quotes, else "|", else ";", else ",". */
void list_form_note(list_form *form, slice cell);

/* cell_list splits a cell into entries of 1 to `bytes_max` bytes and adds the new ones to `list`,
 * which has room for `most`. ERR_INVALID: an entry is too long, or there are too many. */
typedef struct cell_entries {
    slice *list;
    uint32_t count, most;
    size_t bytes_max;
    const char *null_words;
} cell_entries;
err_code cell_list(slice cell, const list_form *form, cell_entries *out, err *e) ERR_CHECKED;

#endif
