/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/model_store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/env/codec.h"
#include "storage/models/blob_load.h"
#include "storage/models/generations.h"
#include "storage/models/links_store.h"
#include "storage/models/model_record.h"

typedef struct table {
    char name[BLOB_NAME_MAX + 1];
    float **at;
    size_t rows, columns;
    bool of_users;
} table;

enum { TABLES_FIXED = 6, TABLES_OF_MODALITY = 4 };

/* tables lists every table of a model with its shape. Writing and reading use the same list. */
static size_t tables(model *m, table *out)
{
    const table fixed[TABLES_FIXED] = {
        {"w", &m->w, 1, m->dim, false},
        {"f", &m->f, 1, m->dim, false},
        {"user_e", &m->user_e, m->users, m->dim, true},
        {"item_e", &m->item_e, m->items, m->dim, false},
        {"item_h", &m->item_h, m->items, m->dim, false},
        {"item_g", &m->item_g, m->items, m->dim, false},
    };
    size_t count = TABLES_FIXED;
    memcpy(out, fixed, sizeof fixed);
    for (size_t i = 0; i < m->modality_count; i++) {
        model_modality *mo = &m->modalities[i];
        const table of_modality[TABLES_OF_MODALITY] = {
            {"mean", &mo->mean, 1, mo->width, false},
            {"projection", &mo->projection, mo->width, m->dim, false},
            {"spread", &mo->spread, 1, m->dim, false},
            {"content", &mo->content, m->items, m->dim, false},
        };
        for (size_t j = 0; j < TABLES_OF_MODALITY; j++) {
            out[count] = of_modality[j];
            snprintf(out[count].name, sizeof out[count].name, "m%u.%.40s", (unsigned)i,
                     of_modality[j].name);
            count++;
        }
    }
    return count;
}

static table *tables_new(size_t modalities)
{
    return mem_array(TABLES_FIXED + modalities * TABLES_OF_MODALITY, sizeof(table));
}

err_code model_put(store *s, const generation_id *generation, const model *m, const void *ann,
                   size_t ann_bytes, err *e)
{
    model copy = *m; /* the list needs a model that can be changed; putting only reads */
    table *list = tables_new(m->modality_count);
    encoder meta;
    encoder_init(&meta, MODEL_RECORD_BYTES_MAX);
    model_encode(m, &meta);
    err_code code = list != NULL ? encoder_check(&meta, "model", e) : err_nomem(e, "a model");
    if (code == ERR_OK) {
        code = generation_put(s, generation, "meta", meta.out.at, meta.out.length, 0, e);
    }
    size_t count = code == ERR_OK ? tables(&copy, list) : 0;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        size_t row = list[i].columns * sizeof(float);
        code = generation_put(s, generation, list[i].name, *list[i].at, list[i].rows * row,
                              list[i].of_users ? row : 0, e);
    }
    if (code == ERR_OK && m->user_pairs != NULL) {
        size_t row = sizeof *m->user_pairs;
        code = generation_put(s, generation, "user_pairs", m->user_pairs, m->users * row, row, e);
    }
    if (code == ERR_OK && m->links != NULL) {
        code = links_put(s, generation, m->links, e);
    }
    if (code == ERR_OK && m->map != NULL) {
        size_t bytes = m->map->width * m->map->width * sizeof *m->map->w;
        code = generation_put(s, generation, "content_map", m->map->w, bytes, 0, e);
    }
    if (code == ERR_OK && ann != NULL && ann_bytes > 0) {
        code = generation_put(s, generation, "ann", ann, ann_bytes, 0, e);
    }
    encoder_fini(&meta);
    mem_free(list);
    return code;
}

/* --- loading --- */

err_code model_describe(store *s, uint32_t generation, model **out, err *e)
{
    size_t bytes = 0;
    *out = NULL;
    err_code code = blob_size(s, generation, "meta", &bytes, e);
    if (code == ERR_OK && bytes > MODEL_RECORD_BYTES_MAX) {
        code = err_set(e, ERR_CORRUPT,
                       "generation %u: its meta table has %zu bytes, expected at most %d",
                       generation, bytes, MODEL_RECORD_BYTES_MAX);
    }
    void *meta = code == ERR_OK ? mem_array(bytes, 1) : NULL;
    if (code == ERR_OK && meta == NULL) {
        code = err_nomem(e, "a model");
    }
    if (code == ERR_OK) {
        code = blob_load(s, generation, "meta", 0, meta, bytes, e);
    }
    if (code == ERR_OK) {
        code = model_decode(out, (slice){meta, bytes}, e);
    }
    mem_free(meta);
    return code;
}

static err_code load_table(store *s, uint32_t generation, const table *t, err *e)
{
    size_t bytes = 0, expected = t->rows * t->columns * sizeof(float);
    err_code code = blob_size(s, generation, t->name, &bytes, e);
    if (code == ERR_NOT_FOUND) {
        /* the error's text becomes "generation n has no x" */
        code = err_set(NULL, ERR_CORRUPT, "missing");
        if (e != NULL) {
            e->code = ERR_CORRUPT;
        }
    }
    if (code == ERR_OK && bytes != expected) {
        code = err_set(e, ERR_CORRUPT, "generation %u: %s has %zu bytes, expected %zu", generation,
                       t->name, bytes, expected);
    }
    if (code == ERR_OK) {
        *t->at = mem_table(t->rows * t->columns, sizeof(float));
        code = *t->at != NULL ? blob_load(s, generation, t->name, 0, *t->at, bytes, e)
                              : err_nomem(e, "a model");
    }
    if (bytes >= BLOB_LOAD_BYTES) {
        store_forget_pages(s); /* otherwise the table counts twice as memory until all are read */
    }
    return code;
}

/* load_user_pairs leaves the pointer NULL for a generation from before this table was
 * introduced. */
static err_code load_user_pairs(store *s, uint32_t generation, model *m, err *e)
{
    err none = ERR_INIT;
    size_t bytes = 0, expected = m->users * sizeof *m->user_pairs;
    err_code code = blob_size(s, generation, "user_pairs", &bytes, &none);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", none.text);
    }
    if (bytes != expected) {
        return err_set(e, ERR_CORRUPT, "generation %u: user_pairs has %zu bytes, expected %zu",
                       generation, bytes, expected);
    }
    m->user_pairs = mem_array(m->users, sizeof *m->user_pairs);
    return m->user_pairs != NULL
               ? blob_load(s, generation, "user_pairs", 0, m->user_pairs, bytes, e)
               : err_nomem(e, "a model");
}

static bool all_finite(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

/* load_map loads the map between features, a square table. A generation without a map has no such
 * blob. */
static err_code load_map(store *s, uint32_t generation, model *m, err *e)
{
    err none = ERR_INIT;
    size_t bytes = 0, width = 0;
    err_code code = blob_size(s, generation, "content_map", &bytes, &none);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", none.text);
    }
    while (width * width * sizeof(float) < bytes && width < CONTENT_MAP_WIDTH_MAX) {
        width++;
    }
    if (width * width * sizeof(float) != bytes) {
        return err_set(e, ERR_CORRUPT,
                       "generation %u: content_map has %zu bytes, which is not a square matrix of "
                       "4-byte numbers",
                       generation, bytes);
    }
    m->map = mem_array(1, sizeof *m->map);
    float *w = mem_table(width * width, sizeof *w);
    if (m->map == NULL || w == NULL) {
        mem_free(w);
        return err_nomem(e, "a model");
    }
    *m->map = (content_map){width, w};
    code = blob_load(s, generation, "content_map", 0, w, bytes, e);
    if (code == ERR_OK && !all_finite(w, width * width)) {
        code = err_set(e, ERR_CORRUPT, "generation %u: content_map: expected finite numbers",
                       generation);
    }
    return code;
}

err_code model_get(store *s, uint32_t generation, bool with_h, model **out, err *e)
{
    model *m = NULL;
    *out = NULL;
    err_code code = model_describe(s, generation, &m, e);
    table *list = code == ERR_OK ? tables_new(m->modality_count) : NULL;
    if (code == ERR_OK && list == NULL) {
        code = err_nomem(e, "a model");
    }
    size_t count = code == ERR_OK ? tables(m, list) : 0;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if (with_h || strcmp(list[i].name, "item_h") != 0) {
            code = load_table(s, generation, &list[i], e);
        }
    }
    if (code == ERR_OK) {
        code = load_user_pairs(s, generation, m, e);
    }
    if (code == ERR_OK) {
        code = model_own_weights(m, e);
    }
    if (code == ERR_OK && m->links != NULL) {
        code = links_get(s, generation, m->links, e);
    }
    if (code == ERR_OK) {
        code = load_map(s, generation, m, e);
    }
    mem_free(list);
    if (code != ERR_OK) {
        model_free(m);
        return code;
    }
    *out = m;
    return ERR_OK;
}

err_code model_ann_get(store *s, uint32_t generation, void **out, size_t *bytes, err *e)
{
    err why = ERR_INIT;
    *out = NULL;
    *bytes = 0;
    err_code code = blob_size(s, generation, "ann", bytes, &why);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", why.text);
    }
    void *made = mem_array(*bytes, 1);
    if (made == NULL) {
        return err_nomem(e, "the clustering");
    }
    code = blob_load(s, generation, "ann", 0, made, *bytes, e);
    if (code != ERR_OK) {
        mem_free(made);
        return code;
    }
    *out = made;
    return ERR_OK;
}

err_code model_h_read(void *ctx, size_t first, size_t count, float *out, err *e)
{
    const model_h_source *source = ctx;
    size_t row = source->dim * sizeof(float);
    return blob_load(source->s, source->generation, "item_h", first * row, out, count * row, e);
}
