/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_cells: what the text of one cell says: nothing, a number, a truth, a time, a list.
 *
 * The rules that decide whether a number keeps all that its text says, which words mean nothing,
 * and how lists are separated are here and nowhere else. Pure; thread-safe.
 */
#ifndef STORAGE_IMPORT_CELLS_H
#define STORAGE_IMPORT_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/import/time_zone.h"

/* The words for nothing, separated by commas. An empty cell is nothing in any case. */
#define IMPORT_NULL_WORDS                                                                          \
    "NA,N/A,#N/A,NaN,nan,null,NULL,None,\\N,-,\u2013,\u2014,(no genres listed)"

/* cell_is_nothing tells whether a cell is empty or one of `words` (NULL: IMPORT_NULL_WORDS). */
bool cell_is_nothing(slice cell, const char *words);

/* cell_number reads a decimal number: digits with a sign, a point and an exponent. */
bool cell_number(slice cell, double *out);

/* What a number of a column may lose, found out cell by cell. */
typedef struct number_facts {
    bool lost;    /* a cell is no number, or a number would not keep its text */
    bool padded;  /* a cell ends in a zero behind its point, other than ".0" */
    int decimals; /* behind the point, of the first cell that has one */
    bool uneven;  /* cells differ in that */
} number_facts;

/* cell_note_number looks at one more cell. A number keeps it unless it has leading zeros, a plus, a
 * minus before zero, an exponent without sign, or more digits than a double has. Padding zeros, as
 * in "19.90", count as kept if all cells have as many digits behind the point. */
void cell_note_number(number_facts *facts, slice cell);
bool number_facts_keep(const number_facts *facts);

/* cell_bool reads true, false, yes, no, 1 and 0, in small letters, capitals or with a first
 * capital; cell_is_truth takes true and false only. */
bool cell_bool(slice cell, bool *out);
bool cell_is_truth(slice cell);

/* How numbers and dates are read as times. */
typedef struct time_reading {
    double unit;           /* seconds in one of a number's units: 1, 1e-3, ... */
    const time_zone *zone; /* of dates without an offset; NULL: such are refused */
    int64_t now;           /* epoch seconds; later ones by more than a day are refused */
} time_reading;

/* cell_time reads a time: RFC 3339, a number, or a date with or without a time of day in the time
 * zone that was given. ERR_INVALID says which option would make it readable. */
err_code cell_time(slice cell, const time_reading *how, int64_t *seconds, err *e) ERR_CHECKED;

/* The way in which a column's lists are written. */
typedef struct list_form {
    char separator[8]; /* "": the whole cell is one entry */
    bool quoted;       /* entries in quotes, separated by commas, maybe in brackets: ['A', 'B'] */
} list_form;

/* list_form_note makes a form fit one more cell: quotes, else "|", else ";", else ",". */
void list_form_note(list_form *form, slice cell);

/* cell_list cuts a cell into entries of 1 to `bytes_max` bytes and adds those that are new to
 * `list` (most). ERR_INVALID if there are more or longer ones. */
typedef struct cell_entries {
    slice *list;
    uint32_t count, most;
    size_t bytes_max;
    const char *null_words;
} cell_entries;
err_code cell_list(slice cell, const list_form *form, cell_entries *out, err *e) ERR_CHECKED;

#endif
