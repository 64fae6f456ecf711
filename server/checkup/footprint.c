/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/footprint.h"

#include "core/common/arena.h"
#include "core/model/links_build.h"
#include "core/model/model.h"
#include "core/train/loop/train_memory.h"
#include "storage/models/model_store.h"
#include "storage/records/features.h"

enum {
    PROGRAM_BYTES = 12 << 20,
    ITEM_BYTES = 200, /* id, categories, attributes */
    USER_BYTES = 104, /* id, count, heads of lists */
    INTERACTION_BYTES = 16,
    LINK_BYTES = 6,
    LINK_ROW_BYTES = 12,
    NAMES_BYTES_MAX = 64 * 1024,
};

/* A row of floats and its 8-bit codes. */
static uint64_t searched(uint64_t rows, uint64_t width)
{
    return rows * width * (sizeof(float) + 1);
}

/* content counts the features as the service keeps them: content_width folds wide ones, to a
 * smaller width in a larger catalogue. */
static uint64_t content(uint64_t items, uint64_t width)
{
    return searched(items, content_width((size_t)width, (size_t)items));
}

/* links_of returns an upper bound for the bytes of the links of `items`. */
static uint64_t links_of(uint64_t items, uint64_t modality_count)
{
    return items * (LINK_BYTES * (LINKS_KEPT_COLLABORATIVE + LINKS_KEPT_CONTENT * modality_count) +
                    2 * LINK_ROW_BYTES);
}

/* next_training writes the sizes that the next training would have. */
static err_code next_training(train_size *out, store *s, const store_info *info, err *e)
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
    *out = (train_size){.users = info->user_rows,
                        .items = info->item_rows,
                        .pairs = info->interactions,
                        .timed = true /* a service records times */};
    for (size_t i = 0; code == ERR_OK && i < count && i < MODALITIES_MAX; i++) {
        out->widths[out->modality_count++] = all[i].width;
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
        *bytes += m->links != NULL ? links_of(m->items, m->modality_count) : 0;
    }
    model_free(m);
    return code;
}

err_code footprint_of(footprint *out, store *s, err *e)
{
    static const train_options initial = TRAIN_OPTIONS_INIT;
    store_info info;
    train_size next = {0};
    uint64_t vectors = 0;
    *out = (footprint){.dim = initial.dim};
    err_code code = store_stat(s, &info, e);
    if (code == ERR_OK) {
        code = next_training(&next, s, &info, e);
    }
    if (code == ERR_OK) {
        err none = ERR_INIT;
        code = info.generation != 0 ? trained(s, &info, out, &vectors, &none) : ERR_NOT_FOUND;
        out->trained = code == ERR_OK;
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK;
            vectors = links_of(next.items, next.modality_count);
            for (size_t i = 0; i < next.modality_count; i++) {
                vectors += content(next.items, next.widths[i]);
            }
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
    out->training = train_memory(&next, &initial);
    return code;
}
