/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/stepwise.h"

#include <math.h>

static double smoothing(double gamma, size_t j, size_t dim)
{
    return 0.1 + 0.9 * pow((double)j / (double)dim, gamma);
}

void stepwise_smoothing(double gamma, size_t dim, float *b)
{
    for (size_t j = 0; j < dim; j++) {
        b[j] = (float)smoothing(gamma, j, dim);
    }
}

void stepwise_layer(double gamma, size_t dim, float *f)
{
    for (size_t j = 0; j < dim; j++) {
        f[j] = (float)(1.0 - smoothing(gamma, j, dim));
    }
}

void stepwise_scale(const float *x, size_t dim, uint32_t layers, float *out)
{
    for (size_t j = 0; j < dim; j++) {
        double sum = 1.0;
        for (uint32_t l = 0; l < layers; l++) {
            sum = 1.0 + sum * (double)x[j];
        }
        out[j] = (float)(1.0 / sum);
    }
}
