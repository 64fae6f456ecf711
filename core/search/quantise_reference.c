/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/quantise_reference.h"

#include <math.h>

enum { LEVELS = 127 };

/* step_of returns the distance between two levels at which the largest number gets the last
 * level. */
static float step_of(const float *x, size_t dim)
{
    float largest = 0;
    for (size_t j = 0; j < dim; j++) {
        largest = fmaxf(largest, fabsf(x[j]));
    }
    return largest / (float)LEVELS;
}

/* decoded returns a number after encoding and decoding. The level is computed in single precision,
 * as in the table; otherwise a number halfway between two levels could get the other one. */
static double decoded(float value, float step)
{
    return step > 0 ? (double)rintf(value * (1 / step)) * (double)step : 0;
}

quantise_bound quantise_reference(const float *x, const float *q, size_t dim)
{
    float x_step = step_of(x, dim), q_step = step_of(q, dim);
    double product = 0, x_lost = 0, q_lost = 0, x_norm = 0, q_norm = 0;
    for (size_t j = 0; j < dim; j++) {
        double x_kept = decoded(x[j], x_step), q_kept = decoded(q[j], q_step);
        product += x_kept * q_kept;
        x_lost += pow((double)x[j] - x_kept, 2);
        q_lost += pow((double)q[j] - q_kept, 2);
        x_norm += x_kept * x_kept;
        q_norm += pow((double)q[j], 2);
    }
    return (quantise_bound){.estimate = product,
                            .margin = sqrt(x_lost * q_norm) + sqrt(x_norm * q_lost)};
}
