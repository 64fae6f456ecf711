/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/quote.h"

#include <string.h>

#include "core/common/utf8.h"

quoted quote(slice text)
{
    static const char hex[] = "0123456789abcdef";
    quoted q;
    size_t length = 0;
    slice shown = utf8_cut(text, QUOTE_BYTES_MAX);
    q.text[length++] = '"';
    for (size_t i = 0; i < shown.length; i++) {
        unsigned char c = (unsigned char)shown.at[i];
        if (c >= 0x20 && c != 0x7f) {
            q.text[length++] = (char)c;
            continue;
        }
        memcpy(q.text + length, "\\u00", 4);
        q.text[length + 4] = hex[c >> 4];
        q.text[length + 5] = hex[c & 15];
        length += 6;
    }
    const char *end = shown.length < text.length ? "...\"" : "\"";
    memcpy(q.text + length, end, strlen(end) + 1);
    return q;
}
