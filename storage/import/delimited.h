/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delimited: CSV, TSV and RecBole's atomic files, line by line.
 *
 * The first line names the columns; RecBole's ":token", ":float", ":token_seq" and ":float_seq"
 * suffixes are stripped. The separator is a tab if the header has one, else a comma. With commas,
 * fields may be quoted as in RFC 4180 (a quote doubled inside quotes, line ends allowed); with
 * tabs, quotes mean nothing, as in RecBole. CRLF, a byte order mark and a missing last line end are
 * accepted; empty lines are skipped. Every line must have as many fields as the header.
 *
 * Memory is one line, of at most DELIMITED_LINE_BYTES_MAX. Messages start with "path:line".
 * One thread at a time per reader.
 */
#ifndef STORAGE_DELIMITED_H
#define STORAGE_DELIMITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/common/err.h"
#include "core/common/slice.h"

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

/* delimited_open reads the header. delimited_open_file takes over an open file (closed on failure
 * too) whose `name` goes into messages. ERR_NOT_FOUND, ERR_IO, ERR_INVALID (an empty file, too).
 * Close with delimited_close. */
err_code delimited_open(delimited **out, const char *path, err *e) ERR_CHECKED;
err_code delimited_open_file(delimited **out, FILE *file, const char *name, err *e) ERR_CHECKED;

/* delimited_close accepts NULL. */
void delimited_close(delimited *d);

/* The header: names without suffix, borrowed until close. */
size_t delimited_columns(const delimited *d);
slice delimited_column(const delimited *d, size_t index);
delimited_kind delimited_column_kind(const delimited *d, size_t index);

/* delimited_next gives the next line's fields (delimited_columns of them), borrowed until the next
 * call; *fields is NULL at the end. ERR_INVALID names the line. */
err_code delimited_next(delimited *d, const slice **fields, err *e) ERR_CHECKED;

/* delimited_line is the number, from 1, of the line on which the last record began;
 * delimited_bytes how far the file has been read. */
uint64_t delimited_line(const delimited *d);
uint64_t delimited_bytes(const delimited *d);

#endif
