/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_source: reads a text file as UTF-8, also if it is compressed or in UTF-16.
 *
 * It reads gzip (with several members too), UTF-16 of either byte order, and UTF-8, each with or
 * without a byte order mark. The first bytes decide. Formats that it recognises but cannot read
 * (zip, xz, zstd, bzip2, Parquet) are refused by name. Readers of lines on top of it see plain
 * bytes. It never reads anything twice, so a pipe works like a file.
 *
 * It uses a few hundred KiB of memory. One thread at a time per source.
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

/* text_source_open opens a file and reads its beginning. text_source_take takes over an open file
 * and closes it on failure too. ERR_NOT_FOUND; ERR_IO; ERR_INVALID: a folder, or a format that
 * cannot be read. Messages begin with `name`. Close with text_source_close, which accepts NULL. */
err_code text_source_open(text_source **out, const char *path, err *e) ERR_CHECKED;
err_code text_source_take(text_source **out, FILE *file, const char *name, err *e) ERR_CHECKED;
void text_source_close(text_source *t);

const char *text_source_name(const text_source *t);

/* text_source_ahead borrows the next bytes, up to 64 KiB, until the first read. It is empty for an
 * empty file. */
slice text_source_ahead(const text_source *t);

/* text_source_is_json tells whether the name ends in .jsonl, .ndjson or .json, or the first byte
 * that is not blank is a brace. */
bool text_source_is_json(const text_source *t);

/* text_source_read reads up to `room` bytes. *got is 0 only at the end. ERR_IO; ERR_CORRUPT: the
 * rest of the file cannot be read. */
err_code text_source_read(text_source *t, char *into, size_t room, size_t *got, err *e) ERR_CHECKED;

/* text_source_bytes returns how many bytes of the file, as it is on disk, have been read. */
uint64_t text_source_bytes(const text_source *t);

#endif
