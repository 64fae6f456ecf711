/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/utf8.h"

#include <stdint.h>

/* sequence_length returns the length of the valid sequence at `at`, or 0. The allowed range of the
 * second byte depends on the first: this excludes overlong forms, surrogates and characters above
 * U+10FFFF. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char first = at[0];
    if (first < 0x80) {
        return 1;
    }
    size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                    : first >= 0xe0 && first <= 0xef ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool utf8_valid(slice text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t left = text.length;
    while (left > 0) {
        size_t length = sequence_length(at, left);
        if (length == 0) {
            return false;
        }
        at += length;
        left -= length;
    }
    return true;
}

slice utf8_cut(slice text, size_t bytes_max)
{
    if (text.length <= bytes_max) {
        return text;
    }
    while (bytes_max > 0 && ((unsigned char)text.at[bytes_max] & 0xc0) == 0x80) {
        bytes_max--;
    }
    text.length = bytes_max;
    return text;
}
