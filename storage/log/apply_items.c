/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_items: creates, replaces, patches and deletes items.
 *
 * For each entry it finds the row, builds the new record, checks features and size, and only then
 * writes. Features that equal the stored ones byte for byte are not written again and count as
 * unchanged, so a nightly sync of the whole catalogue causes no new embeddings.
 */
#include <stdlib.h>
#include <string.h>

#include "core/common/sort.h"
#include "core/common/types.h"
#include "core/words/words.h"
#include "storage/log/log_private.h"
#include "storage/records/records.h"

typedef struct draft {
    const op_item *given;
    uint32_t index;
    bool exists;
    stored_item it; /* the item after the op */
    bool features_changed;
    bool texts_changed; /* a text that words are made of has changed */
} draft;

static int by_name(const void *a, const void *b)
{
    const attribute *left = a, *right = b;
    return slice_compare(left->name, right->name);
}

static err_code set_attributes(applying *x, draft *d, err *e)
{
    const op_item *given = d->given;
    bool patch = x->o->kind == OP_ITEMS_PATCH;
    uint32_t kept = patch && (given->given & OP_NO_ATTRIBUTES) == 0 ? d->it.attribute_count : 0;
    uint32_t added = given->given & OP_ATTRIBUTES ? given->attribute_count : 0;
    attribute *made = arena_alloc(&x->result->memory, (size_t)kept + added, sizeof *made);
    uint32_t count = 0;
    if (made == NULL) {
        return err_nomem(e, "attributes");
    }
    for (uint32_t i = 0; i < kept; i++) {
        bool replaced = false;
        for (uint32_t j = 0; j < added && !replaced; j++) {
            replaced = slice_equal(d->it.attributes[i].name, given->attributes[j].name);
        }
        if (!replaced) {
            made[count++] = d->it.attributes[i];
        }
    }
    for (uint32_t j = 0; j < added; j++) {
        if (given->attributes[j].kind != ATTRIBUTE_REMOVED) {
            made[count++] = given->attributes[j];
        }
    }
    sort_array(made, count, sizeof *made, by_name);
    d->it.attributes = made;
    d->it.attribute_count = count;
    return ERR_OK;
}

static err_code draw_up(applying *x, draft *d, err *e)
{
    const op_item *given = d->given;
    bool patch = x->o->kind == OP_ITEMS_PATCH;
    stored_item *it = &d->it;
    it->id = given->id;
    it->updated_seq = x->seq;
    if (!patch || (given->given & OP_TITLE)) {
        it->title = given->given & OP_TITLE ? given->title : (slice){NULL, 0};
    }
    if (!patch || (given->given & OP_DESCRIPTION)) {
        it->description = given->given & OP_DESCRIPTION ? given->description : (slice){NULL, 0};
    }
    if (!patch) {
        it->later = (slice){NULL, 0};
    }
    if (!patch || (given->given & OP_CATEGORIES)) {
        it->categories = given->given & OP_CATEGORIES ? given->categories : NULL;
        it->category_count = given->given & OP_CATEGORIES ? given->category_count : 0;
    }
    if (given->given & OP_CREATED) {
        it->created = given->created;
    } else if (!d->exists) {
        it->created = x->o->time;
    }
    if (!patch || (given->given & OP_HIDDEN)) {
        it->hidden = (given->given & OP_HIDDEN) != 0 && given->hidden;
    }
    if (!patch || (given->given & (OP_ATTRIBUTES | OP_NO_ATTRIBUTES))) {
        return set_attributes(x, d, e);
    }
    return ERR_OK;
}

static bool same_texts(const slice *one, const slice *other, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal(one[i], other[i])) {
            return false;
        }
    }
    return true;
}

/* next_text returns the index of the next text attribute at or after `at`. */
static uint32_t next_text(const stored_item *it, uint32_t at)
{
    while (at < it->attribute_count && it->attributes[at].kind != ATTRIBUTE_TEXT &&
           it->attributes[at].kind != ATTRIBUTE_TEXTS) {
        at++;
    }
    return at;
}

static bool same_attribute(const attribute *one, const attribute *other)
{
    return one->kind == other->kind && slice_equal(one->name, other->name) &&
           slice_equal(one->text, other->text) && one->text_count == other->text_count &&
           same_texts(one->texts, other->texts, one->text_count);
}

/* same_words tells whether two versions of an item have the same words. A changed price or stock
 * leaves them as they are. */
static bool same_words(const stored_item *was, const stored_item *is)
{
    if (!slice_equal(was->title, is->title) || !slice_equal(was->description, is->description) ||
        was->category_count != is->category_count ||
        !same_texts(was->categories, is->categories, is->category_count)) {
        return false;
    }
    uint32_t i = next_text(was, 0), j = next_text(is, 0);
    while (i < was->attribute_count && j < is->attribute_count) {
        if (!same_attribute(&was->attributes[i], &is->attributes[j])) {
            return false;
        }
        i = next_text(was, i + 1);
        j = next_text(is, j + 1);
    }
    return i == was->attribute_count && j == is->attribute_count;
}

/* feature_pointer returns the JSON pointer of a vector: a modality's name may contain characters
 * that must be escaped. */
static const char *feature_pointer(applying *x, slice name)
{
    char escaped[2 * MODALITY_NAME_BYTES_MAX + 1];
    size_t length = 0;
    for (size_t i = 0; i < name.length && i < MODALITY_NAME_BYTES_MAX; i++) {
        char c = name.at[i];
        if (c == '~' || c == '/') {
            escaped[length++] = '~';
            c = c == '~' ? '0' : '1';
        }
        escaped[length++] = c;
    }
    return arena_printf(&x->result->memory, "/features/%.*s", (int)length, escaped);
}

/* check_features checks the widths and the number of modalities. */
static err_code check_features(applying *x, draft *d, bool *refused, err *e)
{
    arena memory;
    const modality *known = NULL;
    size_t known_count = 0, fresh = 0;
    if ((d->given->given & OP_FEATURES) == 0 || d->given->feature_count == 0) {
        return ERR_OK;
    }
    arena_init(&memory, 64 * 1024);
    err_code code = modality_list(x->r, &memory, &known, &known_count, e);
    for (uint32_t i = 0; code == ERR_OK && !*refused && i < d->given->feature_count; i++) {
        const feature *f = &d->given->features[i];
        size_t at = 0;
        while (at < known_count && !slice_equal(known[at].name, f->modality)) {
            at++;
        }
        bool is_new = at == known_count && f->data != NULL;
        fresh += is_new;
        if (is_new && slice_equal(f->modality, slice_of(WORDS_MODALITY))) {
            *refused = true;
            code = apply_refuse(x, d->index, ERR_INVALID, feature_pointer(x, f->modality),
                                "the name is reserved for the vectors made from items' words");
        } else if (at < known_count && f->data != NULL && known[at].width != f->width) {
            *refused = true;
            code = apply_refuse(x, d->index, ERR_INVALID, feature_pointer(x, f->modality),
                                "expected %u numbers, not %u", known[at].width, f->width);
        } else if (is_new && known_count + fresh > MODALITIES_MAX) {
            *refused = true;
            code = apply_refuse(x, d->index, ERR_TOO_LARGE, feature_pointer(x, f->modality),
                                "the store would have more than %d modalities", MODALITIES_MAX);
        }
    }
    arena_fini(&memory);
    return code;
}

static err_code check_size(applying *x, draft *d, bool *refused)
{
    encoder bytes;
    encoder_init(&bytes, ITEM_RECORD_BYTES_MAX);
    item_encode(&d->it, &bytes);
    err_code code = bytes.out.failed;
    encoder_fini(&bytes);
    if (code == ERR_OK && d->it.attribute_count > ATTRIBUTES_MAX) {
        *refused = true;
        return apply_refuse(x, d->index, ERR_TOO_LARGE, "/attributes",
                            "the item would have %u attributes, at most %d are allowed",
                            d->it.attribute_count, ATTRIBUTES_MAX);
    }
    if (code == ERR_TOO_LARGE) {
        *refused = true;
        return apply_refuse(x, d->index, ERR_TOO_LARGE, NULL,
                            "the item's texts take more than %d bytes", ITEM_RECORD_BYTES_MAX);
    }
    return code;
}

/* --- writing --- */

static bool same_feature(applying *x, uint32_t row, uint8_t number, const feature *f)
{
    unsigned char key[5] = {number};
    slice value, k = {(const char *)key, sizeof key};
    feature old;
    put_be32(key + 1, row);
    return schema_get(x->r, DB_FEATURES, k, &value, NULL) == ERR_OK &&
           feature_decode(&old, f->width, value, NULL) == ERR_OK && old.dtype == f->dtype &&
           memcmp(old.data, f->data, f->width * feature_dtype_bytes(f->dtype)) == 0;
}

static err_code put_feature(applying *x, draft *d, const feature *f, err *e)
{
    uint8_t number = 0;
    bool is_new = false;
    err_code code = modality_number(x->w, f->modality, f->width, &number, &is_new, e);
    if (code == ERR_OK && is_new) {
        change *c = apply_change(x);
        if (c == NULL) {
            return err_nomem(e, "results");
        }
        c->kind = CHANGE_MODALITY;
        c->registered.number = number;
        c->registered.width = f->width;
        c->registered.name = f->modality;
    }
    if (code == ERR_OK && !same_feature(x, d->it.row, number, f)) {
        d->features_changed = true;
        code = feature_put(x->w, d->it.row, number, f, e);
    }
    return code;
}

static err_code remove_feature(applying *x, draft *d, slice name, err *e)
{
    modality m;
    bool was = false;
    err_code code = modality_find(x->r, name, &m, NULL);
    if (code == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    code = code == ERR_OK ? feature_remove(x->w, d->it.row, m.number, &was, e)
                          : err_set(e, code, "reading the modalities");
    d->features_changed = d->features_changed || was;
    return code;
}

static err_code write_features(applying *x, draft *d, err *e)
{
    const op_item *given = d->given;
    err_code code = ERR_OK;
    if ((given->given & OP_NO_FEATURES) && d->exists) {
        for (uint8_t number = 0; code == ERR_OK && number < MODALITIES_MAX; number++) {
            bool was = false;
            code = feature_remove(x->w, d->it.row, number, &was, e);
            d->features_changed = d->features_changed || was;
        }
    }
    for (uint32_t i = 0; code == ERR_OK && (given->given & OP_FEATURES) && i < given->feature_count;
         i++) {
        const feature *f = &given->features[i];
        code = f->data != NULL ? put_feature(x, d, f, e) : remove_feature(x, d, f->modality, e);
    }
    return code;
}

/* report_features lists all features that the item now has. A new item has those of its op and no
 * others, so they need not be read back from the store. */
static err_code report_features(applying *x, const draft *d, change_item *ci, err *e)
{
    size_t count = 0;
    if (d->exists) {
        err_code code = features_get(x->r, d->it.row, &x->result->memory, &ci->features, &count, e);
        ci->feature_count = (uint32_t)count;
        return code;
    }
    feature *given = arena_alloc(&x->result->memory, d->given->feature_count, sizeof *given);
    if (given == NULL) {
        return err_nomem(e, "results");
    }
    for (uint32_t i = 0; (d->given->given & OP_FEATURES) && i < d->given->feature_count; i++) {
        if (d->given->features[i].data != NULL) {
            given[count++] = d->given->features[i];
        }
    }
    ci->features = given;
    ci->feature_count = (uint32_t)count;
    return ERR_OK;
}

static err_code report_item(applying *x, const draft *d, err *e)
{
    change_item *ci = arena_alloc(&x->result->memory, 1, sizeof *ci);
    change *c = ci != NULL ? apply_change(x) : NULL;
    if (c == NULL) {
        return err_nomem(e, "results");
    }
    *ci = (change_item){.row = d->it.row,
                        .created = !d->exists,
                        .hidden = d->it.hidden,
                        .features_changed = d->features_changed,
                        .texts_changed = d->texts_changed,
                        .id = d->it.id,
                        .predecessor = d->it.predecessor,
                        .title = d->it.title,
                        .description = d->it.description,
                        .created_at = d->it.created,
                        .updated_seq = d->it.updated_seq,
                        .categories = d->it.categories,
                        .category_count = d->it.category_count,
                        .attributes = d->it.attributes,
                        .attribute_count = d->it.attribute_count,
                        .prepared =
                            d->features_changed || d->texts_changed ? d->given->prepared : NULL};
    c->kind = CHANGE_ITEM;
    c->item = ci;
    return d->features_changed || d->texts_changed ? report_features(x, d, ci, e) : ERR_OK;
}

static err_code write_item(applying *x, draft *d, err *e)
{
    err_code code = d->exists ? ERR_OK : item_gone(x->r, d->it.id, &d->it.predecessor, e);
    if (code == ERR_OK) {
        code = d->exists ? item_put(x->w, &d->it, e) : item_create(x->w, &d->it, &d->it.row, e);
    }
    if (code == ERR_OK) {
        code = write_features(x, d, e);
    }
    if (code == ERR_OK) {
        code = report_item(x, d, e);
    }
    apply_entry *entry = &x->result->entries[d->index];
    entry->row = d->it.row;
    entry->outcome = d->exists ? APPLY_UPDATED : APPLY_CREATED;
    return code;
}

static err_code put_one(applying *x, uint32_t index, err *e)
{
    draft d = {.given = &x->o->items[index], .index = index};
    bool refused = false;
    uint32_t row = ROW_NONE;
    op_kind kind = x->o->kind;
    err why = ERR_INIT;
    err_code code = item_find(x->r, d.given->id, &row, &why);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        return err_set(e, code, "%s", why.text);
    }
    d.exists = code == ERR_OK;
    x->result->entries[index].row = row;
    if (d.exists && kind == OP_ITEMS_CREATE) {
        return apply_refuse(x, index, ERR_CONFLICT, "/id", "the item exists");
    }
    if (!d.exists && kind == OP_ITEMS_PATCH) {
        return apply_refuse(x, index, ERR_NOT_FOUND, "/id", "unknown item");
    }
    code = d.exists ? item_get(x->r, row, &x->result->memory, &d.it, e) : ERR_OK;
    stored_item was = d.it;
    if (code == ERR_OK) {
        code = draw_up(x, &d, e);
    }
    d.texts_changed = code == ERR_OK && !same_words(&was, &d.it);
    if (code == ERR_OK) {
        code = check_features(x, &d, &refused, e);
    }
    if (code == ERR_OK && !refused) {
        code = check_size(x, &d, &refused);
    }
    return code == ERR_OK && !refused ? write_item(x, &d, e) : code;
}

static err_code delete_one(applying *x, uint32_t index, err *e)
{
    uint32_t row = ROW_NONE;
    err why = ERR_INIT;
    err_code code = item_find(x->r, x->o->items[index].id, &row, &why);
    if (code != ERR_OK) {
        return apply_refuse_as(x, index, "/id", &why, e);
    }
    code = item_delete(x->w, row, x->seq, e);
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    c->kind = CHANGE_ITEM_GONE;
    c->row.row = row;
    x->result->entries[index].row = row;
    x->result->entries[index].outcome = APPLY_REMOVED;
    return ERR_OK;
}

err_code apply_items(applying *x, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; i < x->o->count && code == ERR_OK; i++) {
        code = x->o->kind == OP_ITEMS_DELETE ? delete_one(x, i, e) : put_one(x, i, e);
    }
    return code;
}
