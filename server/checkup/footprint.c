/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/footprint.h"

#include "core/common/arena.h"
#include "core/model/model.h"
#include "storage/models/model_store.h"
#include "storage/records/features.h"

enum {
    PROGRAM_BYTES = 12 << 20,
    ITEM_BYTES = 200, /* id, categories, attributes */
    USER_BYTES = 104, /* id, count, heads of lists */
    INTERACTION_BYTES = 16,
    NAMES_BYTES_MAX = 64 * 1024,
};

/* A row of floats and its 8-bit codes. */
static uint64_t searched(uint64_t rows, uint64_t width)
{
    return rows * width * (sizeof(float) + 1);
}

/* Wide features are folded, and more so if there are many items. */
static uint64_t content(uint64_t items, uint64_t width)
{
    return searched(items, content_width((size_t)width, (size_t)items));
}

/* Estimates what the next training would produce. */
static err_code untrained(store *s, const store_info *info, uint64_t *bytes, err *e)
{
    store_read *r = NULL;
    arena memory;
    const modality *all = NULL;
    size_t count = 0;
    arena_init(&memory, NAMES_BYTES_MAX);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = modality_list(r, &memory, &all, &count, e);
    }
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        *bytes += content(info->item_rows, all[i].width);
    }
    store_read_end(r);
    arena_fini(&memory);
    return code;
}

static err_code trained(store *s, const store_info *info, footprint *out, uint64_t *bytes, err *e)
{
    model *m = NULL;
    err_code code = model_describe(s, info->generation, &m, e);
    if (code == ERR_OK) {
        out->dim = m->dim;
        for (size_t i = 0; i < m->modality_count; i++) {
            *bytes += content(m->items, m->modalities[i].width);
        }
    }
    model_free(m);
    return code;
}

err_code footprint_of(footprint *out, store *s, err *e)
{
    static const train_options initial = TRAIN_OPTIONS_INIT;
    store_info info;
    uint64_t vectors = 0;
    *out = (footprint){.dim = initial.dim};
    err_code code = store_stat(s, &info, e);
    if (code == ERR_OK) {
        err none = ERR_INIT;
        code = info.generation != 0 ? trained(s, &info, out, &vectors, &none) : ERR_NOT_FOUND;
        out->trained = code == ERR_OK;
        if (code == ERR_NOT_FOUND) {
            code = untrained(s, &info, &vectors, e);
        } else if (code != ERR_OK) {
            (void)err_set(e, code, "%s", none.text);
        }
    }
    uint64_t row = out->dim * sizeof(float);
    /* H first, then E and G of the items, and E of the users */
    vectors += searched(info.item_rows, out->dim);
    vectors += 2 * row * info.item_rows + row * info.user_rows;
    out->resident = PROGRAM_BYTES + vectors + (uint64_t)ITEM_BYTES * info.items +
                    (uint64_t)USER_BYTES * info.users +
                    (uint64_t)INTERACTION_BYTES * info.interactions;
    out->most = out->resident + vectors;
    return code;
}
