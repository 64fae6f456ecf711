/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write: writes JSON text directly into a buffer, without building a tree.
 *
 * Frequent answers are a few hundred bytes of known shape; building a jansson tree for them would
 * cost more than the search. Text that is not JSON is appended with buffer_put. The buffer
 * remembers a failure, so a writer calls json_answer_check once, at the end.
 *
 * Numbers are short: nine significant digits for floats, which is exact for every float, and at
 * most seventeen for doubles.
 *
 * One thread at a time.
 */
#ifndef API_JSON_WRITE_H
#define API_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/buffer.h"
#include "core/common/err.h"
#include "core/common/slice.h"

/* json_answer_check turns a failure that the answer's buffer remembers into an error. */
err_code json_answer_check(const buffer *b, err *e) ERR_CHECKED;

/* json_put_string appends valid UTF-8 in quotes, escaped. json_put_text does so for a
 * NUL-terminated string. */
void json_put_string(buffer *b, slice text);
void json_put_text(buffer *b, const char *text);

/* json_digits writes a number in decimal, without a NUL, and returns how many digits it has. */
enum { JSON_DIGITS_MAX = 20 };
size_t json_digits(uint64_t value, char out[JSON_DIGITS_MAX]);

void json_put_unsigned(buffer *b, uint64_t value);
void json_put_signed(buffer *b, int64_t value);
void json_put_bool(buffer *b, bool value);

/* json_put_float and json_put_double append a finite number; anything else becomes null. */
void json_put_float(buffer *b, float value);
void json_put_double(buffer *b, double value);

/* json_put_key appends `"name":`, after a comma unless it is the first member of its object. Names
 * are constants that need no escaping. */
void json_put_key(buffer *b, const char *name);

/* json_put_comma appends a comma unless the buffer is empty or its last byte opens an object or a
 * list. */
void json_put_comma(buffer *b);

#endif
