/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/fit_map.h"

#include <math.h>
#include <stdbool.h>

#include "core/common/mem.h"

enum { READ_ROWS = 256 };

/* read_modality folds the features of one modality into `width` columns of x. */
static err_code read_modality(const feature_source *source, size_t items, float *x, size_t stride,
                              size_t width, err *e)
{
    float *block = mem_table(READ_ROWS * source->width, sizeof *block);
    err_code code = block != NULL ? ERR_OK : err_nomem(e, "a block of features");
    for (size_t first = 0; code == ERR_OK && first < items; first += READ_ROWS) {
        size_t rows = items - first < READ_ROWS ? items - first : READ_ROWS;
        code = source->read(source->ctx, first, rows, block, e);
        for (size_t i = 0; code == ERR_OK && i < rows; i++) {
            const float *row = block + i * source->width;
            if (!feature_row_missing(row, source->width)) {
                (void)content_fold(row, source->width, x + (first + i) * stride, width);
            }
        }
    }
    mem_free(block);
    return code;
}

float fit_map_share(const links_choice *c)
{
    float share = c->beta[LINKS_COLLABORATIVE] / c->beta[LINKS_CONTENT];
    return fminf(fmaxf(share, FIT_MAP_SHARE_MIN), FIT_MAP_SHARE_MAX);
}

/* folded_widths writes the width that each modality is reduced to and returns the sum, or 0 if
 * features of these widths have no map. */
static size_t folded_widths(const size_t *widths, size_t modality_count, size_t items, size_t *out)
{
    size_t sum = 0;
    for (size_t n = 0; n < modality_count && n < MODALITIES_MAX; n++) {
        out[n] = content_width(widths[n], items);
        sum += out[n];
    }
    bool fits = modality_count <= MODALITIES_MAX && sum <= CONTENT_MAP_WIDTH_MAX &&
                sum * items <= FIT_MAP_FLOATS_MAX;
    return fits ? sum : 0;
}

size_t fit_map_width(const size_t *widths, size_t modality_count, size_t items)
{
    size_t folded[MODALITIES_MAX];
    return folded_widths(widths, modality_count, items, folded);
}

size_t fit_map_bytes(const size_t *widths, size_t modality_count, size_t items)
{
    size_t width = fit_map_width(widths, modality_count, items);
    return width > 0 ? width * items * sizeof(float) + content_map_bytes(width, items) : 0;
}

err_code fit_map(model *m, const dataset *d, const pair *pairs, size_t count, err *e)
{
    content_map_input in = {.items = m->items, .pairs = pairs, .pair_count = count};
    in.modality_count = d->modality_count;
    content_map_free(m->map);
    m->map = NULL;
    if (m->links == NULL || !(m->links->choice.beta[LINKS_CONTENT] > 0)) {
        return ERR_OK;
    }
    size_t widths[MODALITIES_MAX] = {0};
    for (size_t n = 0; n < d->modality_count && n < MODALITIES_MAX; n++) {
        widths[n] = d->modalities[n].width;
        in.weight[n] = m->links->choice.modality[n];
    }
    in.width = folded_widths(widths, d->modality_count, in.items, in.widths);
    if (in.width == 0) {
        return ERR_OK;
    }
    in.share = fit_map_share(&m->links->choice);
    float *x = mem_table(in.items * in.width, sizeof *x);
    err_code code = x != NULL ? ERR_OK : err_nomem(e, "the features for a map between them");
    in.x = x;
    for (size_t n = 0, at = 0; code == ERR_OK && n < d->modality_count; at += in.widths[n], n++) {
        code = read_modality(&d->modalities[n], in.items, x + at, in.width, in.widths[n], e);
    }
    if (code == ERR_OK) {
        code = content_map_fit(&m->map, &in, e);
    }
    mem_free(x);
    return code;
}
