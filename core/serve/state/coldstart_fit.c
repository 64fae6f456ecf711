/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_fit: fits the ridge map from whitened features to the trained rows of E.
 *
 * It was measured and not chosen (docs/measurements.md): neighbours by the given features do better
 * without it. It stays for comparison with the others. It takes one pass over at most FIT_ROWS_MAX
 * rows and solves a system of a few hundred unknowns.
 */
#include "core/serve/state/coldstart_fit.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"

enum { FIT_ROWS_MAX = 100000 };

void cold_input_row(const coldstart *c, size_t row, float *out)
{
    memset(out, 0, c->inputs * sizeof *out);
    for (size_t m = 0; m < c->modalities; m++) {
        const float *whitened = c->m->modalities[m].content + row * c->dim;
        if (!feature_row_missing(whitened, c->dim)) {
            memcpy(out + m * c->dim, whitened, c->dim * sizeof *out);
            out[c->modalities * c->dim + m] = 1;
        }
    }
    out[c->inputs - 1] = 1;
}

/* gather adds every trained row to the normal equations. */
static void gather(const coldstart *c, double *gram, double *right, float *x)
{
    size_t p = c->inputs, dim = c->dim, step = c->items / FIT_ROWS_MAX + 1;
    for (size_t i = 0; i < c->items; i += step) {
        const float *y = c->m->item_e + i * dim;
        if (!(scan_dot(y, y, dim) > 0)) {
            continue;
        }
        cold_input_row(c, i, x);
        for (size_t a = 0; a < p; a++) {
            for (size_t b = 0; x[a] != 0 && b <= a; b++) {
                gram[a * p + b] += (double)x[a] * (double)x[b];
            }
            for (size_t j = 0; x[a] != 0 && j < dim; j++) {
                right[a * dim + j] += (double)x[a] * (double)y[j];
            }
        }
    }
}

err_code coldstart_fit_map(coldstart *c, err *e)
{
    size_t p = c->inputs;
    double *gram = mem_array(p * p, sizeof *gram);
    double *right = mem_array(p * c->dim, sizeof *right);
    float *x = mem_array(p, sizeof *x);
    c->map = mem_table(p * c->dim, sizeof *c->map);
    err_code code = ERR_OK;
    if (gram == NULL || right == NULL || x == NULL || c->map == NULL) {
        code = err_nomem(e, "the map from features to embeddings");
        goto done;
    }
    gather(c, gram, right, x);
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
    return code;
}
