/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/fsc_reference.h"

#include <string.h>

#include "core/common/mem.h"

/* multiply writes out = A in. */
static void multiply(const csr *a, size_t dim, const double *in, double *out)
{
    memset(out, 0, a->rows * dim * sizeof *out);
    for (size_t r = 0; r < a->rows; r++) {
        for (size_t k = a->start[r]; k < a->start[r + 1]; k++) {
            for (size_t j = 0; j < dim; j++) {
                out[r * dim + j] += (double)a->value[k] * in[a->col[k] * dim + j];
            }
        }
    }
}

err_code fsc_reference_run(const fsc_reference *op, const double *in, double *out, err *e)
{
    size_t numbers = op->a->rows * op->dim;
    double *power = mem_copy(in, numbers * sizeof *power); /* x^l A^l in, for the layer l so far */
    double *next = mem_array(numbers, sizeof *next);
    if (power == NULL || next == NULL) {
        mem_free(power);
        mem_free(next);
        return err_nomem(e, "a convolution");
    }
    memcpy(out, in, numbers * sizeof *out);
    for (uint32_t l = 1; l <= op->layers; l++) {
        multiply(op->a, op->dim, power, next);
        for (size_t i = 0; i < numbers; i++) {
            power[i] = (double)op->x[i % op->dim] * next[i];
            out[i] += power[i];
        }
    }
    for (size_t i = 0; i < numbers; i++) {
        out[i] *= (double)op->scale[i % op->dim];
    }
    mem_free(power);
    mem_free(next);
    return ERR_OK;
}
