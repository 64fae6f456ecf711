/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/whiten_reference.h"

#include <math.h>
#include <stdbool.h>

#include "core/common/eigen_reference.h"
#include "core/common/mem.h"

static bool present(const whiten_reference *w, size_t row)
{
    return !isnan(w->x[row * w->width]);
}

static double centred(const whiten_reference *w, size_t row, size_t j)
{
    return (double)w->x[row * w->width + j] - w->mean[j];
}

/* find_mean writes the mean of each column over the present rows and returns the number of these
 * rows. */
static size_t find_mean(whiten_reference *w)
{
    size_t n = 0;
    for (size_t row = 0; row < w->rows; row++) {
        n += present(w, row);
    }
    for (size_t j = 0; j < w->width; j++) {
        w->mean[j] = 0;
        for (size_t row = 0; row < w->rows; row++) {
            w->mean[j] += present(w, row) ? (double)w->x[row * w->width + j] / (double)n : 0;
        }
    }
    return n;
}

/* find_gram computes the Gram matrix of the centred columns, X^T X. */
static void find_gram(const whiten_reference *w, double *gram)
{
    for (size_t a = 0; a < w->width; a++) {
        for (size_t b = 0; b < w->width; b++) {
            double sum = 0;
            for (size_t row = 0; row < w->rows; row++) {
                sum += present(w, row) ? centred(w, row, a) * centred(w, row, b) : 0;
            }
            gram[a * w->width + b] = sum;
        }
    }
}

/* write_column writes column c of W: the centred rows projected on the eigenvector, scaled to the
 * length sqrt(n / dim), with the sign that makes the entry of largest magnitude positive. */
static void write_column(whiten_reference *w, size_t c, double scale, const double *vector)
{
    double largest = 0;
    for (size_t row = 0; row < w->rows; row++) {
        double sum = 0;
        for (size_t j = 0; j < w->width; j++) {
            sum += centred(w, row, j) * vector[j] * scale;
        }
        w->content[row * w->dim + c] = present(w, row) ? sum : (double)NAN;
        largest = fabs(sum) > fabs(largest) ? sum : largest;
    }
    for (size_t row = 0; row < w->rows && largest < 0; row++) {
        w->content[row * w->dim + c] *= -1;
    }
}

err_code whiten_reference_run(whiten_reference *w, err *e)
{
    double *gram = mem_array(w->width * w->width, sizeof *gram);
    double *vectors = mem_array(w->width * w->width, sizeof *vectors);
    double *values = mem_array(w->width + 1, sizeof *values);
    err_code code = ERR_OK;
    if (gram == NULL || vectors == NULL || values == NULL) {
        code = err_nomem(e, "whitening");
    }
    w->rank = 0;
    if (code == ERR_OK) {
        size_t n = find_mean(w), longer = n > w->width ? n : w->width;
        find_gram(w, gram);
        eigen_reference(gram, w->width, values, vectors);
        double length = sqrt((double)n / (double)w->dim);
        double least = (double)longer * 1.2e-7 * sqrt(fmax(values[0], 0));
        for (size_t c = 0; c < w->dim; c++) {
            double singular = c < w->width ? sqrt(fmax(values[c], 0)) : 0;
            bool counts = singular > least;
            w->rank += counts;
            w->spread[c] = counts ? singular / length : 0;
            write_column(w, c, counts ? length / singular : 0,
                         vectors + (counts ? c : 0) * w->width);
        }
    }
    mem_free(gram);
    mem_free(vectors);
    mem_free(values);
    return code;
}
