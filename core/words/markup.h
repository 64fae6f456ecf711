/* SPDX-License-Identifier: Apache-2.0 */
/*
 * markup: reads the visible characters of a text that may be HTML.
 *
 * Shops paste descriptions from web pages. So tags and comments count as a space, the content of
 * script and style is dropped, and entities become characters. A "<" that begins no tag is a
 * separator. Bytes that are not UTF-8, NUL and other control characters also count as a space, so
 * any bytes can be read.
 *
 * A reader is on the caller's stack and borrows the text. Nothing is allocated.
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

/* markup_next returns the next character, or false at the end. */
bool markup_next(markup *m, uint32_t *character);

#endif
