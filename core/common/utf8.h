/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8: is this valid UTF-8?
 *
 * Ids come from path segments, CSV fields and JSON alike; one function decides for all of them.
 * Valid is what RFC 3629 says: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a
 * character like any other. Pure functions, thread-safe.
 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/slice.h"

/* utf8_valid tells whether all of `text` is valid; empty text is. */
bool utf8_valid(slice text);

/* utf8_cut gives the longest whole-character prefix of valid `text` with at most `bytes_max`
 * bytes: for quoting input in messages. */
slice utf8_cut(slice text, size_t bytes_max);

#endif
