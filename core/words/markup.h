/* SPDX-License-Identifier: Apache-2.0 */
/*
 * markup: the characters that a reader sees in a text that may be HTML.
 *
 * Shops paste descriptions from web pages, so tags and comments count as a space, the content of
 * script and style is dropped, and entities become characters. A "<" that opens no tag is a
 * separator. Bytes that are not UTF-8, NUL and other control characters count as a space too: any
 * bytes at all can be read.
 *
 * A reader lives on the caller's stack and borrows the text. Nothing is allocated.
 */
#ifndef CORE_MARKUP_H
#define CORE_MARKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/slice.h"

typedef struct markup {
    const unsigned char *at, *end;
} markup;

markup markup_of(slice text);

/* markup_next gives the next character and false at the end. */
bool markup_next(markup *m, uint32_t *character);

#endif
