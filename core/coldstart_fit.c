/*
 * coldstart_fit: fitting the maps of the cold start to a trained table.
 *
 * Fitting costs one pass over at most FIT_ROWS_MAX rows and a system of a few hundred unknowns, so
 * it is done when a generation is loaded and nothing of it is stored.
 */
#include "core/coldstart_fit.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/scan.h"

enum { FIT_ROWS_MAX = 100000, FIT_BLOCK = 256 };

const coldstart_tuning coldstart_tuning_default = {
    .way = COLDSTART_RESIDUALS,
    .neighbours = 4,
    .temperature = 0.1F,
    .ridge = 0.1F,
    .affinity = 0.5F,
    .lean_until = 20,
};

float cold_unit_row(const float *whitened, const float *spread, size_t dim, float *out)
{
    double square = 0;
    for (size_t j = 0; j < dim; j++) {
        out[j] = whitened[j] * spread[j];
        square += (double)out[j] * (double)out[j];
    }
    float length = (float)sqrt(square);
    for (size_t j = 0; j < dim; j++) {
        out[j] = length > 0 ? out[j] / length : 0;
    }
    return length;
}

void cold_input_row(const coldstart *c, size_t row, float *out)
{
    memset(out, 0, c->inputs * sizeof *out);
    for (size_t m = 0; m < c->modalities; m++) {
        const float *spread = c->m->modalities[m].spread;
        float length = c->length[m * c->items + row];
        const float *unit = c->unit + (m * c->items + row) * c->dim;
        if (isnan(length)) {
            continue;
        }
        for (size_t j = 0; j < c->dim; j++) {
            out[m * c->dim + j] = spread[j] > 0 ? unit[j] * length / spread[j] : 0;
        }
        out[c->modalities * c->dim + m] = 1;
    }
    out[c->inputs - 1] = 1;
}

static void fill_content(coldstart *c)
{
    for (size_t m = 0; m < c->modalities; m++) {
        const model_modality *modality = &c->m->modalities[m];
        for (size_t i = 0; i < c->items; i++) {
            const float *whitened = modality->content + i * c->dim;
            float *length = &c->length[m * c->items + i];
            *length = feature_row_missing(whitened, c->dim)
                          ? NAN
                          : cold_unit_row(whitened, modality->spread, c->dim,
                                          c->unit + (m * c->items + i) * c->dim);
        }
    }
}

/* step_of spreads at most FIT_ROWS_MAX rows evenly over the table. */
static size_t step_of(size_t rows)
{
    return rows / FIT_ROWS_MAX + 1;
}

static bool is_trained(const coldstart *c, size_t row)
{
    const float *e = c->m->item_e + row * c->dim;
    return scan_dot(e, e, c->dim) > 0;
}

/* gather fills blocks of inputs and targets and adds their products to the normal equations. */
static void gather(const coldstart *c, double *gram, double *right, float *x, float *y)
{
    size_t p = c->inputs, dim = c->dim, filled = 0;
    for (size_t i = 0;; i += step_of(c->items)) {
        bool end = i >= c->items;
        if (!end && is_trained(c, i)) {
            cold_input_row(c, i, x + filled * p);
            memcpy(y + filled * dim, c->m->item_e + i * dim, dim * sizeof *y);
            filled++;
        }
        if (filled == FIT_BLOCK || (end && filled > 0)) {
            for (size_t r = 0; r < filled; r++) {
                const float *row = x + r * p;
                for (size_t a = 0; a < p; a++) {
                    for (size_t b = 0; row[a] != 0 && b <= a; b++) {
                        gram[a * p + b] += (double)row[a] * (double)row[b];
                    }
                    for (size_t j = 0; row[a] != 0 && j < dim; j++) {
                        right[a * dim + j] += (double)row[a] * (double)y[r * dim + j];
                    }
                }
            }
            filled = 0;
        }
        if (end) {
            return;
        }
    }
}

static err_code fit_map(coldstart *c, err *e)
{
    size_t p = c->inputs;
    double *gram = mem_array(p * p, sizeof *gram);
    double *right = mem_array(p * c->dim, sizeof *right);
    float *x = mem_array(FIT_BLOCK * p, sizeof *x);
    float *y = mem_array(FIT_BLOCK * c->dim, sizeof *y);
    err_code rc = ERR_OK;
    if (gram == NULL || right == NULL || x == NULL || y == NULL) {
        rc = err_nomem(e, "the map from features to embeddings");
        goto done;
    }
    gather(c, gram, right, x, y);
    double trace = 0;
    for (size_t a = 0; a < p; a++) {
        trace += gram[a * p + a];
    }
    for (size_t a = 0; a < p; a++) {
        gram[a * p + a] += (double)c->tuning.ridge * trace / (double)p + 1e-9;
    }
    if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, (lapack_int)c->dim, gram, (lapack_int)p,
                      right, (lapack_int)c->dim) == 0) {
        for (size_t i = 0; i < p * c->dim; i++) {
            c->map[i] = (float)right[i];
        }
    }
done:
    mem_free(gram);
    mem_free(right);
    mem_free(x);
    mem_free(y);
    return rc;
}

/* covariance adds one vector's outer product; the caller divides and takes the mean's off. */
static void add_outer(float *sums, const float *row, size_t dim)
{
    if (dim > 0) { /* a model without modalities has no content, and BLAS no such shape */
        cblas_ssyr(CblasRowMajor, CblasLower, (int)dim, 1, row, 1, sums, (int)dim);
    }
}

static void finish_covariance(float *sums, const float *mean, size_t dim, float count)
{
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b <= a; b++) {
            float value = sums[a * dim + b] / count - mean[a] * mean[b];
            sums[a * dim + b] = sums[b * dim + a] = value;
        }
    }
}

static err_code measure_spread(coldstart *c, const float *h, err *e)
{
    size_t wide = c->modalities * c->dim;
    float *mean = mem_array(c->dim, sizeof *mean), *row = mem_array(wide, sizeof *row);
    if (mean == NULL || row == NULL) {
        mem_free(mean);
        mem_free(row);
        return err_nomem(e, "the spread of scores");
    }
    float count = 0;
    for (size_t i = 0; i < c->items; i += step_of(c->items)) {
        count += 1;
        add_outer(c->spread_h, h + i * c->dim, c->dim);
        cblas_saxpy((int)c->dim, 1, h + i * c->dim, 1, mean, 1);
        for (size_t m = 0; m < c->modalities; m++) {
            memcpy(row + m * c->dim, c->unit + (m * c->items + i) * c->dim, c->dim * sizeof *row);
        }
        add_outer(c->spread_content, row, wide);
        cblas_saxpy((int)wide, 1, row, 1, c->mean_content, 1);
        float norm = sqrtf(scan_dot(c->m->item_e + i * c->dim, c->m->item_e + i * c->dim, c->dim));
        c->norm_max = fmaxf(c->norm_max, norm);
    }
    if (count > 0) {
        cblas_sscal((int)c->dim, 1 / count, mean, 1);
        cblas_sscal((int)wide, 1 / count, c->mean_content, 1);
        finish_covariance(c->spread_h, mean, c->dim, count);
        finish_covariance(c->spread_content, c->mean_content, wide, count);
    }
    mem_free(mean);
    mem_free(row);
    return ERR_OK;
}

err_code coldstart_new(coldstart **out, const model *m, const float *h, uint32_t generation,
                       const coldstart_tuning *tuning, err *e)
{
    *out = NULL;
    coldstart *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "the cold start's maps");
    }
    c->m = m;
    c->generation = generation;
    c->dim = m->dim;
    c->items = m->items;
    c->modalities = m->modality_count;
    c->inputs = c->modalities * c->dim + c->modalities + 1;
    c->tuning = tuning != NULL ? *tuning : coldstart_tuning_default;
    size_t wide = c->modalities * c->dim;
    c->unit = mem_table(c->items * wide, sizeof *c->unit);
    c->length = mem_table(c->items * c->modalities, sizeof *c->length);
    c->map = mem_table(c->inputs * c->dim, sizeof *c->map);
    c->spread_h = mem_table(c->dim * c->dim, sizeof *c->spread_h);
    c->spread_content = mem_table(wide * wide, sizeof *c->spread_content);
    c->mean_content = mem_table(wide, sizeof *c->mean_content);
    err_code rc = ERR_OK;
    if (c->unit == NULL || c->length == NULL || c->map == NULL || c->spread_h == NULL ||
        c->spread_content == NULL || c->mean_content == NULL) {
        rc = err_nomem(e, "the cold start's maps");
    }
    if (rc == ERR_OK) {
        fill_content(c);
        rc = measure_spread(c, h, e);
    }
    if (rc == ERR_OK) {
        rc = fit_map(c, e);
    }
    if (rc != ERR_OK) {
        coldstart_free(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

void coldstart_free(coldstart *c)
{
    if (c != NULL) {
        mem_free(c->unit);
        mem_free(c->length);
        mem_free(c->map);
        mem_free(c->spread_h);
        mem_free(c->spread_content);
        mem_free(c->mean_content);
        mem_free(c);
    }
}

const float *coldstart_content(const coldstart *c, size_t *modalities)
{
    *modalities = c->modalities;
    return c->unit;
}

float coldstart_lean(const coldstart *c, uint32_t users)
{
    if (users >= c->tuning.lean_until || c->tuning.affinity <= 0) {
        return 0;
    }
    return 1 - (float)users / (float)c->tuning.lean_until;
}

/* spread_of is sqrt(x' Sigma x). */
static float spread_of(const float *covariance, const float *x, size_t dim)
{
    double sum = 0;
    for (size_t a = 0; a < dim; a++) {
        sum += (double)x[a] * (double)scan_dot(covariance + a * dim, x, dim);
    }
    return sum > 0 ? (float)sqrt(sum) : 0;
}

bool coldstart_scale(const coldstart *c, const float *h, float *content, float *offset)
{
    size_t wide = c->modalities * c->dim;
    for (size_t m = 0; m < c->modalities; m++) {
        cblas_sscal((int)c->dim, (float)c->m->modalities[m].neighbours, content + m * c->dim, 1);
    }
    float affinities = spread_of(c->spread_content, content, wide);
    float scores = spread_of(c->spread_h, h, c->dim);
    if (!(affinities > 0) || !(scores > 0)) {
        return false;
    }
    cblas_sscal((int)wide, c->tuning.affinity * scores / affinities, content, 1);
    for (size_t m = 0; m < c->modalities; m++) {
        offset[m] = scan_dot(content + m * c->dim, c->mean_content + m * c->dim, c->dim);
    }
    return true;
}
