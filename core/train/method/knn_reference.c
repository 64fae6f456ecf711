/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/knn_reference.h"

#include <math.h>
#include <stdbool.h>

#include "core/common/types.h"

double knn_cosine_reference(const float *a, const float *b, size_t width)
{
    double product = 0, a_square = 0, b_square = 0;
    for (size_t j = 0; j < width; j++) {
        product += (double)a[j] * (double)b[j];
        a_square += (double)a[j] * (double)a[j];
        b_square += (double)b[j] * (double)b[j];
    }
    bool both = a_square > 0 && b_square > 0; /* false if one of them is NaN */
    return both ? product / sqrt(a_square * b_square) : -INFINITY;
}

/* next_best returns the best row that comes after `last` in the list's order. */
static uint32_t next_best(const float *x, size_t rows, size_t width, uint32_t of, uint32_t last)
{
    const float *own = x + of * width;
    double best = -INFINITY, limit = INFINITY;
    uint32_t found = ROW_NONE;
    if (last != ROW_NONE) {
        limit = knn_cosine_reference(own, x + last * width, width);
    }
    for (uint32_t r = 0; r < rows; r++) {
        double cosine = knn_cosine_reference(own, x + r * width, width);
        bool behind = cosine < limit || (cosine == limit && last != ROW_NONE && r > last);
        if (r != of && behind && cosine > best) {
            best = cosine;
            found = r;
        }
    }
    return found;
}

void knn_reference(const float *x, size_t rows, size_t width, uint32_t of, size_t k, uint32_t *out)
{
    uint32_t last = ROW_NONE;
    bool more = true;
    for (size_t i = 0; i < k; i++) {
        uint32_t found = more ? next_best(x, rows, width, of, last) : ROW_NONE;
        more = found != ROW_NONE;
        out[i] = last = found;
    }
}
