/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_json: the one document that a command's --json puts on standard output.
 */
#ifndef SERVER_PRINT_JSON_H
#define SERVER_PRINT_JSON_H

#include <jansson.h>

#include "core/common/err.h"

/* print_json writes `document`, by jansson's `flags`, and a line end; NULL: there was no memory for
 * it, ERR_NOMEM with `what`. ERR_FULL or ERR_IO if standard output does not take it. The document
 * stays the caller's. */
err_code print_json(const json_t *document, size_t flags, const char *what, err *e) ERR_CHECKED;

#endif
