/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_record: encodes an item, and the lists that ops share with it.
 *
 *     version u8, tagged fields (codec.h), seal
 *
 * A later version of stair can add a field under a new, higher tag without a new format. An older
 * version keeps unknown fields when it rewrites the item. A tombstone holds only id, flags, times
 * and the references to other rows.
 */
#include <math.h>
#include <string.h>

#include "storage/records/records.h"

enum { ITEM_HIDDEN = 1, ITEM_DELETED = 2 }; /* bits of FIELD_FLAGS */

/* A field with its default value (0, absent or empty) is not written. */
enum {
    FIELD_FLAGS = 1,       /* u8 */
    FIELD_CREATED = 2,     /* i64 */
    FIELD_UPDATED_SEQ = 3, /* u64 */
    FIELD_ID = 4,          /* the bytes; title and description likewise */
    FIELD_TITLE = 5,
    FIELD_DESCRIPTION = 6,
    FIELD_CATEGORIES = 7,   /* count u32, each a string */
    FIELD_ATTRIBUTES = 8,   /* count u32, each name, kind u8, value */
    FIELD_ENCODED = 9,      /* u64 */
    FIELD_PREDECESSOR = 10, /* u32, 1 + row */
    FIELD_LAST = FIELD_PREDECESSOR,
};

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

static void text_encode(encoder *x, uint8_t tag, slice text)
{
    if (text.at != NULL) {
        size_t begun = encode_field_begin(x, tag);
        encode_bytes(x, text.at, text.length);
        encode_field_end(x, begun);
    }
}

static void number_encode(encoder *x, uint8_t tag, uint64_t value)
{
    if (value != 0) {
        size_t begun = encode_field_begin(x, tag);
        encode_u64(x, value);
        encode_field_end(x, begun);
    }
}

static void lists_encode(encoder *x, const stored_item *it)
{
    if (it->category_count > 0) {
        size_t begun = encode_field_begin(x, FIELD_CATEGORIES);
        slices_encode(x, it->categories, it->category_count);
        encode_field_end(x, begun);
    }
    if (it->attribute_count > 0) {
        size_t begun = encode_field_begin(x, FIELD_ATTRIBUTES);
        attributes_encode(x, it->attributes, it->attribute_count);
        encode_field_end(x, begun);
    }
}

void item_encode(const stored_item *it, encoder *x)
{
    uint8_t flags = (uint8_t)((it->hidden ? ITEM_HIDDEN : 0) | (it->deleted ? ITEM_DELETED : 0));
    encode_u8(x, ITEM_RECORD_VERSION);
    if (flags != 0) {
        size_t begun = encode_field_begin(x, FIELD_FLAGS);
        encode_u8(x, flags);
        encode_field_end(x, begun);
    }
    number_encode(x, FIELD_CREATED, (uint64_t)it->created);
    number_encode(x, FIELD_UPDATED_SEQ, it->updated_seq);
    text_encode(x, FIELD_ID, it->id);
    text_encode(x, FIELD_TITLE, it->title);
    text_encode(x, FIELD_DESCRIPTION, it->description);
    lists_encode(x, it);
    number_encode(x, FIELD_ENCODED, it->encoded_hash);
    if (it->predecessor != 0) {
        size_t begun = encode_field_begin(x, FIELD_PREDECESSOR);
        encode_u32(x, it->predecessor);
        encode_field_end(x, begun);
    }
    encode_bytes(x, it->later.at, it->later.length);
    encode_seal(x);
}

static slice rest_of(decoder *d, size_t most)
{
    slice text = {(const char *)d->at, (size_t)(d->end - d->at)};
    d->failed = d->failed || text.length > most;
    d->at = d->end;
    return text;
}

static void flags_decode(decoder *d, stored_item *out)
{
    uint8_t flags = decode_u8(d);
    out->hidden = (flags & ITEM_HIDDEN) != 0;
    out->deleted = (flags & ITEM_DELETED) != 0;
    d->failed = d->failed || (flags & ~(ITEM_HIDDEN | ITEM_DELETED)) != 0;
}

static void field_decode(uint8_t tag, decoder *d, arena *a, stored_item *out)
{
    switch (tag) {
    case FIELD_FLAGS: flags_decode(d, out); break;
    case FIELD_CREATED: out->created = decode_i64(d); break;
    case FIELD_UPDATED_SEQ: out->updated_seq = decode_u64(d); break;
    case FIELD_ID: out->id = rest_of(d, ID_BYTES_MAX); break;
    case FIELD_TITLE: out->title = rest_of(d, TITLE_BYTES_MAX); break;
    case FIELD_DESCRIPTION: out->description = rest_of(d, DESCRIPTION_BYTES_MAX); break;
    case FIELD_CATEGORIES:
        slices_decode(d, a, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &out->categories,
                      &out->category_count);
        break;
    case FIELD_ATTRIBUTES: attributes_decode(d, a, &out->attributes, &out->attribute_count); break;
    case FIELD_ENCODED: out->encoded_hash = decode_u64(d); break;
    case FIELD_PREDECESSOR: out->predecessor = decode_u32(d); break;
    default: d->failed = true; break;
    }
}

err_code item_decode(stored_item *out, uint32_t row, slice bytes, arena *a, err *e)
{
    decoder d, field;
    uint8_t tag = 0;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, ITEM_RECORD_VERSION, "item", e);
    if (code != ERR_OK) {
        return code;
    }
    out->row = row;
    for (const unsigned char *begun = d.at; decode_field(&d, &tag, &field); begun = d.at) {
        if (tag > FIELD_LAST) {
            out->later.at = out->later.at != NULL ? out->later.at : (const char *)begun;
            out->later.length = (size_t)((const char *)d.at - out->later.at);
            continue;
        }
        field_decode(tag, &field, a, out);
        decode_field_end(&d, &field);
    }
    if (out->id.length == 0) {
        d.failed = true;
    }
    return decoder_check(&d, "item", e);
}
