/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_item_put: writes one item of a file into the staged store.
 */

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "storage/import/import_state.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"
#include "storage/records/items.h"

enum { ITEM_RECORD_BYTES = 512 };

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const attribute *)a)->name, ((const attribute *)b)->name);
}

/* note_row records the row of the next item of the file. */
static err_code note_row(import_state *s, uint32_t row, uint32_t line, err *e)
{
    if (s->file_count == s->file_capacity) {
        size_t capacity = s->file_capacity > 0 ? s->file_capacity * 2 : 1024;
        uint32_t *rows = mem_grow(s->file_rows, capacity, sizeof *rows);
        if (rows == NULL) {
            return err_nomem(e, "the items' rows");
        }
        s->file_rows = rows;
        uint32_t *lines = mem_grow(s->file_lines, capacity, sizeof *lines);
        if (lines == NULL) {
            return err_nomem(e, "the items' rows");
        }
        s->file_lines = lines;
        s->file_capacity = capacity;
    }
    s->file_rows[s->file_count] = row;
    s->file_lines[s->file_count++] = line;
    return ERR_OK;
}

static err_code refuse_second(const import_state *s, slice id, uint32_t row, err *e)
{
    size_t first = 0;
    while (first < s->file_count && s->file_rows[first] != row) {
        first++;
    }
    return err_set(e, ERR_INVALID, "id \"%.*s\" was in line %u already",
                   (int)(id.length < 60 ? id.length : 60), id.at,
                   first < s->file_count ? s->file_lines[first] : 0);
}

/* is_zero tells whether all numbers are zero of either sign: it ignores the top bit of each
 * little-endian number. */
static bool is_zero(const feature *f)
{
    const unsigned char *bytes = f->data;
    size_t each = feature_dtype_bytes(f->dtype);
    size_t total = (size_t)f->width * each;
    unsigned rest = 0;
    for (size_t i = 0; rest == 0 && i < total; i++) {
        rest = i % each == each - 1 ? bytes[i] & 0x7fU : bytes[i];
    }
    return rest == 0;
}

/* put_features leaves out encoded vectors unless `encoded`. */
static err_code put_features(import_state *s, const op_item *it, uint32_t row, bool encoded, err *e)
{
    err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < it->feature_count; i++) {
        const feature *f = &it->features[i];
        store_write *w = NULL;
        uint8_t number = 0;
        bool flag = false;
        if ((f->data == NULL && row >= s->old_items) || (f->encoded && !encoded)) {
            continue;
        }
        code = import_group(s, (size_t)f->width * 4 + 64, &w, e);
        if (code == ERR_OK && f->data == NULL) {
            modality known;
            if (modality_find(store_write_reads(w), f->modality, &known, NULL) == ERR_OK) {
                code = feature_remove(w, row, known.number, &flag, e);
            }
            continue;
        }
        if (code == ERR_OK) {
            code = modality_number(w, f->modality, f->width, &number, &flag, e);
        }
        if (code == ERR_OK) {
            code = f->encoded ? feature_put_encoded(w, row, number, f, e)
                              : feature_put(w, row, number, f, e);
        }
        if (code != ERR_OK) {
            err_context(e, "/features/%.*s", (int)f->modality.length, f->modality.at);
        }
        import_modality *m = import_modality_of(s, f->modality);
        if (m != NULL) {
            m->width = f->width;
            m->rows++;
            m->zero += is_zero(f);
            m->tiny += import_is_tiny(f);
        }
    }
    return code;
}

/* has_given tells whether a client gave the old item a vector of a modality for which `it` has one
 * that an encoder made. */
static err_code has_given(store_read *r, const stored_item *old, const op_item *it, bool *out,
                          err *e)
{
    err_code code = ERR_OK;
    *out = false;
    for (uint32_t i = 0; code == ERR_OK && !*out && i < it->feature_count; i++) {
        modality known;
        feature_origin origin = FEATURE_ABSENT;
        if (it->features[i].encoded &&
            modality_find(r, it->features[i].modality, &known, NULL) == ERR_OK) {
            code = feature_origin_get(r, old->row, known.number, &origin, e);
            *out = item_text_given(old, origin);
        }
    }
    return code;
}

/* replace_old sets *encoded to false if the vectors of `it` that an encoder made must be left out:
 * none replaces a given vector. */
static err_code replace_old(import_state *s, stored_item *record, const op_item *it, bool *encoded,
                            err *e)
{
    uint32_t row = record->row;
    bool given = false;
    if (bits_test(s->replaced, row)) {
        return refuse_second(s, record->id, row, e);
    }
    bits_set(s->replaced, row);
    store_write *w = NULL;
    stored_item old;
    err_code code = import_group(s, ITEM_RECORD_BYTES, &w, e);
    if (code == ERR_OK) {
        code = item_get(store_write_reads(w), row, &s->scratch, &old, e);
    }
    if (code == ERR_OK) {
        code = has_given(store_write_reads(w), &old, it, &given, e);
    }
    if (code == ERR_OK) {
        *encoded = !given;
        record->created = it->given & OP_CREATED ? record->created : old.created;
        record->predecessor = old.predecessor;
        record->encoded_hash = !given && it->text_hash != 0 ? it->text_hash : old.encoded_hash;
        code = item_put(w, record, e);
    }
    return code;
}

static err_code create_new(import_state *s, const stored_item *record, uint32_t *row, err *e)
{
    store_write *w = NULL;
    err_code code = import_group(s, ITEM_RECORD_BYTES, &w, e);
    stored_item made = *record;
    if (code == ERR_OK) {
        code = item_gone(store_write_reads(w), record->id, &made.predecessor, e);
    }
    if (code == ERR_OK) {
        code = item_create(w, &made, row, e);
    }
    if (code == ERR_OK) {
        s->item_rows = *row + 1;
        code = id_table_add(s->items, record->id, *row, e);
    }
    return code;
}

err_code import_item_put(import_state *s, const op_item *it, uint32_t line, err *e)
{
    stored_item record = {
        .id = it->id,
        .title = it->title,
        .description = it->description,
        .hidden = it->hidden,
        .categories = it->categories,
        .category_count = it->category_count,
        .attribute_count = it->attribute_count,
        .created = it->given & OP_CREATED ? it->created : s->options->now,
        .updated_seq = s->seq,
        .encoded_hash = it->text_hash,
    };
    bool encoded = true;
    if (it->attribute_count > 0) {
        attribute *sorted =
            arena_copy(&s->scratch, it->attributes, it->attribute_count * sizeof *sorted);
        if (sorted == NULL) {
            return err_nomem(e, "an item's attributes");
        }
        sort_array(sorted, it->attribute_count, sizeof *sorted, by_name);
        record.attributes = sorted;
    }
    err_code code = ERR_OK;
    if (!id_table_find(s->items, it->id, &record.row)) {
        code = create_new(s, &record, &record.row, e);
    } else if (record.row >= s->old_items) {
        code = refuse_second(s, it->id, record.row, e);
    } else {
        code = replace_old(s, &record, it, &encoded, e);
    }
    if (code == ERR_OK) {
        code = note_row(s, record.row, line, e);
    }
    return code == ERR_OK ? put_features(s, it, record.row, encoded, e) : code;
}

err_code import_item_bare(import_state *s, slice id, uint32_t *row, err *e)
{
    stored_item record = {.id = id,
                          .hidden = s->options->items != NULL,
                          .created = s->options->now,
                          .updated_seq = s->seq};
    return create_new(s, &record, row, e);
}
