/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_batch.h"

#include "core/common/mem.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"

enum { BATCH_BYTES_MAX = 1 << 30, FEATURES_BYTES_MAX = 64 << 20 };

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
    slice name; /* of the modality */
    bool replace;
    store_read *read;
    arena features;
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
    arena_init(&(*out)->features, FEATURES_BYTES_MAX);
    return ERR_OK;
}

void encode_texts_free(encode_texts *x)
{
    if (x != NULL) {
        arena_fini(&x->features);
        mem_free(x);
    }
}

static bool has_vector(encode_texts *x, uint32_t row)
{
    const feature *features = NULL;
    size_t count = 0;
    arena_reset(&x->features);
    if (features_get(x->read, row, &x->features, &features, &count, NULL) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(features[i].modality, x->name)) {
            return true;
        }
    }
    return false;
}

/* *length is the length of the text, 0 if the item has lost its text. */
static bool is_pending(encode_texts *x, const stored_item *it, size_t *length)
{
    bool vector = has_vector(x, it->row);
    if (x->replace && !it->deleted) {
        *length = item_text_write(it, x->text);
        return *length > 0;
    }
    return item_text_pending(it, vector, x->text, length);
}

bool encode_texts_pending(encode_texts *x, store_read *read, const stored_item *it)
{
    size_t length = 0;
    x->read = read;
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
    modality known;
    arena_reset(&b->memory);
    b->asked = b->emptied = 0;
    err_code code = store_read_begin(s, &x->read, e);
    for (size_t i = 0; code == ERR_OK && i < b->count; i++) {
        code = read_row(x, b, b->rows[i], e);
    }
    if (code == ERR_OK) {
        *width = modality_find(x->read, x->name, &known, NULL) == ERR_OK ? known.width : 0;
    }
    store_read_end(x->read);
    x->read = NULL;
    return code;
}
