/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonl: a file of JSON documents, one a line.
 *
 * Empty lines are skipped; CRLF is accepted, and CR alone where the file has no LF. Members given
 * twice, invalid UTF-8 and anything after the document are errors, with path, line and column.
 * Memory is one line, of at most JSONL_LINE_BYTES_MAX. One thread at a time per reader.
 */
#ifndef STORAGE_JSONL_H
#define STORAGE_JSONL_H

#include <jansson.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/import/text_source.h"

enum { JSONL_LINE_BYTES_MAX = 16 * 1024 * 1024 };

typedef struct jsonl jsonl;

/* jsonl_open takes over `source`, which is closed on failure too. Close with jsonl_close, which
 * accepts NULL. */
err_code jsonl_open(jsonl **out, text_source *source, err *e) ERR_CHECKED;
void jsonl_close(jsonl *j);

/* jsonl_next gives the next document, borrowed until the next call; NULL at the end. ERR_INVALID
 * names the line; the next call continues after it. */
err_code jsonl_next(jsonl *j, const json_t **document, err *e) ERR_CHECKED;

/* The line of the last document, from 1; how many bytes were read. */
uint64_t jsonl_line(const jsonl *j);
uint64_t jsonl_bytes(const jsonl *j);

#endif
