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
    char text[QUOTE_TEXT_MAX]; /* in quotes: "sku-1"; cut with "..." */
} quoted;

/* quote puts valid UTF-8 into quotes, with control characters as \u00XX, and cuts it to
 * QUOTE_BYTES_MAX bytes. Use quote(id).text as an argument of a call; the text is valid until the
 * call ends. */
quoted quote(slice text);

#endif
