/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: fits the two parts of a score. The header explains the idea.
 *
 * With S the covariance of H and C that of H as content predicts it, the directions v_k solve
 * C v = r S v with v' S v = 1; r is the share of the direction's variance that content explains. S
 * V V' is the identity, and leaving out of it the directions with the smallest r gives the
 * projection on the others.
 *
 * Directions in which H does not vary have no influence on a ranking, and content of rank n
 * predicts at most n directions. So the problem is solved within the directions in which H varies,
 * and those that content cannot predict are collaborative.
 */
#include "core/serve/state/parts.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"

enum {
    FIT_ROWS_MAX = 50000,
    BLOCK_ROWS = 256, /* rows that are multiplied at once */
    /* one in COLLABORATIVE_SHARE live directions is collaborative, at least one */
    COLLABORATIVE_SHARE = 12,
};

/* A direction is live if its variance is above this share of the mean variance. */
#define LIVE_SHARE 1e-4

typedef struct fit {
    const model *m;
    const float *h;
    size_t dim, inputs;
    size_t rank; /* rank of content: its columns that are not 0, over all modalities */
    double count;
    double *gram;      /* (inputs, inputs) Gram matrix of the inputs; lower triangle */
    double *map;       /* (inputs, dim) products of inputs and H, then the map */
    double *total;     /* (dim, dim) covariance of H */
    double *mean;      /* (dim) sums of the columns of H; later overwritten */
    double *explained; /* (dim, dim) covariance of the predictions of the map */
    double *block;     /* (BLOCK_ROWS, inputs + dim) an item's inputs and its row of H */
    double *products;  /* (inputs + dim, inputs + dim) summed over all blocks; upper triangle */
    double *values;    /* (dim) variances along `axes` */
    double *half;      /* (inputs, dim) a copy of the products of inputs and H */
    double *axes;      /* (dim, dim) columns: the eigenvectors of `total`, least variance first */
    double *small;     /* (dim, dim) eigenvectors in the coordinates of the live axes */
} fit;

static void fit_fini(fit *f)
{
    double *all[] = {f->gram,     f->map,    f->total, f->mean, f->explained, f->block,
                     f->products, f->values, f->half,  f->axes, f->small};
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
    size_t width = f->inputs + f->dim;
    f->block = mem_array(BLOCK_ROWS * width, sizeof(double));
    f->products = mem_array(width * width, sizeof(double));
    f->values = mem_array(f->dim, sizeof(double));
    f->half = mem_array(f->inputs * f->dim, sizeof(double));
    f->axes = mem_array(f->dim * f->dim, sizeof(double));
    f->small = mem_array(f->dim * f->dim, sizeof(double));
    bool whole = f->axes != NULL && f->small != NULL && f->gram != NULL && f->map != NULL &&
                 f->total != NULL && f->mean != NULL && f->explained != NULL && f->block != NULL &&
                 f->products != NULL && f->values != NULL && f->half != NULL;
    return whole ? ERR_OK : err_nomem(e, "the parts of a score");
}

/* write_row writes an item's whitened features, a flag for each present modality, 1 and its row of
 * H. */
static void write_row(const fit *f, size_t row, double *out)
{
    memset(out, 0, f->inputs * sizeof *out);
    for (size_t n = 0; n < f->m->modality_count; n++, out += f->dim + 1) {
        const float *content = f->m->modalities[n].content + row * f->dim;
        if (feature_row_missing(content, f->dim)) {
            continue;
        }
        for (size_t j = 0; j < f->dim; j++) {
            out[j] = (double)content[j];
        }
        out[f->dim] = 1;
    }
    *out++ = 1;
    for (size_t j = 0; j < f->dim; j++) {
        out[j] = (double)f->h[row * f->dim + j];
    }
}

/* multiply_rows adds up the products of all pairs of columns, block by block. */
static void multiply_rows(fit *f)
{
    size_t step = f->m->items / FIT_ROWS_MAX + 1, width = f->inputs + f->dim, rows = 0;
    for (size_t i = 0; i < f->m->items; i += step) {
        write_row(f, i, f->block + rows++ * width);
        f->count += 1;
        if (rows == BLOCK_ROWS) {
            blas_gram(f->block, rows, width, f->products);
            rows = 0;
        }
    }
    blas_gram(f->block, rows, width, f->products);
}

/* gather splits the products into inputs by inputs, inputs by H, H by H, and 1 by H. */
static void gather(fit *f)
{
    size_t width = f->inputs + f->dim;
    multiply_rows(f);
    for (size_t a = 0; a < f->inputs; a++) {
        const double *row = f->products + a * width;
        for (size_t b = a; b < f->inputs; b++) {
            f->gram[b * f->inputs + a] = row[b];
        }
        memcpy(f->map + a * f->dim, row + f->inputs, f->dim * sizeof *f->map);
    }
    memcpy(f->mean, f->map + (f->inputs - 1) * f->dim, f->dim * sizeof *f->mean);
    for (size_t a = 0; a < f->dim; a++) {
        const double *row = f->products + (f->inputs + a) * width + f->inputs;
        for (size_t b = a; b < f->dim; b++) {
            f->total[b * f->dim + a] = row[b];
        }
    }
}

/* explain fills the two covariances (lower triangles). The map M is a ridge regression, M = (A + r
 * I)^-1 G, where A is the Gram matrix centred by its means. It explains M' A M, which needs only
 * products of the map. */
static bool explain(fit *f)
{
    size_t p = f->inputs, dim = f->dim;
    double trace = 0;
    memcpy(f->half, f->map, p * dim * sizeof *f->half);
    for (size_t a = 0; a < p; a++) {
        trace += f->gram[a * p + a];
        bool content = a + 1 < p && a % (dim + 1) < dim;
        f->rank += content && f->gram[a * p + a] > 0;
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
    return true;
}

/* project_by_w divides each dimension by its weight w in FSC; the matrix is diagonal. */
static void project_by_w(parts *p, const float *w)
{
    for (size_t j = 0; j < p->dim; j++) {
        p->into[j * p->dim + j] = w[j];
    }
}

static double entry(const double *lower, size_t dim, size_t a, size_t b)
{
    return a >= b ? lower[a * dim + b] : lower[b * dim + a];
}

/* find_live fills f->axes, and f->values with the variances. It returns the number of live
 * directions, which come last; 0 if there are none or LAPACK failed. */
static size_t find_live(fit *f)
{
    size_t dim = f->dim, live = 0;
    double sum = 0;
    for (size_t a = 0; a < dim; a++) {
        sum += f->total[a * dim + a];
        for (size_t b = 0; b < dim; b++) {
            f->axes[a * dim + b] = entry(f->total, dim, a, b);
        }
    }
    if (LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'V', 'L', (lapack_int)dim, f->axes, (lapack_int)dim,
                      f->values) != 0) {
        return 0;
    }
    while (live < dim && f->values[dim - 1 - live] > LIVE_SHARE * sum / (double)dim) {
        live++;
    }
    return live;
}

/* solve_live solves the eigenproblem in the coordinates of the live axes, scaled to variance 1,
 * where S is the identity. Column k of `small` (live, live) is then v_k, the worst predicted
 * direction first. */
static bool solve_live(fit *f, size_t live)
{
    int dim = (int)f->dim, n = (int)live;
    const double *axes = f->axes + (f->dim - live), *variance = f->values + (f->dim - live);
    double *product = f->total; /* its content is not needed any more */
    cblas_dsymm(CblasRowMajor, CblasLeft, CblasLower, dim, n, 1, f->explained, dim, axes, dim, 0,
                product, n);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, dim, 1, axes, dim, product, n, 0,
                f->small, n);
    for (size_t p = 0; p < live; p++) {
        for (size_t q = 0; q < live; q++) {
            f->small[p * live + q] /= sqrt(variance[p] * variance[q]);
        }
    }
    return LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'V', 'L', n, f->small, n, f->mean) == 0;
}

/* take_out subtracts the component along v_k from the projection: (S v_k) v_k'. With axes X and
 * variances d, v_k = X d^-1/2 y and S v_k = X d^1/2 y, where y is column k of `small`. */
static void take_out(parts *out, fit *f, size_t live, size_t k)
{
    size_t dim = f->dim, first = dim - live;
    /* reused, since it is no longer needed; dim >= 2 */
    double *along = f->total, *to = f->total + dim;
    for (size_t a = 0; a < dim; a++) {
        along[a] = to[a] = 0;
        for (size_t p = 0; p < live; p++) {
            double y = f->axes[a * dim + first + p] * f->small[p * live + k];
            along[a] += y * sqrt(f->values[first + p]);
            to[a] += y / sqrt(f->values[first + p]);
        }
    }
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b < dim; b++) {
            out->into[a * dim + b] -= (float)(along[a] * to[b]);
        }
    }
}

/* fit_projection computes the projection. It returns false if no content tells the items apart. */
static bool fit_projection(parts *out, fit *f)
{
    size_t dim = f->dim, rank = f->rank, live = find_live(f);
    if (rank == 0 || live < 2 || !solve_live(f, live)) {
        return false;
    }
    size_t apart = live / COLLABORATIVE_SHARE > 0 ? live / COLLABORATIVE_SHARE : 1;
    apart = live > rank && live - rank > apart ? live - rank : apart;
    for (size_t j = 0; j < dim; j++) {
        out->into[j * dim + j] = 1;
    }
    for (size_t k = 0; k < apart; k++) {
        take_out(out, f, live, k);
    }
    return true;
}

err_code parts_new(parts **out, const model *m, const float *h, err *e)
{
    *out = NULL;
    parts *p = mem_array(1, sizeof *p);
    fit f = {0};
    err_code code = ERR_OK;
    if (p != NULL) {
        p->dim = m->dim;
        p->into = mem_table((size_t)m->dim * m->dim, sizeof *p->into);
    }
    if (p == NULL || p->into == NULL) {
        code = err_nomem(e, "the parts of a score");
    }
    bool fitted = false;
    if (code == ERR_OK && m->modality_count > 0 && m->items > 0) {
        code = fit_init(&f, m, h, e);
        if (code == ERR_OK) {
            gather(&f);
            fitted = explain(&f) && fit_projection(p, &f);
        }
    }
    if (code == ERR_OK && !fitted) {
        memset(p->into, 0, p->dim * p->dim * sizeof *p->into);
        project_by_w(p, m->w);
    }
    fit_fini(&f);
    if (code != ERR_OK) {
        parts_free(p);
        return code;
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
