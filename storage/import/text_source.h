/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_source: a file of text as UTF-8, whatever it was packed in.
 *
 * Files come compressed by gzip (several members too), in UTF-16 of either byte order, or in
 * UTF-8, each with or without a byte order mark. The first bytes tell; what they tell of and cannot
 * be read (zip, xz, zstd, bzip2, Parquet) is refused with its name. Readers of lines sit on top and
 * see plain bytes. A pipe is read like a file: nothing is looked at twice.
 *
 * Memory is some hundred KiB. One thread at a time per source.
 */
#ifndef STORAGE_TEXT_SOURCE_H
#define STORAGE_TEXT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/common/err.h"
#include "core/common/slice.h"

typedef struct text_source text_source;

/* text_source_open opens a file and reads its beginning. text_source_take takes over an open one
 * (closed on failure too). ERR_NOT_FOUND, ERR_IO, ERR_INVALID (a folder, or packed in a way that
 * is not read); messages begin with `name`. Close with text_source_close, which accepts NULL. */
err_code text_source_open(text_source **out, const char *path, err *e) ERR_CHECKED;
err_code text_source_take(text_source **out, FILE *file, const char *name, err *e) ERR_CHECKED;
void text_source_close(text_source *t);

const char *text_source_name(const text_source *t);

/* text_source_ahead borrows the bytes that come next, up to 64 KiB of them, until the first read;
 * empty for an empty file. */
slice text_source_ahead(const text_source *t);

/* text_source_is_json tells whether the name says so (.jsonl, .ndjson, .json), or the first byte
 * that is not blank is a brace. */
bool text_source_is_json(const text_source *t);

/* text_source_read gives up to `room` bytes; *got is 0 at the end only. ERR_IO; ERR_CORRUPT: the
 * rest of the file cannot be read. */
err_code text_source_read(text_source *t, char *into, size_t room, size_t *got, err *e) ERR_CHECKED;

/* How many bytes of the file, as it lies on the disk, have been read. */
uint64_t text_source_bytes(const text_source *t);

#endif
