/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_items: adds, changes and removes items.
 *
 * Removing an item clears it from the category bitmaps and columns and frees its tags. Users' lists
 * keep its row, which has no effect from then on: its edges do not count, because the item does not
 * exist.
 */
#include <string.h>

#include "core/common/mem.h"
#include "core/serve/filter/filter_column.h"
#include "core/serve/filter/filter_kept.h"
#include "core/serve/update/live_tables.h"

/* An item's word in the column of an attribute (interned name). */
typedef struct item_word {
    uint32_t name, row;
    uint64_t word;
} item_word;

/* set_category sets or clears the item's bit in one of the category bitmaps. */
static err_code set_category(live *l, uint32_t number, uint32_t row, bool on, err *e)
{
    void *bitmap = NULL;
    err_code code = pvec_edit(&bitmap, &l->next->categories, &l->txn, number, e);
    if (code != ERR_OK) {
        return code;
    }
    if (((pvec *)bitmap)->element_bytes == 0) {
        pvec_init(bitmap, sizeof(uint64_t), BITMAP_LEAF_BITS);
    }
    return live_bit(l, bitmap, row, on, NULL, e);
}

/* kept_number returns the bitmap of a value. A new value gets a new bitmap if the column has room
 * for it, and otherwise ROW_NONE. */
static err_code kept_number(uint32_t *out, live *l, attribute_column *column, kept_value value,
                            err *e)
{
    *out = ROW_NONE;
    if (kept_bitmap(l->next, value) == NULL) {
        if (column->kept == KEPT_MAX) {
            return ERR_OK;
        }
        column->kept++;
    }
    return kept_intern(out, l->strings, value, e);
}

/* keep_values sets or clears the item's bits in the bitmaps of its values, and adds the traces of
 * values without a bitmap to the word. */
static err_code keep_values(live *l, attribute_column *column, item_word *at, bool on, err *e)
{
    uint32_t values[ATTRIBUTE_TEXTS_MAX];
    size_t count = column_values(at->word, l->strings, values);
    err_code code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        uint32_t number = ROW_NONE;
        code = kept_number(&number, l, column, (kept_value){at->name, values[i]}, e);
        if (code == ERR_OK && number != ROW_NONE) {
            code = set_category(l, number, at->row, on, e);
        } else if (number == ROW_NONE) {
            at->word |= column_trace(at->word, values[i]);
        }
    }
    return code;
}

static err_code set_attribute(live *l, item_word *to, err *e)
{
    void *at = NULL, *place = NULL;
    err_code code = pvec_edit(&at, &l->next->attributes, &l->txn, to->name, e);
    if (code != ERR_OK) {
        return code;
    }
    attribute_column *column = at;
    if (column->words.element_bytes == 0) {
        pvec_init(&column->words, sizeof(uint64_t), COLUMN_LEAF_BITS);
    }
    item_word was = *to;
    was.word = *(const uint64_t *)pvec_get(&column->words, to->row);
    if (was.word == to->word) {
        return ERR_OK;
    }
    code = pvec_edit(&place, &column->words, &l->txn, to->row, e);
    if (code == ERR_OK) {
        code = keep_values(l, column, &was, false, e);
    }
    if (code == ERR_OK) {
        code = keep_values(l, column, to, true, e);
        *(uint64_t *)place = to->word;
    }
    return code;
}

static err_code untag(live *l, uint32_t row, const item_tags *tags, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; i < tags->category_count && code == ERR_OK; i++) {
        code = set_category(l, tags->ids[i], row, false, e);
    }
    for (uint32_t i = 0; i < tags->attribute_count && code == ERR_OK; i++) {
        item_word none = {tags->ids[tags->category_count + i], row, COLUMN_ABSENT};
        code = set_attribute(l, &none, e);
    }
    return code;
}

static err_code tag(live *l, uint32_t row, const change_item *item, item_tags *tags, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; i < item->category_count && code == ERR_OK; i++) {
        code = idmap_intern(&tags->ids[i], l->strings, item->categories[i], e);
        if (code == ERR_OK) {
            code = set_category(l, tags->ids[i], row, true, e);
        }
    }
    for (uint32_t i = 0; i < item->attribute_count && code == ERR_OK; i++) {
        uint32_t *number = &tags->ids[item->category_count + i];
        item_word to = {0, row, COLUMN_ABSENT};
        code = idmap_intern(number, l->strings, item->attributes[i].name, e);
        to.name = *number;
        if (code == ERR_OK) {
            code = column_encode(&to.word, l->strings, &item->attributes[i], e);
        }
        if (code == ERR_OK) {
            code = set_attribute(l, &to, e);
        }
    }
    return code;
}

err_code live_tag(live *l, uint32_t row, const change_item *item, err *e)
{
    void *place = NULL;
    err_code code = pvec_edit(&place, &l->next->tags, &l->txn, row, e);
    if (code != ERR_OK) {
        return code;
    }
    item_tags **tags = place;
    item_tags *old = *tags;
    if (old != NULL) {
        *tags = NULL;
        code = untag(l, row, old, e);
        if (code == ERR_OK) {
            code = pvec_txn_replaced(&l->txn, old, mem_free, e);
        }
    }
    size_t count = item != NULL ? (size_t)item->category_count + item->attribute_count : 0;
    if (code != ERR_OK || count == 0) {
        return code;
    }
    item_tags *fresh = mem_array(1, sizeof *fresh + count * sizeof fresh->ids[0]);
    if (fresh == NULL) {
        return err_nomem(e, "the tags of an item");
    }
    code = pvec_txn_made(&l->txn, fresh, mem_free, e);
    if (code != ERR_OK) {
        mem_free(fresh);
        return code;
    }
    fresh->category_count = item->category_count;
    fresh->attribute_count = item->attribute_count;
    code = tag(l, row, item, fresh, e);
    *tags = fresh;
    return code;
}

static err_code set_created(live *l, uint32_t row, int64_t created, err *e)
{
    void *place = NULL;
    err_code code = pvec_edit(&place, &l->next->created, &l->txn, row, e);
    if (code == ERR_OK) {
        *(int64_t *)place = created;
    }
    return code;
}

err_code live_follow(live *l, uint32_t predecessor, uint32_t row, err *e)
{
    void *place = NULL;
    if (predecessor == 0) {
        return ERR_OK;
    }
    err_code code = pvec_edit(&place, &l->next->successor, &l->txn, predecessor - 1, e);
    if (code == ERR_OK) {
        *(uint32_t *)place = row + 1;
    }
    return code;
}

err_code live_put_item(live *l, const change_item *item, err *e)
{
    view *v = l->next;
    uint32_t row = item->row;
    bool existed = row < v->item_rows && view_bit(&v->exists, row);
    err_code code = ERR_OK;
    if (!existed) {
        if (row < idmap_rows(l->item_ids) || row == ROW_NONE) {
            return err_set(e, ERR_INTERNAL, "item row %u is already in use", row);
        }
        code = idmap_put(l->item_ids, row, item->id, e);
        if (code == ERR_OK) {
            v->item_rows = (size_t)row + 1;
            v->items++;
            code = live_bit(l, &v->exists, row, true, NULL, e);
        }
        if (code == ERR_OK) {
            code = live_follow(l, item->predecessor, row, e);
        }
    }
    bool listed = false;
    if (code == ERR_OK) {
        code = live_bit(l, &v->listable, row, !item->hidden, &listed, e);
    }
    if (code == ERR_OK) {
        v->items_hidden -= existed && !listed ? 1 : 0;
        v->items_hidden += item->hidden ? 1 : 0;
        code = set_created(l, row, item->created_at, e);
    }
    if (code == ERR_OK) {
        code = live_moved(l, row, e);
    }
    if (code == ERR_OK) {
        code = live_tag(l, row, item, e);
    }
    if (code == ERR_OK && (item->features_changed || item->texts_changed)) {
        code = live_place(l, item, e);
    }
    return code;
}

err_code live_drop_item(live *l, uint32_t row, err *e)
{
    view *v = l->next;
    if (row >= v->item_rows || !view_bit(&v->exists, row)) {
        return ERR_OK;
    }
    bool listed = false;
    err_code code = live_bit(l, &v->exists, row, false, NULL, e);
    if (code == ERR_OK) {
        code = live_bit(l, &v->listable, row, false, &listed, e);
    }
    if (code == ERR_OK) {
        v->items--;
        v->items_hidden -= listed ? 0 : 1;
        v->interactions -= *(const uint32_t *)pvec_get(&v->records, row);
        v->changes++;
        code = live_unplace(l, row, e);
    }
    if (code == ERR_OK) {
        code = live_moved(l, row, e);
    }
    return code == ERR_OK ? live_tag(l, row, NULL, e) : code;
}
