/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result: where a command prints its result.
 *
 * One rule for all commands: the result goes to standard output, whether people or programs read
 * it. Progress and remarks about the run go to standard error. With --json the result is exactly
 * one document, so the lines for people, where a command prints them too, go to standard error.
 */
#ifndef SERVER_RESULT_H
#define SERVER_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/common/err.h"

/* result_stream returns the stream for the lines that people read. */
FILE *result_stream(bool json);

/* result_json writes `document` with jansson's `flags`, and a line end. ERR_NOMEM, naming `what`:
 * `document` is NULL. ERR_FULL or ERR_IO: standard output cannot be written. The caller keeps the
 * document. */
err_code result_json(const json_t *document, size_t flags, const char *what, err *e) ERR_CHECKED;

/* result_flush writes what standard output still buffers. It fails like result_json, also if an
 * earlier line was lost. */
err_code result_flush(err *e) ERR_CHECKED;

#endif
