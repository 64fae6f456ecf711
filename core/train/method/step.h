/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step: one training step over the whole graph, without unnecessary work. step_reference.c has the
 * plain form.
 *
 *     forward (fsc_pass)    X_1 .. X_{L-1}; H = w X_L only in the batch's rows
 *     loss (bpr)            and its gradient in these rows
 *     backward (fsc_pass)   Y_1 from these rows only; Y_2 .. Y_{L-1}
 *     AdamW (adamw)         all rows, fused with the backward pass's last layer; users are done
 *     BSC (bsc)             items' directions smoothed, the last layer fused with the update
 *
 * A step takes as long as its memory traffic, so it uses little memory: one table (N, dim) beside E
 * and the moments, and nothing is allocated. Results depend neither on the number of threads nor on
 * their order. One thread calls.
 */
#ifndef CORE_STEP_H
#define CORE_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/train/method/bpr.h"

typedef struct step_config {
    const csr *a; /* (N, N) interaction graph */
    const csr *s; /* (items, items) item graph; NULL without BSC */
    size_t users, items, dim;
    uint32_t layers;
    const float *w, *f; /* (dim) scale and strength of FSC */
    const float *b;     /* (dim) strength of BSC; unused if s is NULL */
    double lr, weight_decay;
    size_t batch_max;
    int threads;
    float *embeddings, *m, *v; /* (N, dim), updated by every step */
} step_config;

typedef struct stepper stepper;

/* stepper_new borrows all that the configuration points to. */
err_code stepper_new(stepper **out, const step_config *config, err *e) ERR_CHECKED;
void stepper_free(stepper *s); /* accepts NULL */

/* stepper_run does step number `time` (from 1) and returns the batch's mean loss before it. */
double stepper_run(stepper *s, const bpr_batch *batch, uint64_t time);

/* stepper_table borrows the table (N, dim), free between steps. */
float *stepper_table(stepper *s);

#endif
