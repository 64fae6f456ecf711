/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quote: prepares what a caller sent for use in a message.
 *
 * Ids and parameters may be long and may contain any character, including NUL, which would end a C
 * string. Pure functions, thread-safe.
 */
#ifndef API_QUOTE_H
#define API_QUOTE_H

#include "core/common/slice.h"

enum { QUOTE_BYTES_MAX = 64, QUOTE_TEXT_MAX = 6 * QUOTE_BYTES_MAX + 6 };

typedef struct quoted {
    char text[QUOTE_TEXT_MAX]; /* "sku-1" with its quotes; cut with "..." */
} quoted;

/* quote puts valid UTF-8 into quotes: control characters as \u00XX, at most QUOTE_BYTES_MAX bytes.
 * Meant for quote(id).text among the arguments of a call, at whose end the text ends too. */
quoted quote(slice text);

#endif
