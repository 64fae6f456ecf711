/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonl: reads a file with one JSON document on each line.
 *
 * Empty lines are skipped. Lines end in LF or CRLF, or in CR if the file has no LF. Repeated
 * members, invalid UTF-8 and text after the document are errors, reported with path, line and
 * column. It holds one line in memory, of at most JSONL_LINE_BYTES_MAX. One thread at a time per
 * reader.
 */
#ifndef STORAGE_JSONL_H
#define STORAGE_JSONL_H

#include <jansson.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/import/text_source.h"

enum { JSONL_LINE_BYTES_MAX = 16 * 1024 * 1024 };

typedef struct jsonl jsonl;

/* jsonl_open takes over `source` and closes it on failure too. Close with jsonl_close, which
 * accepts NULL. */
err_code jsonl_open(jsonl **out, text_source *source, err *e) ERR_CHECKED;
void jsonl_close(jsonl *j);

/* jsonl_next returns the next document, borrowed until the next call, or NULL at the end.
 * ERR_INVALID names the line; the next call continues after it. */
err_code jsonl_next(jsonl *j, const json_t **document, err *e) ERR_CHECKED;

/* jsonl_line is the line of the last document, from 1. jsonl_bytes is how much of the file has been
 * read. */
uint64_t jsonl_line(const jsonl *j);
uint64_t jsonl_bytes(const jsonl *j);

#endif
