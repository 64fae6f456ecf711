/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_check: checks what apply relies on in an op, wherever the op comes from: a request, an import
 * or a log.
 */
#include "storage/log/op.h"

#include <math.h>

#include "storage/log/log_private.h"
#include "storage/models/generations.h"
#include "storage/records/records.h"

/* The first version that has each kind. */
static const uint8_t kind_since[] = {
    [OP_ITEMS_CREATE] = 2,        [OP_ITEMS_PUT] = 2,           [OP_ITEMS_PATCH] = 2,
    [OP_ITEMS_DELETE] = 2,        [OP_INTERACTIONS_ADD] = 2,    [OP_INTERACTIONS_REMOVE] = 2,
    [OP_USER_ERASE] = 2,          [OP_GENERATION_ACTIVATE] = 2, [OP_ITEMS_ENCODED] = 2,
    [OP_GENERATION_REGISTER] = 2, [OP_GENERATION_PRUNE] = 2,
};

static bool known_kind(op_kind kind)
{
    return (size_t)kind < sizeof kind_since && kind_since[kind] != 0;
}

unsigned op_version_least(const op *o)
{
    return known_kind(o->kind) ? kind_since[o->kind] : OP_VERSION;
}

static err_code check_text(slice s, size_t most, const char *what, err *e)
{
    if (s.at == NULL || s.length == 0 || s.length > most) {
        return err_set(e, ERR_INVALID, "%s: %zu bytes, expected 1 to %zu", what, s.length, most);
    }
    return ERR_OK;
}

static err_code check_attribute(const attribute *a, bool patch, err *e)
{
    err_code code = check_text(a->name, ATTRIBUTE_NAME_BYTES_MAX, "attribute name", e);
    if (code != ERR_OK) {
        return code;
    }
    bool fits = true;
    switch (a->kind) {
    case ATTRIBUTE_REMOVED: fits = patch; break;
    case ATTRIBUTE_TEXT:
        fits = a->text.at != NULL && a->text.length <= ATTRIBUTE_TEXT_BYTES_MAX;
        break;
    case ATTRIBUTE_NUMBER: fits = isfinite(a->number); break;
    case ATTRIBUTE_BOOL: break;
    case ATTRIBUTE_TEXTS:
        fits = a->text_count <= ATTRIBUTE_TEXTS_MAX;
        for (uint32_t i = 0; fits && i < a->text_count; i++) {
            fits = a->texts[i].at != NULL && a->texts[i].length <= ATTRIBUTE_TEXT_BYTES_MAX;
        }
        break;
    default: fits = false; break;
    }
    return fits ? ERR_OK
                : err_set(e, ERR_INVALID, "attribute %.*s: value out of range", (int)a->name.length,
                          a->name.at);
}

static err_code check_feature(const feature *f, err *e)
{
    err_code code = check_text(f->modality, MODALITY_NAME_BYTES_MAX, "modality name", e);
    if (code == ERR_OK && f->data != NULL &&
        ((f->dtype != FEATURE_F2 && f->dtype != FEATURE_F4) || f->width == 0 ||
         f->width > FEATURE_WIDTH_MAX)) {
        return err_set(e, ERR_INVALID, "features %.*s: type or width out of range",
                       (int)f->modality.length, f->modality.at);
    }
    return code;
}

static err_code check_encoded(const op_item *it, err *e)
{
    if (it->feature_count != 1 || it->text_hash == 0) {
        return err_set(e, ERR_INVALID, "item: expected the hash of its text and one vector");
    }
    return check_feature(&it->features[0], e);
}

static err_code check_item(const op_item *it, op_kind kind, err *e)
{
    err_code code = check_text(it->id, ID_BYTES_MAX, "item id", e);
    if (code == ERR_OK && kind == OP_ITEMS_ENCODED) {
        return check_encoded(it, e);
    }
    if (code != ERR_OK || kind == OP_ITEMS_DELETE) {
        return code;
    }
    if (it->category_count > CATEGORIES_MAX || it->attribute_count > ATTRIBUTES_MAX ||
        it->feature_count > MODALITIES_MAX || it->title.length > TITLE_BYTES_MAX ||
        it->description.length > DESCRIPTION_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "item: a list, the title or the description is too long");
    }
    for (uint32_t i = 0; code == ERR_OK && i < it->category_count; i++) {
        code = check_text(it->categories[i], CATEGORY_BYTES_MAX, "category", e);
    }
    for (uint32_t i = 0; code == ERR_OK && i < it->attribute_count; i++) {
        code = check_attribute(&it->attributes[i], kind == OP_ITEMS_PATCH, e);
        for (uint32_t j = 0; code == ERR_OK && j < i; j++) {
            if (slice_equal(it->attributes[i].name, it->attributes[j].name)) {
                code = err_set(e, ERR_INVALID, "an attribute occurs twice");
            }
        }
    }
    for (uint32_t i = 0; code == ERR_OK && i < it->feature_count; i++) {
        code = check_feature(&it->features[i], e);
        for (uint32_t j = 0; code == ERR_OK && j < i; j++) {
            if (slice_equal(it->features[i].modality, it->features[j].modality)) {
                code = err_set(e, ERR_INVALID, "a modality occurs twice");
            }
        }
    }
    return code;
}

static err_code check_interaction(const op_interaction *x, op_kind kind, err *e)
{
    err_code code = check_text(x->user, ID_BYTES_MAX, "user id", e);
    if (code == ERR_OK) {
        code = check_text(x->item, ID_BYTES_MAX, "item id", e);
    }
    if (code == ERR_OK && (kind == OP_INTERACTIONS_ADD || x->type.at != NULL)) {
        code = check_text(x->type, INTERACTION_TYPE_BYTES_MAX, "interaction type", e);
    }
    if (code == ERR_OK && kind == OP_INTERACTIONS_ADD &&
        (!isfinite(x->weight) || x->weight < 0 || x->split > 2 ||
         (x->flags & ~(EDGE_IN_GRAPH | EDGE_SEEN)) != 0)) {
        code = err_set(e, ERR_INVALID, "interaction: weight, split or flags out of range");
    }
    return code;
}

err_code op_check(const op *o, err *e)
{
    err_code code = ERR_OK;
    if (!known_kind(o->kind)) {
        return err_set(e, ERR_INVALID, "unknown kind of write %d", (int)o->kind);
    }
    if (op_version_least(o) > op_version(o)) {
        return err_set(e, ERR_INVALID, "a write of version %u has content of version %u",
                       op_version(o), op_version_least(o));
    }
    if (op_about_items(o->kind) || op_about_interactions(o->kind)) {
        if (o->count == 0 || o->count > OP_ENTRIES_MAX) {
            return err_set(e, ERR_INVALID, "%u entries, expected 1 to %d", o->count,
                           OP_ENTRIES_MAX);
        }
        for (uint32_t i = 0; code == ERR_OK && i < o->count; i++) {
            code = op_about_items(o->kind) ? check_item(&o->items[i], o->kind, e)
                                           : check_interaction(&o->interactions[i], o->kind, e);
            if (code != ERR_OK) {
                code = err_context(e, "entry %u", i);
            }
        }
        return code;
    }
    if (o->kind == OP_USER_ERASE) {
        return check_text(o->user, ID_BYTES_MAX, "user id", e);
    }
    if (o->kind == OP_GENERATION_REGISTER) {
        slice summary = o->registration.summary;
        return summary.length <= GENERATION_SUMMARY_BYTES_MAX
                   ? ERR_OK
                   : err_set(e, ERR_INVALID, "a generation's summary of %zu bytes, allowed %d",
                             summary.length, GENERATION_SUMMARY_BYTES_MAX);
    }
    return ERR_OK;
}
