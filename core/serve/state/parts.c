/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: fitting the split of scores. See the header for the idea.
 *
 * With S the covariance of H and C that of H as content predicts it, the directions v_k solve
 * C v = r S v with v' S v = 1; r is the share of the direction's variance that content explains. S
 * V V' is the identity, and leaving out of it the directions with the smallest r gives the
 * projection on the others.
 */
#include "core/serve/state/parts.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/common/mem.h"

enum {
    FIT_ROWS_MAX = 50000,
    COLLABORATIVE_SHARE = 12, /* one direction in so many is collaborative, at least one */
};

typedef struct fit {
    const model *m;
    const float *h;
    size_t dim, inputs;
    double count;
    double *gram;      /* (inputs, inputs) of inputs; lower */
    double *map;       /* (inputs, dim) products of inputs and H, then the map */
    double *total;     /* (dim, dim) covariance of H */
    double *mean;      /* (dim) */
    double *explained; /* (dim, dim) covariance of the map's predictions */
    double *x;         /* (inputs) */
    double *values;    /* (dim) */
    double *half;      /* (inputs, dim) */
} fit;

static void fit_fini(fit *f)
{
    double *all[] = {f->gram, f->map, f->total, f->mean, f->explained, f->x, f->values, f->half};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mem_free(all[i]);
    }
}

static err_code fit_init(fit *f, const model *m, const float *h, err *e)
{
    *f = (fit){.m = m, .h = h, .dim = m->dim, .inputs = m->modality_count * (m->dim + 1) + 1};
    f->gram = mem_array(f->inputs * f->inputs, sizeof(double));
    f->map = mem_array(f->inputs * f->dim, sizeof(double));
    f->total = mem_array(f->dim * f->dim, sizeof(double));
    f->mean = mem_array(f->dim, sizeof(double));
    f->explained = mem_array(f->dim * f->dim, sizeof(double));
    f->x = mem_array(f->inputs, sizeof(double));
    f->values = mem_array(f->dim, sizeof(double));
    f->half = mem_array(f->inputs * f->dim, sizeof(double));
    bool whole = f->gram != NULL && f->map != NULL && f->total != NULL && f->mean != NULL &&
                 f->explained != NULL && f->x != NULL && f->values != NULL && f->half != NULL;
    return whole ? ERR_OK : err_nomem(e, "the parts of a score");
}

/* inputs_of writes an item's whitened features, a flag per modality that is there, and 1. */
static void inputs_of(const fit *f, size_t row)
{
    memset(f->x, 0, f->inputs * sizeof *f->x);
    for (size_t n = 0; n < f->m->modality_count; n++) {
        const float *content = f->m->modalities[n].content + row * f->dim;
        double *out = f->x + n * (f->dim + 1);
        for (size_t j = 0; !feature_row_missing(content, f->dim) && j < f->dim; j++) {
            out[j] = (double)content[j];
            out[f->dim] = 1;
        }
    }
    f->x[f->inputs - 1] = 1;
}

static void gather(fit *f)
{
    size_t step = f->m->items / FIT_ROWS_MAX + 1;
    for (size_t i = 0; i < f->m->items; i += step) {
        const float *h = f->h + i * f->dim;
        inputs_of(f, i);
        f->count += 1;
        for (size_t a = 0; a < f->inputs; a++) {
            double x = f->x[a];
            for (size_t b = 0; x != 0 && b <= a; b++) {
                f->gram[a * f->inputs + b] += x * f->x[b];
            }
            for (size_t j = 0; x != 0 && j < f->dim; j++) {
                f->map[a * f->dim + j] += x * (double)h[j];
            }
        }
        for (size_t a = 0; a < f->dim; a++) {
            f->mean[a] += (double)h[a];
            for (size_t b = 0; b <= a; b++) {
                f->total[a * f->dim + b] += (double)h[a] * (double)h[b];
            }
        }
    }
}

/* explain fills the two covariances (lower triangles). The map is that of a ridge regression, so
 * what it explains is G' (A + r I)^-1 A (A + r I)^-1 G, with A the Gram matrix, centred by its
 * means; of these only the map's own products are needed: M' A M. */
static bool explain(fit *f)
{
    size_t p = f->inputs, dim = f->dim;
    double trace = 0;
    memcpy(f->half, f->map, p * dim * sizeof *f->half);
    for (size_t a = 0; a < p; a++) {
        trace += f->gram[a * p + a];
    }
    double ridge = 1e-3 * trace / (double)p + 1e-9;
    for (size_t a = 0; a < p; a++) {
        f->gram[a * p + a] += ridge;
    }
    if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, (lapack_int)dim, f->gram, (lapack_int)p,
                      f->map, (lapack_int)dim) != 0) {
        return false;
    }
    /* (A + r I) M = G, so M' A M = M' G - r M' M. */
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b <= a; b++) {
            double sum = 0;
            for (size_t i = 0; i < p; i++) {
                double left = f->map[i * dim + a];
                sum += left * (f->half[i * dim + b] - ridge * f->map[i * dim + b]);
            }
            double means = f->mean[a] * f->mean[b] / f->count / f->count;
            f->explained[a * dim + b] = sum / f->count - means;
            f->total[a * dim + b] = f->total[a * dim + b] / f->count - means;
        }
    }
    double spread = 0;
    for (size_t a = 0; a < dim; a++) {
        spread += f->total[a * dim + a];
    }
    for (size_t a = 0; a < dim; a++) {
        f->total[a * dim + a] += 1e-6 * spread / (double)dim + 1e-12;
    }
    return true;
}

/* split_by_w is MODEL.md's split: the matrix is diagonal. */
static void split_by_w(parts *p, const float *w)
{
    for (size_t j = 0; j < p->dim; j++) {
        p->into[j * p->dim + j] = w[j];
    }
}

/* split fills the projection; total is overwritten by LAPACK, so it is copied first. */
static bool split(parts *out, fit *f, double *total)
{
    size_t dim = f->dim, apart = dim / COLLABORATIVE_SHARE > 0 ? dim / COLLABORATIVE_SHARE : 1;
    memcpy(total, f->total, dim * dim * sizeof *total);
    if (LAPACKE_dsygv(LAPACK_ROW_MAJOR, 1, 'V', 'L', (lapack_int)dim, f->explained, (lapack_int)dim,
                      f->total, (lapack_int)dim, f->values) != 0) {
        return false;
    }
    /* Column k of `explained` is v_k now, the worst predicted first. into = I - sum_k v_k (S v_k)'
     * over those: the component of h along k is <h, S v_k ...> read from the right. */
    for (size_t j = 0; j < dim; j++) {
        out->into[j * dim + j] = 1;
    }
    for (size_t k = 0; k < apart; k++) {
        for (size_t a = 0; a < dim; a++) {
            double along = 0;
            for (size_t b = 0; b < dim; b++) {
                double s = a >= b ? total[a * dim + b] : total[b * dim + a];
                along += s * f->explained[b * dim + k];
            }
            for (size_t b = 0; b < dim; b++) {
                out->into[a * dim + b] -= (float)(along * f->explained[b * dim + k]);
            }
        }
    }
    return true;
}

err_code parts_new(parts **out, const model *m, const float *h, err *e)
{
    *out = NULL;
    parts *p = mem_array(1, sizeof *p);
    double *total = mem_array((size_t)m->dim * m->dim, sizeof *total);
    fit f = {0};
    err_code rc = ERR_OK;
    if (p != NULL) {
        p->dim = m->dim;
        p->into = mem_table((size_t)m->dim * m->dim, sizeof *p->into);
    }
    if (p == NULL || total == NULL || p->into == NULL) {
        rc = err_nomem(e, "the parts of a score");
    }
    bool fitted = false;
    if (rc == ERR_OK && m->modality_count > 0 && m->items > 0) {
        rc = fit_init(&f, m, h, e);
        if (rc == ERR_OK) {
            gather(&f);
            fitted = explain(&f) && split(p, &f, total);
        }
    }
    if (rc == ERR_OK && !fitted) {
        memset(p->into, 0, p->dim * p->dim * sizeof *p->into);
        split_by_w(p, m->w);
    }
    fit_fini(&f);
    mem_free(total);
    if (rc != ERR_OK) {
        parts_free(p);
        return rc;
    }
    *out = p;
    return ERR_OK;
}

void parts_free(parts *p)
{
    if (p != NULL) {
        mem_free(p->into);
        mem_free(p);
    }
}

void parts_multimodal(const parts *p, const float *h, float *out)
{
    memset(out, 0, p->dim * sizeof *out);
    for (size_t a = 0; a < p->dim; a++) {
        for (size_t b = 0; b < p->dim; b++) {
            out[b] += h[a] * p->into[a * p->dim + b];
        }
    }
}

void parts_row(const parts *p, bool multimodal, const float *x, float *out)
{
    for (size_t a = 0; a < p->dim; a++) {
        double sum = 0;
        for (size_t b = 0; b < p->dim; b++) {
            sum += (double)p->into[a * p->dim + b] * (double)x[b];
        }
        out[a] = multimodal ? (float)sum : x[a] - (float)sum;
    }
}
