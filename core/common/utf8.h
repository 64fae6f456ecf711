/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8: validates UTF-8.
 *
 * Ids come from paths, CSV fields and JSON; this one function checks them all, by RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF. NUL is valid. Pure functions, thread-safe.
 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/slice.h"

/* utf8_valid tells whether all of `text` is valid. Empty text is. */
bool utf8_valid(slice text);

/* utf8_cut returns the longest prefix of valid `text` of whole characters and at most `bytes_max`
 * bytes, for quoting input in messages. */
slice utf8_cut(slice text, size_t bytes_max);

#endif
