/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsc_reference: stepwise convolution as the paper writes it, in double precision.
 *
 *     out_j = scale_j sum_{l=0..L} x_j^l (A^l in)_j
 *
 * For FSC, x = f and A is the interactions; for BSC, x = b and A is the item graph. fsc.c, step.c
 * and bsc.c evaluate it in Horner's form, over blocks of columns, and only in the rows that are
 * needed. tests/unit/test_reference.c and test_step.c compare them with this file. Only tests call
 * it. Thread-safe.
 */
#ifndef CORE_FSC_REFERENCE_H
#define CORE_FSC_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"

typedef struct fsc_reference {
    const csr *a;       /* (rows, rows) */
    const float *x;     /* (dim) strength of a layer in each dimension */
    const float *scale; /* (dim) */
    size_t dim;
    uint32_t layers;
} fsc_reference;

/* fsc_reference_run writes out (rows, dim) from in (rows, dim), which may not overlap.
 * ERR_NOMEM. */
err_code fsc_reference_run(const fsc_reference *op, const double *in, double *out,
                           err *e) ERR_CHECKED;

#endif
