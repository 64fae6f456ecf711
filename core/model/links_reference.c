/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/links_reference.h"

#include <math.h>

void links_sum_reference(const item_links *l, const links_owned *owned, size_t count, double *sum)
{
    for (uint32_t item = 0; item < l->items; item++) {
        for (links_source x = 0; x < LINKS_SOURCES; x++) {
            double total = 0;
            for (size_t k = 0; k < count && l->choice.beta[x] > 0; k++) {
                total += (double)owned[k].pull[x] * (double)links_weight(l, x, owned[k].item, item);
            }
            sum[item * LINKS_SOURCES + x] = total;
        }
    }
}

/* deviation returns the standard deviation of `count` numbers that lie `step` apart. */
static double deviation(const double *x, size_t count, size_t step)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < count; i++) {
        mean += x[i * step] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        square += (x[i * step] - mean) * (x[i * step] - mean) / (double)count;
    }
    return sqrt(square);
}

void links_factors_reference(double factor[LINKS_SOURCES], const links_choice *c, const double *sum,
                             size_t items, double spread_h)
{
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        double spread = deviation(sum + x, items, LINKS_SOURCES);
        factor[x] = spread > 0 ? (double)c->beta[x] * spread_h / spread : 0;
    }
}

double links_spread_reference(const float *h, size_t rows, size_t dim, const float *q)
{
    double mean = 0, square = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < rows; i++) {
            double score = 0;
            for (size_t j = 0; j < dim; j++) {
                score += (double)q[j] * (double)h[i * dim + j];
            }
            mean += pass == 0 ? score / (double)rows : 0;
            square += pass == 1 ? (score - mean) * (score - mean) / (double)rows : 0;
        }
    }
    return sqrt(square);
}
