/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/item_text.h"

#include <string.h>

#include "core/words/markup.h"
#include "storage/env/checksum.h"

typedef struct line_writer {
    char *out;
    size_t used;
} line_writer;

/* put_character appends a character as UTF-8 if it fits. */
static bool put_character(line_writer *w, uint32_t c)
{
    size_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (w->used + bytes > ITEM_TEXT_BYTES_MAX) {
        return false;
    }
    unsigned char *to = (unsigned char *)w->out + w->used;
    for (size_t i = bytes - 1; i > 0; i--) {
        to[i] = (unsigned char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    to[0] = (unsigned char)(lead[bytes] | c);
    w->used += bytes;
    return true;
}

/* put_line appends a text without its markup, and reduces runs of spaces to one. */
static void put_line(line_writer *w, slice text)
{
    markup m = markup_of(text);
    uint32_t c = 0;
    bool space = false, begun = false;
    while (markup_next(&m, &c)) {
        if (c == ' ') {
            space = begun;
            continue;
        }
        char before = begun ? ' ' : '\n';
        bool parted = !begun && w->used > 0;
        if ((space || parted) && !put_character(w, (unsigned char)before)) {
            return;
        }
        if (!put_character(w, c)) {
            return;
        }
        begun = true;
        space = false;
    }
}

size_t item_text_write(const stored_item *it, char *out)
{
    line_writer w = {out, 0};
    put_line(&w, it->title);
    put_line(&w, it->description);
    for (uint32_t i = 0; i < it->category_count; i++) {
        put_line(&w, it->categories[i]);
    }
    for (uint32_t i = 0; i < it->attribute_count; i++) {
        const attribute *a = &it->attributes[i];
        if (a->kind == ATTRIBUTE_TEXT) {
            put_line(&w, a->text);
        }
        for (uint32_t t = 0; a->kind == ATTRIBUTE_TEXTS && t < a->text_count; t++) {
            put_line(&w, a->texts[t]);
        }
    }
    return w.used;
}

uint64_t item_text_hash(const char *text, size_t length)
{
    uint64_t hash = checksum64(text, length);
    return hash > ITEM_TEXT_AGAIN ? hash : ITEM_TEXT_AGAIN + 1;
}

bool item_text_given(const stored_item *it, feature_origin vector)
{
    return vector == FEATURE_GIVEN || (vector == FEATURE_UNMARKED && it->encoded_hash == 0);
}

bool item_text_pending(const stored_item *it, feature_origin vector, char *out, size_t *length)
{
    *length = 0;
    if (it->deleted || item_text_given(it, vector)) {
        return false;
    }
    *length = item_text_write(it, out);
    return (*length > 0 || it->encoded_hash != 0) &&
           item_text_hash(out, *length) != it->encoded_hash;
}
