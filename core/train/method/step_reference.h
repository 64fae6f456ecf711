/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_reference: one training step, each part after the other, in double precision.
 *
 *     H = FSC(E)                                     forward
 *     loss = mean softplus(-<H_u, H_p - H_n>)        BPR
 *     dE = FSC(dH)                                   backward: FSC is symmetric
 *     m, v, D                                        AdamW's moments and direction
 *     D = BSC(D) for the items                       smoothing over the item graph
 *     E = (1 - lr decay) E - lr D
 *
 * core/train/method/step.c does the same fused, in one table beside E and the moments, and computes
 * H only where the batch needs it. tests/unit/test_reference.c runs both side by side. Only tests
 * call it. Thread-safe.
 */
#ifndef CORE_STEP_REFERENCE_H
#define CORE_STEP_REFERENCE_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/train/method/step.h"

/* The tables that a step changes, (users + items, dim). */
typedef struct step_tables {
    double *embeddings, *m, *v;
} step_tables;

/* step_reference does step number `time` (from 1) with the sizes, graphs, strengths and rates of
 * `c`; it leaves the tables of `c` alone. *loss is the mean loss before the step. ERR_NOMEM. */
err_code step_reference(const step_config *c, const bpr_batch *batch, uint64_t time,
                        const step_tables *t, double *loss, err *e) ERR_CHECKED;

#endif
