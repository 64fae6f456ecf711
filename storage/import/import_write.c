/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_write: the last phases, which write interactions and features into the staged store.
 */
#include <stdio.h>

#include "core/common/mem.h"
#include "storage/import/import_state.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"

enum { EDGE_BYTES = 96, TICK_EVERY = 16384 };

/* The records that an existing user already has, for the check of a merge. */
typedef struct old_records {
    interaction *list;
    size_t count, capacity;
} old_records;

static err_code note_record(void *ctx, const interaction *x, err *e)
{
    old_records *old = ctx;
    interaction *list = mem_reserve(old->list, &old->capacity, old->count + 1, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "a user's interactions");
    }
    old->list = list;
    old->list[old->count++] = *x;
    return ERR_OK;
}

/* check_old handles a merge: existing records count as earlier than new ones. *keep tells whether
 * `x` is new. */
static err_code check_old(import_state *s, const old_records *old, const import_edge *x, bool *keep,
                          err *e)
{
    *keep = true;
    for (size_t i = 0; i < old->count; i++) {
        const interaction *known = &old->list[i];
        if (known->item != x->item) {
            continue;
        }
        if (known->split != x->split && !s->options->keep_first) {
            static const char *const names[] = {"train", "valid", "test"};
            return err_set(e, ERR_INVALID,
                           "%s:%u: the store has the same user and item, but %s here and %s there; "
                           "keep the store's with --duplicates keep-first",
                           s->files[x->file], x->line, names[x->split % 3],
                           names[known->split % 3]);
        }
        *keep = *keep && known->split == x->split && known->type != x->type;
    }
    if (!*keep) {
        s->report->duplicates++;
    }
    return ERR_OK;
}

static err_code write_edge(import_state *s, const import_edge *x, err *e)
{
    interaction record = import_edge_record(x);
    store_write *w = NULL;
    bool known = false;
    err_code code = import_group(s, EDGE_BYTES, &w, e);
    import_edge_count(s, x);
    return code == ERR_OK ? interaction_put(w, &record, &known, e) : code;
}

static err_code load_old(import_state *s, uint32_t user, old_records *old, err *e)
{
    store_write *w = NULL;
    old->count = 0;
    if (user >= s->old_users) {
        return ERR_OK;
    }
    err_code code = import_group(s, 0, &w, e);
    return code == ERR_OK ? interactions_of_user(store_write_reads(w), user, 0, note_record, old, e)
                          : code;
}

err_code import_edges_write(import_state *s, err *e)
{
    old_records old = {0};
    err_code code = ERR_OK;
    if (!s->old_interactions) {
        return import_edges_append(s, e);
    }
    for (size_t i = 0; code == ERR_OK && i < s->edge_count; i++) {
        const import_edge *x = &s->edges[i];
        bool keep = true;
        if (i == 0 || s->edges[i - 1].user != x->user) {
            code = load_old(s, x->user, &old, e);
        }
        if (code == ERR_OK) {
            code = check_old(s, &old, x, &keep, e);
        }
        if (code == ERR_OK && keep) {
            code = write_edge(s, x, e);
        }
        if (code == ERR_OK && i % TICK_EVERY == 0) {
            code = import_tick(s, "writing interactions", i, s->edge_count, e);
        }
    }
    mem_free(old.list);
    return code;
}

/* name_rows makes row numbers the ids, if there is no items' file. All rows become items, in order,
 * so that a row of the model is a row of the file. */
static err_code name_rows(import_state *s, uint64_t rows, err *e)
{
    for (uint64_t i = 0; i < rows; i++) {
        char text[24];
        int length = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        slice id = {text, (size_t)length};
        uint32_t row = 0;
        if (!id_table_find(s->items, id, &row)) {
            err_code code = import_item_bare(s, id, &row, e);
            if (code != ERR_OK) {
                return code;
            }
        }
    }
    return ERR_OK;
}

static err_code check_rows(const import_state *s, size_t index, err *e)
{
    const import_options *o = s->options;
    uint64_t rows = npy_rows(s->npys[index].reader);
    if (o->items != NULL && rows != s->file_count) {
        return err_set(e, ERR_INVALID, "%s: %llu rows, but %s has %zu items",
                       o->features[index].path, (unsigned long long)rows, o->items, s->file_count);
    }
    uint64_t first = npy_rows(s->npys[0].reader);
    if (rows != first) {
        return err_set(e, ERR_INVALID, "%s: %llu rows, but %s has %llu", o->features[index].path,
                       (unsigned long long)rows, o->features[0].path, (unsigned long long)first);
    }
    return ERR_OK;
}

static err_code open_one(import_state *s, size_t index, err *e)
{
    const import_feature_file *file = &s->options->features[index];
    import_npy *n = &s->npys[index];
    err_code code = npy_open(&n->reader, file->path, e);
    if (code == ERR_OK) {
        code = check_rows(s, index, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    import_modality *m = import_modality_of(s, slice_of(file->modality));
    if (m != NULL && m->rows > 0) {
        return err_set(e, ERR_INVALID, "%s: %s has features \"%s\" too; give them once", file->path,
                       s->options->items, file->modality);
    }
    store_write *w = NULL;
    bool is_new = false;
    code = import_group(s, 64, &w, e);
    if (code == ERR_OK) {
        code = modality_number(w, slice_of(file->modality), npy_width(n->reader), &n->number,
                               &is_new, e);
    }
    if (code != ERR_OK) {
        err_context(e, "%s: features %s", file->path, file->modality);
    } else if (m != NULL) {
        m->width = npy_width(n->reader);
    }
    return code;
}

err_code import_features_open(import_state *s, err *e)
{
    err_code code = ERR_OK;
    if (import_faulty(s)) {
        return ERR_OK; /* the items' file has faults, so the rows would not match its items */
    }
    for (size_t i = 0; code == ERR_OK && i < s->options->feature_count; i++) {
        code = open_one(s, i, e);
    }
    if (code == ERR_OK && s->options->feature_count > 0 && s->options->items == NULL) {
        code = name_rows(s, npy_rows(s->npys[0].reader), e);
    }
    return code;
}

/* row_of returns the item row of a row of features. */
static uint32_t row_of(const import_state *s, uint64_t i)
{
    if (s->options->items != NULL) {
        return s->file_rows[i];
    }
    char text[24];
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
    uint32_t row = 0;
    /* name_rows created it, so the look-up succeeds */
    (void)id_table_find(s->items, (slice){text, (size_t)length}, &row);
    return row;
}

static err_code write_row(import_state *s, const import_npy *n, uint32_t row, npy_row kind,
                          const feature *f, err *e)
{
    store_write *w = NULL;
    bool was = false;
    if (kind == NPY_ROW_MISSING && row >= s->old_items) {
        return ERR_OK;
    }
    err_code code = import_group(s, (size_t)f->width * feature_dtype_bytes(f->dtype) + 64, &w, e);
    if (code == ERR_OK) {
        code = kind == NPY_ROW_MISSING ? feature_remove(w, row, n->number, &was, e)
                                       : feature_put(w, row, n->number, f, e);
    }
    return code;
}

static err_code copy_rows(import_state *s, size_t index, void *values, err *e)
{
    const import_feature_file *file = &s->options->features[index];
    import_npy *n = &s->npys[index];
    import_modality *m = import_modality_of(s, slice_of(file->modality));
    uint64_t rows = npy_rows(n->reader);
    feature f = {.modality = slice_of(file->modality),
                 .dtype = npy_dtype(n->reader),
                 .width = npy_width(n->reader),
                 .data = values};
    err_code code = ERR_OK;
    for (uint64_t i = 0; code == ERR_OK && i < rows; i++) {
        npy_row kind = NPY_ROW_VALUES;
        code = npy_read(n->reader, values, &kind, e);
        if (code == ERR_OK) {
            code = write_row(s, n, row_of(s, i), kind, &f, e);
        }
        if (m != NULL) {
            m->rows += kind != NPY_ROW_MISSING;
            m->zero += kind == NPY_ROW_ZERO;
            m->tiny += kind == NPY_ROW_VALUES && import_is_tiny(&f);
            m->missing += kind == NPY_ROW_MISSING;
        }
        if (code == ERR_OK && i % 1024 == 0) {
            code = import_tick(s, "copying features", i, rows, e);
        }
    }
    return code;
}

err_code import_features_write(import_state *s, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < s->options->feature_count; i++) {
        void *values = mem_array(npy_width(s->npys[i].reader), sizeof(float));
        code = values == NULL ? err_nomem(e, "a row of features") : copy_rows(s, i, values, e);
        mem_free(values);
        npy_close(s->npys[i].reader);
        s->npys[i].reader = NULL;
    }
    return code;
}
