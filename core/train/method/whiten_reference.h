/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whiten_reference: whitens a whole table in double precision, step by step.
 *
 * whiten.c streams blocks and leaves the products and the eigenvectors to BLAS and LAPACK.
 * tests/unit/test_reference.c compares the two. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_WHITEN_REFERENCE_H
#define CORE_WHITEN_REFERENCE_H

#include <stddef.h>

#include "core/common/err.h"

typedef struct whiten_reference {
    const float *x; /* (rows, width) a missing row is NaN throughout */
    size_t rows, width, dim;
    double *mean;    /* out: (width) */
    double *spread;  /* out: (dim) */
    double *content; /* out: (rows, dim) */
    size_t rank;     /* out */
} whiten_reference;

/* whiten_reference_run computes the outputs of core/train/method/whiten.h. ERR_NOMEM. */
err_code whiten_reference_run(whiten_reference *w, err *e) ERR_CHECKED;

#endif
