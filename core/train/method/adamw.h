/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adamw: the optimiser's step, fused with the last layer of the backward convolution.
 *
 * Every step reads and writes every row of E, of both moments and of the gradient, so memory
 * traffic determines its time. The gradient g = w * (base + f * A in) is therefore computed in
 * registers and used there. Users' rows are updated in place: E = E (1 - lr wd) - lr D, where D is
 * Adam's bias-corrected direction. Items' rows are only decayed; their D is written out to be
 * smoothed (core/train/method/bsc.h).
 *
 * Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
 */
#ifndef CORE_ADAMW_H
#define CORE_ADAMW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/fsc_pass.h"

#define ADAMW_BETA1   0.9
#define ADAMW_BETA2   0.999
#define ADAMW_EPSILON 1e-8

typedef struct adamw {
    /* the layer that computes g, with scale (= w); its `out` is unused */
    fsc_pass last;
    float *embeddings, *m, *v; /* (N, dim) */
    float *direction; /* (last.last - last.first, dim) where D is written; NULL: D is applied */
    float lr, decay;  /* decay = 1 - lr * weight_decay */
    uint64_t time;    /* number of this step, from 1 */
} adamw;

/* adamw_step runs one step over the layer's rows. `direction` may be the rows of last.base. */
void adamw_step(const adamw *o);

#endif
