/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write: JSON text straight into a growing buffer, without a tree.
 *
 * Answers on the hot path are a few hundred bytes of known shape; building a jansson tree for them
 * would cost more than the search. A buffer has a ceiling from its birth and is used again for the
 * next answer, so that in the steady state nothing is allocated.
 *
 * Failure is sticky: when memory is out or the ceiling is reached, the buffer remembers it, later
 * writes do nothing, and the one check is json_buffer_check at the end. Numbers are shortest-ish:
 * nine significant digits for floats (exact for every float), seventeen at most for doubles.
 *
 * One thread at a time.
 */
#ifndef API_JSON_WRITE_H
#define API_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/budget.h"
#include "core/common/err.h"
#include "core/common/slice.h"

typedef struct json_buffer {
    char *at; /* (length) bytes, not NUL-terminated; NULL before the first write */
    size_t length;
    size_t capacity;
    size_t bytes_max;
    err_code failed; /* ERR_OK, ERR_NOMEM, ERR_TOO_LARGE or ERR_UNAVAILABLE */
    budget *budget;  /* what a capacity beyond JSON_BUFFER_FREE is taken from, for `caller`; NULL:
                        no budget */
    uint64_t caller;
    size_t taken; /* from the budget */
} json_buffer;

/* A buffer of this size or less takes nothing from a budget, so that small answers always pass. */
enum { JSON_BUFFER_FREE = 16 * 1024 };

/* json_buffer_init allocates nothing; bytes_max > 0. json_buffer_fini frees. */
void json_buffer_init(json_buffer *b, size_t bytes_max);
void json_buffer_fini(json_buffer *b);

/* json_buffer_reset empties the buffer and keeps its memory, unless that is above `keep_bytes`. */
void json_buffer_reset(json_buffer *b, size_t keep_bytes);

/* json_buffer_check reports a sticky failure. */
err_code json_buffer_check(const json_buffer *b, err *e) ERR_CHECKED;

/* json_put_raw appends bytes as they are; json_put_raw_text a NUL-terminated string. */
void json_put_raw(json_buffer *b, const char *bytes, size_t length);
void json_put_raw_text(json_buffer *b, const char *text);

/* json_put_string appends valid UTF-8 in quotes, escaped; json_put_text a NUL-terminated one. */
void json_put_string(json_buffer *b, slice text);
void json_put_text(json_buffer *b, const char *text);

void json_put_unsigned(json_buffer *b, uint64_t value);
void json_put_signed(json_buffer *b, int64_t value);
void json_put_bool(json_buffer *b, bool value);

/* json_put_float and json_put_double append a finite number; anything else becomes null. */
void json_put_float(json_buffer *b, float value);
void json_put_double(json_buffer *b, double value);

/* json_put_key appends `"name":`, with a comma before it unless it is the first of its object.
 * Names are ours and need no escaping. */
void json_put_key(json_buffer *b, const char *name);

/* json_put_comma appends a comma unless the last byte opens an object or a list (or nothing is
 * there). */
void json_put_comma(json_buffer *b);

#endif
