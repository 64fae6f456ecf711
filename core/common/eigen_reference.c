/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/eigen_reference.h"

#include <math.h>

enum { SWEEPS_MAX = 60 };

/* rotate makes a[p][q] zero by a rotation of the rows and columns p and q (Golub and Van Loan,
 * "Matrix Computations", section 8.5). */
static void rotate(double *a, double *vectors, size_t width, size_t p, size_t q)
{
    double apq = a[p * width + q];
    if (apq == 0) {
        return;
    }
    double theta = (a[q * width + q] - a[p * width + p]) / (2 * apq);
    double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
    double cosine = 1 / sqrt(t * t + 1), sine = t * cosine;
    for (size_t k = 0; k < width; k++) {
        double akp = a[k * width + p], akq = a[k * width + q];
        a[k * width + p] = cosine * akp - sine * akq;
        a[k * width + q] = sine * akp + cosine * akq;
    }
    for (size_t k = 0; k < width; k++) {
        double apk = a[p * width + k], aqk = a[q * width + k];
        a[p * width + k] = cosine * apk - sine * aqk;
        a[q * width + k] = sine * apk + cosine * aqk;
        double vpk = vectors[p * width + k], vqk = vectors[q * width + k];
        vectors[p * width + k] = cosine * vpk - sine * vqk;
        vectors[q * width + k] = sine * vpk + cosine * vqk;
    }
}

static void swap_pairs(double *values, double *vectors, size_t width, size_t i, size_t j)
{
    double value = values[i];
    values[i] = values[j];
    values[j] = value;
    for (size_t k = 0; k < width; k++) {
        double number = vectors[i * width + k];
        vectors[i * width + k] = vectors[j * width + k];
        vectors[j * width + k] = number;
    }
}

void eigen_reference(double *a, size_t width, double *values, double *vectors)
{
    for (size_t i = 0; i < width * width; i++) {
        vectors[i] = i / width == i % width;
    }
    for (size_t sweep = 0; sweep < SWEEPS_MAX; sweep++) {
        for (size_t p = 0; p < width; p++) {
            for (size_t q = p + 1; q < width; q++) {
                rotate(a, vectors, width, p, q);
            }
        }
    }
    for (size_t i = 0; i < width; i++) {
        values[i] = a[i * width + i];
    }
    for (size_t i = 0; i < width; i++) {
        for (size_t j = i + 1; j < width; j++) {
            if (values[j] > values[i]) {
                swap_pairs(values, vectors, width, i, j);
            }
        }
    }
}
