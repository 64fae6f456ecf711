/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_record: the bytes of an item, and of the lists that it shares with ops.
 *
 *   version u8, flags u8 (1 hidden, 2 deleted), created i64, updated_seq u64, id, title,
 *   categories (count u32, each a string), attributes (count u32, each name, kind, value)
 *
 * A tombstone has id and flags and empty lists.
 */
#include <math.h>
#include <string.h>

#include "storage/records/records.h"

enum { ITEM_HIDDEN = 1, ITEM_DELETED = 2 };

void slices_encode(encoder *x, const slice *slices, uint32_t count)
{
    encode_u32(x, count);
    for (uint32_t i = 0; i < count; i++) {
        slice empty = {"", 0};
        encode_slice(x, slices[i].at != NULL ? slices[i] : empty);
    }
}

void slices_decode(decoder *d, arena *a, uint32_t most, size_t length_max, const slice **out,
                   uint32_t *count)
{
    *out = NULL;
    *count = decode_count(d, most, 4);
    slice *made = *count > 0 ? arena_alloc(a, *count, sizeof *made) : NULL;
    if (*count > 0 && made == NULL) {
        decode_nomem(d);
        *count = 0;
        return;
    }
    for (uint32_t i = 0; i < *count; i++) {
        made[i] = decode_slice(d, length_max);
        if (made[i].at == NULL) {
            d->failed = true;
        }
    }
    *out = made;
}

void attributes_encode(encoder *x, const attribute *attributes, uint32_t count)
{
    encode_u32(x, count);
    for (uint32_t i = 0; i < count; i++) {
        const attribute *a = &attributes[i];
        encode_slice(x, a->name);
        encode_u8(x, (uint8_t)a->kind);
        switch (a->kind) {
        case ATTRIBUTE_REMOVED: break;
        case ATTRIBUTE_TEXT: encode_slice(x, a->text); break;
        case ATTRIBUTE_NUMBER: encode_f64(x, a->number); break;
        case ATTRIBUTE_BOOL: encode_u8(x, a->truth); break;
        case ATTRIBUTE_TEXTS: slices_encode(x, a->texts, a->text_count); break;
        }
    }
}

static void attribute_decode(decoder *d, arena *a, attribute *out)
{
    out->name = decode_slice(d, ATTRIBUTE_NAME_BYTES_MAX);
    uint8_t kind = decode_u8(d);
    out->kind = kind;
    switch (kind) {
    case ATTRIBUTE_REMOVED: break;
    case ATTRIBUTE_TEXT: out->text = decode_slice(d, ATTRIBUTE_TEXT_BYTES_MAX); break;
    case ATTRIBUTE_NUMBER: out->number = decode_f64(d); break;
    case ATTRIBUTE_BOOL: out->truth = decode_u8(d) != 0; break;
    case ATTRIBUTE_TEXTS:
        slices_decode(d, a, ATTRIBUTE_TEXTS_MAX, ATTRIBUTE_TEXT_BYTES_MAX, &out->texts,
                      &out->text_count);
        break;
    default: d->failed = true; break;
    }
    if (out->name.at == NULL || (kind == ATTRIBUTE_TEXT && out->text.at == NULL) ||
        (kind == ATTRIBUTE_NUMBER && !isfinite(out->number))) {
        d->failed = true;
    }
}

void attributes_decode(decoder *d, arena *a, const attribute **out, uint32_t *count)
{
    *out = NULL;
    *count = decode_count(d, ATTRIBUTES_MAX, 5);
    attribute *made = *count > 0 ? arena_alloc(a, *count, sizeof *made) : NULL;
    if (*count > 0 && made == NULL) {
        decode_nomem(d);
        *count = 0;
        return;
    }
    for (uint32_t i = 0; i < *count; i++) {
        attribute_decode(d, a, &made[i]);
    }
    *out = made;
}

void item_encode(const stored_item *it, encoder *x)
{
    encode_u8(x, ITEM_RECORD_VERSION);
    encode_u8(x, (uint8_t)((it->hidden ? ITEM_HIDDEN : 0) | (it->deleted ? ITEM_DELETED : 0)));
    encode_i64(x, it->created);
    encode_u64(x, it->updated_seq);
    encode_slice(x, it->id);
    encode_slice(x, it->title);
    slices_encode(x, it->categories, it->category_count);
    attributes_encode(x, it->attributes, it->attribute_count);
}

err_code item_decode(stored_item *out, uint32_t row, slice bytes, arena *a, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init(&d, bytes);
    err_code rc = decode_version(&d, ITEM_RECORD_VERSION, "item", e);
    if (rc != ERR_OK) {
        return rc;
    }
    uint8_t flags = decode_u8(&d);
    out->row = row;
    out->hidden = (flags & ITEM_HIDDEN) != 0;
    out->deleted = (flags & ITEM_DELETED) != 0;
    out->created = decode_i64(&d);
    out->updated_seq = decode_u64(&d);
    out->id = decode_slice(&d, ID_BYTES_MAX);
    out->title = decode_slice(&d, TITLE_BYTES_MAX);
    slices_decode(&d, a, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &out->categories,
                  &out->category_count);
    attributes_decode(&d, a, &out->attributes, &out->attribute_count);
    if (out->id.length == 0 || (flags & ~(ITEM_HIDDEN | ITEM_DELETED)) != 0) {
        d.failed = true;
    }
    return decoder_check(&d, "item", e);
}
