/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/whiten.h"

#include <math.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"

#define WORK_OF_ONE_THREAD 2e10
enum { BLOCK_BYTES = 16 << 20, BLOCK_ROWS_MAX = 8192 };

typedef struct sweep {
    const feature_source *source;
    size_t dim, block; /* dimensions of W; rows that are read at a time */
    float *x;          /* (block, width) rows as they are read */
    double *centred;   /* (block, width) present rows minus the mean */
    double *mean;      /* (width) mean over the present rows */
    double *gram;      /* (width, width) */
    double *values;    /* (dim) largest eigenvalues */
    double *vectors;   /* (dim, width) their eigenvectors */
    size_t present;
} sweep;

static err_code sweep_init(sweep *s, const feature_source *source, size_t dim, err *e)
{
    size_t width = source->width;
    *s = (sweep){.source = source, .dim = dim};
    s->block = BLOCK_BYTES / (width * sizeof(double));
    s->block = s->block < 16 ? 16 : s->block > BLOCK_ROWS_MAX ? BLOCK_ROWS_MAX : s->block;
    s->x = mem_table(s->block * width, sizeof *s->x);
    s->centred = mem_table(s->block * width, sizeof *s->centred);
    s->mean = mem_array(width, sizeof *s->mean);
    s->gram = mem_table(width * width, sizeof *s->gram);
    s->values = mem_array(dim, sizeof *s->values);
    s->vectors = mem_array(dim * width, sizeof *s->vectors);
    if (s->x == NULL || s->centred == NULL || s->mean == NULL || s->gram == NULL ||
        s->values == NULL || s->vectors == NULL) {
        return err_nomem(e, "whitening");
    }
    return ERR_OK;
}

static void sweep_fini(sweep *s)
{
    mem_free(s->x);
    mem_free(s->centred);
    mem_free(s->mean);
    mem_free(s->gram);
    mem_free(s->values);
    mem_free(s->vectors);
}

static size_t block_rows(const sweep *s, size_t first)
{
    size_t left = s->source->rows - first;
    return left < s->block ? left : s->block;
}

static err_code check_row(const sweep *s, size_t row, const float *x, err *e)
{
    for (size_t j = 0; j < s->source->width; j++) {
        if (!isfinite(x[j])) {
            return err_set(e, ERR_INVALID, "features %s: row %zu, number %zu is not finite",
                           s->source->name, row, j);
        }
    }
    return ERR_OK;
}

static err_code sum_mean(sweep *s, err *e)
{
    size_t width = s->source->width;
    for (size_t first = 0; first < s->source->rows; first += s->block) {
        size_t rows = block_rows(s, first);
        err_code code = s->source->read(s->source->ctx, first, rows, s->x, e);
        for (size_t r = 0; code == ERR_OK && r < rows; r++) {
            const float *x = s->x + r * width;
            if (feature_row_missing(x, width)) {
                continue;
            }
            code = check_row(s, first + r, x, e);
            s->present++;
            for (size_t j = 0; j < width; j++) {
                s->mean[j] += (double)x[j];
            }
        }
        if (code != ERR_OK) {
            return code;
        }
    }
    for (size_t j = 0; j < width && s->present > 0; j++) {
        s->mean[j] /= (double)s->present;
    }
    return ERR_OK;
}

static err_code sum_gram(sweep *s, err *e)
{
    size_t width = s->source->width;
    for (size_t first = 0; first < s->source->rows; first += s->block) {
        size_t rows = block_rows(s, first), kept = 0;
        err_code code = s->source->read(s->source->ctx, first, rows, s->x, e);
        if (code != ERR_OK) {
            return code;
        }
        for (size_t r = 0; r < rows; r++) {
            const float *x = s->x + r * width;
            if (feature_row_missing(x, width)) {
                continue;
            }
            double *to = s->centred + kept++ * width;
            for (size_t j = 0; j < width; j++) {
                to[j] = (double)x[j] - s->mean[j];
            }
        }
        if (kept > 0) {
            blas_gram(s->centred, kept, width, s->gram);
        }
    }
    return ERR_OK;
}

/* decompose computes P and the spread from the eigenpairs. Columns beyond the rank stay 0. */
static err_code decompose(sweep *s, whitening *out, err *e)
{
    size_t width = s->source->width;
    size_t count = s->dim < width ? s->dim : width;
    err_code code = blas_eigen(s->gram, width, count, s->values, s->vectors, e);
    if (code != ERR_OK) {
        return code;
    }
    double n = (double)s->present, root = sqrt(n / (double)s->dim);
    double longest = s->values[0] > 0 ? sqrt(s->values[0]) : 0;
    double least = (n > (double)width ? n : (double)width) * 1.2e-7 * longest;
    out->rank = 0;
    for (size_t c = 0; c < count; c++) {
        double value = s->values[c] > 0 ? sqrt(s->values[c]) : 0;
        if (value <= least) {
            break;
        }
        out->rank++;
        out->spread[c] = (float)(value / root);
        for (size_t j = 0; j < width; j++) {
            out->projection[j * s->dim + c] = (float)(s->vectors[c * width + j] / value * root);
        }
    }
    return ERR_OK;
}

static err_code project(sweep *s, whitening *out, err *e)
{
    size_t width = s->source->width;
    float *centred = s->x;
    for (size_t first = 0; first < s->source->rows; first += s->block) {
        size_t rows = block_rows(s, first);
        err_code code = s->source->read(s->source->ctx, first, rows, s->x, e);
        if (code != ERR_OK) {
            return code;
        }
        for (size_t r = 0; r < rows; r++) {
            for (size_t j = 0; j < width; j++) {
                float *x = centred + r * width + j;
                *x = (float)((double)*x - s->mean[j]); /* a missing row stays NaN, and so does W */
            }
        }
        blas_product p = {.a = centred, .b = out->projection, .rows = rows, .cols = s->dim};
        p.dim = width;
        p.stride = s->dim;
        p.c = out->content + first * s->dim;
        blas_multiply(&p);
    }
    return ERR_OK;
}

static void fix_signs(const sweep *s, whitening *out)
{
    double *largest = s->values; /* (dim) reused: the eigenvalues are not needed any more */
    memset(largest, 0, s->dim * sizeof *largest);
    for (size_t r = 0; r < s->source->rows; r++) {
        for (size_t c = 0; c < s->dim; c++) {
            double x = (double)out->content[r * s->dim + c];
            if (fabs(x) > fabs(largest[c])) { /* false for NaN */
                largest[c] = x;
            }
        }
    }
    for (size_t c = 0; c < s->dim; c++) {
        largest[c] = largest[c] < 0 ? -1 : 1;
    }
    for (size_t r = 0; r < s->source->rows; r++) {
        for (size_t c = 0; c < s->dim; c++) {
            out->content[r * s->dim + c] *= (float)largest[c];
        }
    }
    for (size_t j = 0; j < s->source->width; j++) {
        for (size_t c = 0; c < s->dim; c++) {
            out->projection[j * s->dim + c] *= (float)largest[c];
        }
    }
}

err_code whiten_run(const feature_source *source, size_t dim, int threads, whitening *out, err *e)
{
    sweep s;
    size_t width = source->width;
    memset(out->mean, 0, width * sizeof *out->mean);
    memset(out->projection, 0, width * dim * sizeof *out->projection);
    memset(out->spread, 0, dim * sizeof *out->spread);
    out->rank = 0;
    /* One thread is used if it takes about a second or less. The result then has the same bytes for
     * any number of threads. */
    double work = (double)source->rows * (double)width * (double)width;
    blas_threads(work < WORK_OF_ONE_THREAD ? 1 : threads);
    err_code code = sweep_init(&s, source, dim, e);
    if (code == ERR_OK) {
        code = sum_mean(&s, e);
    }
    if (code == ERR_OK) {
        code = sum_gram(&s, e);
    }
    if (code == ERR_OK && s.present > 0) {
        code = decompose(&s, out, e);
    }
    if (code == ERR_OK) {
        code = project(&s, out, e);
    }
    if (code == ERR_OK) {
        fix_signs(&s, out);
        out->present = s.present;
        for (size_t j = 0; j < width; j++) {
            out->mean[j] = (float)s.mean[j];
        }
    }
    blas_threads(1);
    sweep_fini(&s);
    return code;
}
