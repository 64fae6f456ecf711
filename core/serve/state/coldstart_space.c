/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_space: the tables that a generation's cold start searches, made once per generation.
 *
 * Neighbours are searched among the features as given and not in the 64 directions that training
 * kept, because what distinguishes two items is spread over all directions. On Amazon Sports,
 * neighbours found in 64 of 384 directions reach 0.89 of content kNN; those found in the full
 * features reach 1.00.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/state/coldstart_fit.h"

enum {
    SAMPLE_ROWS_MAX = 100000,
    READ_ROWS = 256,
};

const coldstart_tuning coldstart_tuning_default = {
    .way = COLDSTART_NEIGHBOURS,
    .neighbours = 4,
    .temperature = 0.1F,
    .ridge = 1,
    .affinity = 1,
    .lean_until = 20,
};

/* The context of index_new_read's callback, which gives a modality's unit rows. */
typedef struct space_reader {
    const coldstart *c;
    const cold_space *space;
    const feature_source *source; /* NULL for whitened rows */
    const model_modality *modality;
    float *block;             /* (READ_ROWS, features' width) rows as read */
    const uint64_t *left_out; /* bitmap of items that stay out, as in coldstart_options */
} space_reader;

/* fold_row makes one unit row. A missing modality gives zeros. */
static void fold_row(const space_reader *r, float *features, size_t width, float *out)
{
    if (feature_row_missing(features, width)) {
        memset(out, 0, r->space->width * sizeof *out);
        return;
    }
    for (size_t j = 0; !r->space->raw && j < width; j++) {
        features[j] *= r->modality->spread[j];
    }
    (void)content_fold(features, width, out, r->space->width);
}

static err_code read_rows(void *ctx, size_t first, size_t count, float *out, err *e)
{
    space_reader *r = ctx;
    size_t width = r->space->raw ? r->modality->width : r->c->dim;
    for (size_t done = 0; done < count; done += READ_ROWS) {
        size_t rows = count - done < READ_ROWS ? count - done : READ_ROWS;
        err_code code = ERR_OK;
        if (r->source != NULL) {
            code = r->source->read(r->source->ctx, first + done, rows, r->block, e);
        } else {
            memcpy(r->block, r->modality->content + (first + done) * width,
                   rows * width * sizeof *r->block);
        }
        for (size_t i = 0; i < rows && code == ERR_OK; i++) {
            float *unit = out + (done + i) * r->space->width;
            fold_row(r, r->block + i * width, width, unit);
            if (r->left_out != NULL && bits_test(r->left_out, first + done + i)) {
                memset(unit, 0, r->space->width * sizeof *unit);
            }
        }
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}

static const feature_source *find_source(const coldstart_options *o, const char *name, size_t items)
{
    for (size_t i = 0; i < o->source_count; i++) {
        if (strcmp(o->sources[i].name, name) == 0 && o->sources[i].rows >= items) {
            return &o->sources[i];
        }
    }
    return NULL;
}

static err_code make_space(coldstart *c, size_t m, const coldstart_options *o, err *e)
{
    const model_modality *modality = &c->m->modalities[m];
    cold_space *space = &c->space[m];
    space_reader reader = {.c = c, .space = space, .modality = modality, .left_out = o->left_out};
    reader.source = find_source(o, modality->name, c->items);
    if (reader.source != NULL && reader.source->width != modality->width) {
        reader.source = NULL;
    }
    space->raw = reader.source != NULL;
    space->width = content_width(space->raw ? modality->width : c->dim, c->items);
    size_t width = space->raw ? modality->width : c->dim;
    reader.block = mem_table(READ_ROWS * width, sizeof *reader.block);
    if (reader.block == NULL) {
        return err_nomem(e, "a block of features");
    }
    index_source source = {c->items, space->width, read_rows, &reader};
    index_options options = {.kind = INDEX_INT8, .threads = o->threads, .seed = 1};
    err_code code = index_new_read(&space->rows, &source, &options, e);
    mem_free(reader.block);
    return code != ERR_OK ? err_context(e, "the content of modality %s", modality->name) : code;
}

/* measure computes the largest norm of a row of E, and the covariance of w E over the items. */
static err_code measure(coldstart *c, err *e)
{
    size_t dim = c->dim, step = c->items / SAMPLE_ROWS_MAX + 1;
    float *mean = mem_array(2 * dim, sizeof *mean); /* (2, dim): the mean, then a row of w E */
    if (mean == NULL) {
        return err_nomem(e, "the spread of scores");
    }
    float *row = mean + dim;
    float count = 0;
    for (size_t i = 0; i < c->items; i += step, count += 1) {
        const float *own = c->m->item_e + i * dim;
        c->norm_max = fmaxf(c->norm_max, sqrtf(scan_dot(own, own, dim)));
        for (size_t j = 0; j < dim; j++) {
            row[j] = c->m->w[j] * own[j];
            mean[j] += row[j];
        }
        cblas_ssyr(CblasRowMajor, CblasLower, (int)dim, 1, row, 1, c->spread, (int)dim);
    }
    for (size_t a = 0; a < dim && count > 0; a++) {
        for (size_t b = 0; b <= a; b++) {
            float value = c->spread[a * dim + b] / count - mean[a] * mean[b] / count / count;
            c->spread[a * dim + b] = c->spread[b * dim + a] = value;
        }
    }
    mem_free(mean);
    return ERR_OK;
}

/* weigh takes the modalities' weights from the trained links, or else from their k_m. */
static void weigh(coldstart *c)
{
    float sum = 0;
    const item_links *l = c->m->links;
    for (size_t m = 0; m < c->modalities; m++) {
        c->weight[m] = l != NULL && l->choice.beta[LINKS_CONTENT] > 0
                           ? l->choice.modality[m]
                           : (float)c->m->modalities[m].neighbours;
        sum += c->weight[m];
    }
    for (size_t m = 0; m < c->modalities && sum > 0; m++) {
        c->weight[m] /= sum;
    }
}

/* take_map uses the generation's map if its widths fit these spaces. Without content links, a new
 * item's links have another unit (core/serve/query/linked.c), that of the cosines alone. */
static void take_map(coldstart *c)
{
    const item_links *l = c->m->links;
    bool fits = l != NULL && l->choice.beta[LINKS_CONTENT] > 0 && c->m->map != NULL;
    size_t width = 0;
    for (size_t m = 0; m < c->modalities; m++) {
        fits = fits && c->space[m].raw;
        width += c->space[m].width;
    }
    c->fitting = fits && width == c->m->map->width ? c->m->map : NULL;
}

err_code coldstart_new(coldstart **out, const model *m, const coldstart_options *options, err *e)
{
    *out = NULL;
    coldstart *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "the cold start's tables");
    }
    c->m = m;
    c->generation = options->generation;
    c->dim = m->dim;
    c->items = m->items;
    c->modalities = m->modality_count < MODALITIES_MAX ? m->modality_count : MODALITIES_MAX;
    c->inputs = c->modalities * c->dim + c->modalities + 1;
    c->tuning = options->tuning != NULL ? *options->tuning : coldstart_tuning_default;
    weigh(c);
    c->spread = mem_table(c->dim * c->dim, sizeof *c->spread);
    err_code code = c->spread != NULL ? measure(c, e) : err_nomem(e, "the spread of scores");
    for (size_t i = 0; i < c->modalities && code == ERR_OK; i++) {
        code = make_space(c, i, options, e);
    }
    take_map(c);
    bool mapped = c->tuning.way == COLDSTART_RIDGE || c->tuning.way == COLDSTART_RESIDUALS;
    if (code == ERR_OK && mapped) {
        code = coldstart_fit_map(c, e);
    }
    if (code != ERR_OK) {
        coldstart_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void coldstart_let_go(const coldstart *c, model *m)
{
    for (size_t i = 0; i < m->modality_count && c->map == NULL; i++) {
        mem_free(m->modalities[i].content);
        m->modalities[i].content = NULL;
    }
}

void coldstart_free(coldstart *c)
{
    for (size_t m = 0; c != NULL && m < c->modalities; m++) {
        index_free(c->space[m].rows);
    }
    if (c != NULL) {
        mem_free(c->map);
        mem_free(c->spread);
        mem_free(c);
    }
}

float coldstart_lean(const coldstart *c, uint32_t users)
{
    if (users >= c->tuning.lean_until || c->tuning.affinity <= 0) {
        return 0;
    }
    return 1 - (float)users / (float)c->tuning.lean_until;
}

float coldstart_spread(const coldstart *c, const float *h)
{
    double sum = 0;
    for (size_t a = 0; a < c->dim; a++) {
        sum += (double)h[a] * (double)scan_dot(c->spread + a * c->dim, h, c->dim);
    }
    return sum > 0 ? c->tuning.affinity * (float)sqrt(sum) : 0;
}

bool coldstart_fitted(const coldstart *c)
{
    return c->fitting != NULL;
}
