/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64: RFC 4648, section 4, with padding, strictly.
 *
 * Feature vectors travel as base64 of little-endian floats. Strict means: one text for one run of
 * bytes; white space, missing padding and non-zero left-over bits are refused, so that nothing is
 * silently read as something else. Pure functions, thread-safe.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/slice.h"

/* base64_encoded_length gives the length of the text for `bytes` bytes, without a NUL. */
static inline size_t base64_encoded_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* base64_decoded_length gives the number of bytes that `text` would decode to, if it is valid;
 * it looks only at the length and the padding. */
size_t base64_decoded_length(slice text);

/* base64_encode writes base64_encoded_length(bytes) characters to `out`, no NUL. */
void base64_encode(const void *data, size_t bytes, char *out);

/* base64_decode writes base64_decoded_length(text) bytes to `out`; false if the text is not
 * valid, and then what is in `out` means nothing. */
bool base64_decode(slice text, void *out);

#endif
