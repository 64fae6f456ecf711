/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_batch.h"

#include "core/common/mem.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"

enum { BATCH_BYTES_MAX = 1 << 30 };

void encode_batch_free(encode_batch *b)
{
    if (b != NULL) {
        arena_fini(&b->memory);
        embed_vectors_fini(&b->vectors);
        mem_free(b);
    }
}

encode_batch *encode_batch_new(void)
{
    encode_batch *b = mem_array(1, sizeof *b);
    if (b != NULL) {
        arena_init(&b->memory, BATCH_BYTES_MAX);
    }
    return b;
}

struct encode_texts {
    slice name; /* name of the encoder's modality */
    bool replace;
    /* the read transaction in use; number and width are those of the modality in it, width 0 if it
     * has none yet */
    store_read *read;
    uint8_t number;
    uint32_t width;
    char text[ITEM_TEXT_BYTES_MAX];
};

err_code encode_texts_new(encode_texts **out, slice name, bool replace, err *e)
{
    *out = mem_array(1, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the texts of the items");
    }
    (*out)->name = name;
    (*out)->replace = replace;
    return ERR_OK;
}

void encode_texts_free(encode_texts *x)
{
    mem_free(x);
}

/* origin_of tells who made the item's vector. A vector that cannot be read counts as given. */
static feature_origin origin_of(const encode_texts *x, uint32_t row)
{
    feature_origin origin = FEATURE_ABSENT;
    if (x->width == 0) {
        return FEATURE_ABSENT;
    }
    return feature_origin_get(x->read, row, x->number, &origin, NULL) == ERR_OK ? origin
                                                                                : FEATURE_GIVEN;
}

/* is_pending tells whether the item waits for a vector. *length is the length of its text, 0 if it
 * has lost its text. */
static bool is_pending(encode_texts *x, const stored_item *it, size_t *length)
{
    feature_origin origin = origin_of(x, it->row);
    bool pending = item_text_pending(it, origin, x->text, length);
    return pending || (x->replace && *length > 0 && !item_text_given(it, origin));
}

/* begin looks the modality up in a read transaction. */
static void begin(encode_texts *x, store_read *read)
{
    modality known;
    bool found = modality_find(read, x->name, &known, NULL) == ERR_OK;
    x->read = read;
    x->number = found ? known.number : 0;
    x->width = found ? known.width : 0;
}

bool encode_texts_pending(encode_texts *x, store_read *read, const stored_item *it)
{
    size_t length = 0;
    begin(x, read);
    return is_pending(x, it, &length);
}

static err_code read_row(encode_texts *x, encode_batch *b, uint32_t row, err *e)
{
    stored_item it = {0};
    size_t length = 0;
    err why = ERR_INIT;
    err_code code = item_get(x->read, row, &b->memory, &it, &why);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", why.text);
    }
    if (!is_pending(x, &it, &length)) {
        return ERR_OK;
    }
    if (length == 0) {
        b->emptied_ids[b->emptied++] = it.id;
        return ERR_OK;
    }
    slice text = arena_slice(&b->memory, (slice){x->text, length});
    if (text.at == NULL) {
        return err_nomem(e, "the texts of a call");
    }
    b->texts[b->asked] = text;
    b->ids[b->asked] = it.id;
    b->hashes[b->asked] = item_text_hash(text.at, text.length);
    b->asked_rows[b->asked++] = row;
    return ERR_OK;
}

err_code encode_batch_read(encode_batch *b, encode_texts *x, store *s, uint32_t *width, err *e)
{
    store_read *read = NULL;
    arena_reset(&b->memory);
    b->asked = b->emptied = 0;
    err_code code = store_read_begin(s, &read, e);
    if (code != ERR_OK) {
        return code;
    }
    begin(x, read);
    for (size_t i = 0; code == ERR_OK && i < b->count; i++) {
        code = read_row(x, b, b->rows[i], e);
    }
    *width = x->width;
    store_read_end(read);
    return code;
}
