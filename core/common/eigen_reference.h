/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eigen_reference: eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations.
 *
 * blas_eigen (core/common/blas.h) calls LAPACK. The references of whitening and of subspaces use
 * this instead, so that they share nothing with what they check. Only tests call it. Pure;
 * thread-safe.
 */
#ifndef CORE_EIGEN_REFERENCE_H
#define CORE_EIGEN_REFERENCE_H

#include <stddef.h>

/* eigen_reference finds all eigenvalues of the symmetric matrix `a`, which it destroys, largest
 * first. Row n of `vectors` is the eigenvector of values[n], of length 1. */
void eigen_reference(double *a /* (width, width) */, size_t width, double *values /* (width) */,
                     double *vectors /* (width, width) */);

#endif
