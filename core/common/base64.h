/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64: strict base64 with padding (RFC 4648, section 4).
 *
 * Feature vectors are sent as base64 of little-endian floats. Strict means that each byte string
 * has exactly one text: white space, missing padding and left-over bits that are not zero are
 * refused, so that nothing is silently misread. Pure functions, thread-safe.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/slice.h"

/* base64_encoded_length returns the length of the text for `bytes` bytes, without a NUL. */
static inline size_t base64_encoded_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* base64_decoded_length returns how many bytes `text` decodes to if it is valid. It uses only the
 * length and the padding. */
size_t base64_decoded_length(slice text);

/* base64_encode writes base64_encoded_length(bytes) characters to `out`, without a NUL. */
void base64_encode(const void *data, size_t bytes, char *out);

/* base64_decode writes base64_decoded_length(text) bytes to `out`. It returns false if the text is
 * invalid; the content of `out` is then undefined. */
bool base64_decode(slice text, void *out);

#endif
