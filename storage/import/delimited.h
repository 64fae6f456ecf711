/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delimited: CSV, TSV and RecBole's atomic files, line by line.
 *
 * The first line names the columns, unless the caller does; RecBole's ":token", ":float",
 * ":token_seq" and ":float_seq" suffixes are stripped. The separator is the caller's, or what the
 * first line has: a tab, "::", whichever of ";" and "," is there more often, or "|". With "," and
 * ";" fields may be quoted as in RFC 4180 (a quote doubled inside quotes, line ends allowed); with
 * the others, quotes mean nothing, as in RecBole. Lines end in LF, CRLF or, where the file has no
 * LF, in CR; a missing last line end is accepted; empty lines are skipped. Every line must have as
 * many fields as there are columns.
 *
 * Memory is one line, of at most DELIMITED_LINE_BYTES_MAX. Messages start with "name:line".
 * One thread at a time per reader.
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

/* What a RecBole suffix says of a column; PLAIN: it has none. */
typedef enum delimited_kind {
    DELIMITED_PLAIN = 0,
    DELIMITED_TOKEN,
    DELIMITED_FLOAT,
    DELIMITED_TOKENS, /* separated by spaces */
    DELIMITED_FLOATS,
} delimited_kind;

typedef struct delimited_options {
    const char *header;    /* "a,b,c": the names of the columns; NULL: the first line has them */
    const char *separator; /* of 1 or 2 bytes; NULL: found out from the first line */
} delimited_options;

/* delimited_open reads the header. It takes over `source`, which is closed on failure too.
 * ERR_IO, ERR_INVALID (an empty file, too). Close with delimited_close, which accepts NULL. */
err_code delimited_open(delimited **out, text_source *source, const delimited_options *options,
                        err *e) ERR_CHECKED;
void delimited_close(delimited *d);

/* The columns: names without suffix, borrowed until close. A name may be empty, and there twice. */
size_t delimited_columns(const delimited *d);
slice delimited_column(const delimited *d, size_t index);
delimited_kind delimited_column_kind(const delimited *d, size_t index);

/* delimited_separator borrows the separator. */
const char *delimited_separator(const delimited *d);

/* delimited_next gives the next line's fields (delimited_columns of them), borrowed until the next
 * call; *fields is NULL at the end. ERR_INVALID names the line; the next call continues after it.
 */
err_code delimited_next(delimited *d, const slice **fields, err *e) ERR_CHECKED;

/* delimited_line is the number, from 1, of the line on which the last record began;
 * delimited_bytes how far the file has been read. */
uint64_t delimited_line(const delimited *d);
uint64_t delimited_bytes(const delimited *d);

#endif
