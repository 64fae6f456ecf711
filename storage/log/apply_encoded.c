/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_encoded: stores the vectors that an encoder made of items' texts.
 *
 * A vector arrives after the write of its item and carries the hash of the text that it was made
 * from. If the text has changed since, the vector is dropped. An entry without a vector means that
 * the encoder refused the text, or that the item has no text any more: the old vector is removed,
 * and the encoder is not asked again until the text changes. A vector that a client gave stays,
 * also if it arrived after the encoder was asked. None of these counts as a change of the item, so
 * updated_seq stays.
 */
#include "core/common/mem.h"
#include "core/common/types.h"
#include "storage/log/log_private.h"
#include "storage/records/item_text.h"
#include "storage/records/records.h"

/* register_modality finds the number, and reports a new name. */
static err_code register_modality(applying *x, const feature *f, uint8_t *number, err *e)
{
    bool is_new = false;
    err_code code = modality_number(x->w, f->modality, f->width, number, &is_new, e);
    change *c = code == ERR_OK && is_new ? apply_change(x) : NULL;
    if (c != NULL) {
        c->kind = CHANGE_MODALITY;
        c->registered.number = *number;
        c->registered.width = f->width;
        c->registered.name = f->modality;
    }
    return code;
}

static err_code report(applying *x, const stored_item *it, err *e)
{
    size_t count = 0;
    change_item *ci = arena_alloc(&x->result->memory, 1, sizeof *ci);
    change *c = ci != NULL ? apply_change(x) : NULL;
    if (c == NULL) {
        return err_nomem(e, "results");
    }
    *ci = (change_item){.row = it->row,
                        .hidden = it->hidden,
                        .features_changed = true,
                        .id = it->id,
                        .title = it->title,
                        .description = it->description,
                        .created_at = it->created,
                        .updated_seq = it->updated_seq,
                        .categories = it->categories,
                        .category_count = it->category_count,
                        .attributes = it->attributes,
                        .attribute_count = it->attribute_count};
    c->kind = CHANGE_ITEM;
    c->item = ci;
    err_code code = features_get(x->r, it->row, &x->result->memory, &ci->features, &count, e);
    ci->feature_count = (uint32_t)count;
    return code;
}

static err_code keep(applying *x, const op_item *given, const modality *known, stored_item *it,
                     err *e)
{
    const feature *f = &given->features[0];
    uint8_t number = known->number;
    bool changed = true;
    err_code code = ERR_OK;
    if (f->data != NULL) {
        code = register_modality(x, f, &number, e);
        if (code == ERR_OK) {
            code = feature_put_encoded(x->w, it->row, number, f, e);
        }
    } else if (known->width > 0) {
        code = feature_remove(x->w, it->row, number, &changed, e);
    } else {
        changed = false;
    }
    it->encoded_hash = given->text_hash;
    if (code == ERR_OK) {
        code = item_put(x->w, it, e);
    }
    return code == ERR_OK && changed ? report(x, it, e) : code;
}

/* find_modality leaves a zeroed modality if the store does not know it yet. */
static err_code find_modality(applying *x, slice name, modality *out, err *e)
{
    err why = ERR_INIT;
    err_code code = modality_find(x->r, name, out, &why);
    if (code == ERR_NOT_FOUND) {
        *out = (modality){0};
        return ERR_OK;
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}

/* check_vector refuses a wrong width, and a vector for an item that has a given one, before
 * anything is written. */
static err_code check_vector(applying *x, uint32_t index, const stored_item *it,
                             const modality *known, bool *refused, err *e)
{
    const feature *f = &x->o->items[index].features[0];
    feature_origin origin = FEATURE_ABSENT;
    if (known->width == 0) {
        return ERR_OK;
    }
    if (f->data != NULL && known->width != f->width) {
        *refused = true;
        return apply_refuse(x, index, ERR_INVALID, "/vector", "expected %u numbers, not %u",
                            known->width, f->width);
    }
    err_code code = feature_origin_get(x->r, it->row, known->number, &origin, e);
    if (code == ERR_OK && item_text_given(it, origin)) {
        *refused = true;
        return apply_refuse(x, index, ERR_CONFLICT, "/vector", "the item has a given vector");
    }
    return code;
}

static err_code encoded_one(applying *x, uint32_t index, err *e)
{
    const op_item *given = &x->o->items[index];
    stored_item it = {0};
    modality known = {0};
    uint32_t row = ROW_NONE;
    bool refused = false;
    err why = ERR_INIT;
    err_code code = item_find(x->r, given->id, &row, &why);
    if (code != ERR_OK) {
        return apply_refuse_as(x, index, "/id", &why, e);
    }
    code = item_get(x->r, row, &x->result->memory, &it, e);
    char *text = code == ERR_OK ? arena_alloc(&x->result->memory, ITEM_TEXT_BYTES_MAX, 1) : NULL;
    if (code == ERR_OK && text == NULL) {
        code = err_nomem(e, "an item's text");
    }
    if (code != ERR_OK) {
        return code;
    }
    if (item_text_hash(text, item_text_write(&it, text)) != given->text_hash) {
        return apply_refuse(x, index, ERR_CONFLICT, "/text", "the text has changed since");
    }
    code = find_modality(x, given->features[0].modality, &known, e);
    if (code == ERR_OK) {
        code = check_vector(x, index, &it, &known, &refused, e);
    }
    if (code != ERR_OK || refused) {
        return code;
    }
    code = keep(x, given, &known, &it, e);
    x->result->entries[index].row = row;
    x->result->entries[index].outcome = APPLY_UPDATED;
    return code;
}

err_code apply_encoded(applying *x, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; i < x->o->count && code == ERR_OK; i++) {
        code = encoded_one(x, i, e);
    }
    return code;
}
