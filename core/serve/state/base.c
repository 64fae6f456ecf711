/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: makes and shares a generation's tables. The header has the contract.
 */
#include "core/serve/state/base_tables.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/state/coldstart_maps.h"

enum { NORM_ROWS = 1024 };
/* Number of rows that the spread of likeness is measured on. */
enum { LIKENESS_ROWS = 4096 };

static void generation_release(generation_tables *g)
{
    if (g != NULL && atomic_fetch_sub(&g->references, 1) == 1) {
        coldstart_free(g->cold);
        parts_free(g->parts);
        words_free(g->words);
        model_free(g->model);
        mem_free(g->untaken);
        mem_free(g->typical_user);
        mem_free(g);
    }
}

base *base_hold(base *b)
{
    atomic_fetch_add(&b->references, 1);
    return b;
}

void base_release(base *b)
{
    if (b == NULL || atomic_fetch_sub(&b->references, 1) != 1) {
        return;
    }
    index_free(b->index);
    for (int part = 0; part < BASE_PARTS; part++) {
        mem_free(b->inverse_norm[part]);
        mem_free(b->likeness_covariance[part]);
    }
    for (size_t i = 0; i < b->later_count; i++) {
        cold_item_free(b->later[i].prepared);
    }
    mem_free(b->later);
    mem_free(b->placed);
    mem_free(b->own_g);
    mem_free(b->own_e);
    links_free(b->own_links);
    mem_free(b->covariance);
    mem_free(b->linked);
    generation_release(b->shared);
    mem_free(b);
}

static float inverse_length(const float *row, size_t dim)
{
    float square = scan_dot(row, row, dim);
    return square > 0 ? 1 / sqrtf(square) : 0;
}

/* fill_norms measures NORM_ROWS rows from `first` on. content_rows (NORM_ROWS, dim) is scratch. */
static void fill_norms(base *b, size_t first, float *content_rows)
{
    size_t dim = b->dim, rows = b->items - first < NORM_ROWS ? b->items - first : NORM_ROWS;
    const float *h = b->h + first * dim;
    /* This is parts_row for a block: rows times the transposed projection. */
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)dim, (int)dim, 1, h,
                (int)dim, b->parts->into, (int)dim, 0, content_rows, (int)dim);
    for (size_t i = 0; i < rows; i++) {
        float *part = content_rows + i * dim;
        b->inverse_norm[0][first + i] = inverse_length(h + i * dim, dim);
        b->inverse_norm[2][first + i] = inverse_length(part, dim);
        for (size_t j = 0; j < dim; j++) {
            part[j] = h[i * dim + j] - part[j];
        }
        b->inverse_norm[1][first + i] = inverse_length(part, dim);
        if (b->inverse_norm[0][first + i] > 0) {
            bits_set(b->placed, first + i);
        }
    }
}

static float typical_norm(const float *inverse, size_t items)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < items; i++) {
        sum += inverse[i] > 0 ? 1 / (double)inverse[i] : 0;
        count += inverse[i] > 0;
    }
    return count > 0 ? (float)(sum / (double)count) : 1;
}

/* fill_likeness measures the covariance, by one part, of a sample of rows, scaled as
 * core/serve/query/similar.c scales them. `sample` (LIKENESS_ROWS, dim) is scratch. */
static err_code fill_likeness(base *b, int part, float *sample, err *e)
{
    size_t dim = b->dim, rows = b->items < LIKENESS_ROWS ? b->items : LIKENESS_ROWS;
    for (size_t i = 0; i < rows; i++) {
        size_t row = i * b->items / rows;
        float inverse = b->inverse_norm[part][row], typical = b->typical_norm[part];
        float scale = base_bare(b) ? 1 / typical : sqrtf(inverse / typical);
        for (size_t j = 0; j < dim; j++) {
            sample[i * dim + j] = scale * b->h[row * dim + j];
        }
    }
    b->likeness_covariance[part] = mem_table(dim * dim, sizeof(float));
    return b->likeness_covariance[part] != NULL
               ? links_covariance(sample, rows, dim, b->likeness_covariance[part], e)
               : err_nomem(e, "the spread of likeness");
}

/* fill_spreads measures the spreads that links are scaled by. */
static err_code fill_spreads(base *b, err *e)
{
    float *sample = mem_table(LIKENESS_ROWS * b->dim, sizeof *sample);
    b->covariance = mem_table(b->dim * b->dim, sizeof *b->covariance);
    err_code code = sample != NULL && b->covariance != NULL
                        ? links_covariance(b->h, b->items, b->dim, b->covariance, e)
                        : err_nomem(e, "the spread of scores");
    for (int part = 0; code == ERR_OK && part < BASE_PARTS; part++) {
        code = fill_likeness(b, part, sample, e);
    }
    mem_free(sample);
    return code;
}

err_code base_finish(base *b, err *e)
{
    b->h = index_data(b->index);
    b->placed = mem_array(b->items / 64 + 1, sizeof *b->placed);
    float *content_rows = mem_table(NORM_ROWS * b->dim, sizeof *content_rows);
    bool whole = b->placed != NULL && content_rows != NULL;
    for (int part = 0; part < BASE_PARTS; part++) {
        b->inverse_norm[part] = mem_array(b->items, sizeof *b->inverse_norm[part]);
        whole = whole && b->inverse_norm[part] != NULL;
    }
    for (size_t i = 0; whole && i < b->items; i += NORM_ROWS) {
        fill_norms(b, i, content_rows);
    }
    mem_free(content_rows);
    if (!whole) {
        return err_nomem(e, "the norms of the items' vectors");
    }
    for (int part = 0; part < BASE_PARTS; part++) {
        b->typical_norm[part] = typical_norm(b->inverse_norm[part], b->items);
    }
    return b->links != NULL ? fill_spreads(b, e) : ERR_OK;
}

static err_code make_index(base *b, model *m, const base_options *o, err *e)
{
    if (b->index == NULL) {
        index_options options = {
            .ann = o->ann, .ann_bytes = o->ann_bytes, .threads = o->threads, .seed = 1};
        err_code code = index_new(&b->index, m->item_h, m->items, m->dim, &options, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    if (index_rows(b->index) != m->items || index_dim(b->index) != m->dim) {
        return err_set(e, ERR_CORRUPT, "the index has %zu x %zu numbers, the model %zu x %u",
                       index_rows(b->index), index_dim(b->index), m->items, m->dim);
    }
    mem_free(m->item_h);
    m->item_h = NULL;
    return ERR_OK;
}

/* find_untaken finds the rows whose H equals w E, as it does for an item without interactions. */
static err_code find_untaken(base *b, err *e)
{
    const float *h = index_data(b->index), *own = b->embeddings;
    b->shared->untaken = mem_array(b->items / 64 + 1, sizeof *b->shared->untaken);
    if (b->shared->untaken == NULL) {
        return err_nomem(e, "the items that nobody has taken");
    }
    for (size_t i = 0; i < b->items; i++, h += b->dim, own += b->dim) {
        size_t j = 0;
        while (j < b->dim && fabsf(h[j] - b->w[j] * own[j]) <= 1e-6F * fabsf(h[j])) {
            j++;
        }
        bits_set_if(b->shared->untaken, i, b->layers > 0 && j == b->dim);
    }
    return ERR_OK;
}

/* find_typical_user averages the users' own rows as a query weights them. */
static err_code find_typical_user(base *b, err *e)
{
    generation_tables *g = b->shared;
    if (g->model->modality_count > 0) {
        return ERR_OK;
    }
    double *sum = mem_array(b->dim, sizeof *sum);
    g->typical_user = mem_array(b->dim, sizeof *g->typical_user);
    if (sum == NULL || g->typical_user == NULL) {
        mem_free(sum);
        return err_nomem(e, "the mean user");
    }
    for (size_t u = 0; u < b->users; u++) {
        for (size_t j = 0; j < b->dim; j++) {
            sum[j] += (double)b->user_e[u * b->dim + j];
        }
    }
    double square = 0;
    for (size_t j = 0; j < b->dim; j++) {
        sum[j] *= (double)b->user_w[j];
        square += sum[j] * sum[j];
    }
    for (size_t j = 0; j < b->dim && square > 0; j++) {
        g->typical_user[j] = (float)(sum[j] / sqrt(square));
    }
    if (!(square > 0)) {
        mem_free(g->typical_user);
        g->typical_user = NULL;
    }
    mem_free(sum);
    return ERR_OK;
}

err_code base_new(base **out, model *taken, const base_options *options, err *e)
{
    *out = NULL;
    base *b = mem_array(1, sizeof *b);
    generation_tables *shared = mem_array(1, sizeof *shared);
    if (b == NULL || shared == NULL) {
        mem_free(b);
        mem_free(shared);
        model_free(taken);
        index_free(options->index);
        words_free(options->words);
        return err_nomem(e, "a generation's tables");
    }
    atomic_init(&b->references, 1);
    atomic_init(&shared->references, 1);
    shared->model = taken;
    shared->words = options->words;
    b->shared = shared;
    b->generation = options->generation;
    b->index = options->index;
    b->dim = taken->dim;
    b->layers = taken->layers;
    b->items = b->trained = taken->items;
    b->users = taken->users;
    b->w = taken->w;
    b->user_w = taken->user_w != NULL ? taken->user_w : taken->w;
    b->f = taken->f;
    b->g = taken->item_g;
    b->embeddings = taken->item_e;
    b->user_e = taken->user_e;
    b->user_pairs = taken->user_pairs;
    b->links = taken->links;
    err_code code = make_index(b, taken, options, e);
    if (code == ERR_OK) {
        code = find_untaken(b, e);
    }
    if (code == ERR_OK) {
        code = find_typical_user(b, e);
    }
    if (code == ERR_OK) {
        coldstart_options cold = {.generation = options->generation,
                                  .tuning = options->tuning,
                                  .sources = options->sources,
                                  .source_count = options->source_count,
                                  .threads = options->threads};
        code = coldstart_new(&shared->cold, taken, &cold, e);
    }
    if (code == ERR_OK) {
        code = parts_new(&shared->parts, taken, index_data(b->index), e);
    }
    if (code == ERR_OK) {
        b->parts = shared->parts;
        coldstart_let_go(shared->cold, taken);
        code = base_finish(b, e);
    }
    if (code != ERR_OK) {
        base_release(b);
        return code;
    }
    *out = b;
    return ERR_OK;
}

err_code base_fold_item(base *b, uint32_t item, const item_content *content, err *e)
{
    if (b->later_count > 0 && b->later[b->later_count - 1].item >= item) {
        return err_set(e, ERR_INTERNAL, "items are folded in by ascending row");
    }
    base_later *later = mem_reserve(b->later, &b->later_room, b->later_count + 1, sizeof *later);
    if (later == NULL) {
        return err_nomem(e, "the later items of a generation");
    }
    b->later = later;
    cold_item *prepared = NULL;
    cold_words all;
    err_code code = cold_words_add(&all, b->shared->words, content, e);
    if (code == ERR_OK) {
        code = coldstart_embed(&prepared, b->shared->cold, all.features, all.count, e);
    }
    if (code == ERR_OK) {
        b->later[b->later_count++] = (base_later){item, prepared};
    }
    return code;
}

const word_space *base_words(const base *b)
{
    return b->shared->words;
}

uint32_t base_generation(const base *b)
{
    return b->generation;
}

size_t base_items(const base *b)
{
    return b->items;
}

bool base_modality(const base *b, slice name, size_t *width)
{
    const model *m = b->shared->model;
    for (size_t i = 0; i < m->modality_count; i++) {
        if (slice_equal(slice_of(m->modalities[i].name), name)) {
            *width = m->modalities[i].width;
            return true;
        }
    }
    return false;
}
