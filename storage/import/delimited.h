/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delimited: reads CSV, TSV and RecBole's atomic files line by line.
 *
 * Columns: the first line names them, unless the caller does. RecBole's suffixes ":token",
 * ":float", ":token_seq" and ":float_seq" are stripped.
 *
 * Separator: the caller's, or else the one that the first line contains: a tab, "::", the more
 * frequent of ";" and ",", or "|". With "," and ";", fields may be quoted as in RFC 4180: quotes
 * are doubled inside quotes, and line ends are allowed. With other separators, quotes have no
 * meaning, as in RecBole.
 *
 * Lines end in LF or CRLF, or in CR if the file has no LF. The last line end may be missing. Empty
 * lines are skipped. Every line must have as many fields as there are columns.
 *
 * It holds one line in memory, of at most DELIMITED_LINE_BYTES_MAX. Messages start with
 * "name:line". One thread at a time per reader.
 */
#ifndef STORAGE_DELIMITED_H
#define STORAGE_DELIMITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/import/text_source.h"

enum { DELIMITED_LINE_BYTES_MAX = 1024 * 1024, DELIMITED_COLUMNS_MAX = 256 };

typedef struct delimited delimited;

/* What a RecBole suffix says about a column; PLAIN if it has none. */
typedef enum delimited_kind {
    DELIMITED_PLAIN = 0,
    DELIMITED_TOKEN,
    DELIMITED_FLOAT,
    DELIMITED_TOKENS, /* separated by spaces */
    DELIMITED_FLOATS,
} delimited_kind;

typedef struct delimited_options {
    /* "a,b,c": the names of the columns; NULL if the first line names them */
    const char *header;
    const char *separator; /* 1 or 2 bytes; NULL to detect it in the first line */
} delimited_options;

/* delimited_open reads the header. It takes over `source` and closes it on failure too. ERR_IO;
 * ERR_INVALID, also for an empty file. Close with delimited_close, which accepts NULL. */
err_code delimited_open(delimited **out, text_source *source, const delimited_options *options,
                        err *e) ERR_CHECKED;
void delimited_close(delimited *d);

/* The columns' names without suffix, borrowed until close. A name may be empty, and two columns may
 * have the same name. */
size_t delimited_columns(const delimited *d);
slice delimited_column(const delimited *d, size_t index);
delimited_kind delimited_column_kind(const delimited *d, size_t index);

/* delimited_separator borrows the separator. */
const char *delimited_separator(const delimited *d);

/* delimited_next returns the fields of the next line (delimited_columns of them), borrowed until
 * the next call. *fields is NULL at the end. ERR_INVALID names the line; the next call continues
 * after it. */
err_code delimited_next(delimited *d, const slice **fields, err *e) ERR_CHECKED;

/* delimited_line is the number, from 1, of the line on which the last record began. delimited_bytes
 * is how much of the file has been read. */
uint64_t delimited_line(const delimited *d);
uint64_t delimited_bytes(const delimited *d);

#endif
