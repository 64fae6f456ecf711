/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bsc: backward stepwise convolution (the paper's BSC).
 *
 *     D'_j = (1 - b_j) / (1 - b_j^(L+1)) sum_{l=0..L} b_j^l (S^l D)_j
 *
 * Adam's direction D of the items is smoothed over the item graph before it is applied. So items
 * with similar content move together, and the later dimensions keep the content. It is evaluated in
 * Horner's form, and the last layer applies the step at once instead of writing D'.
 * core/model/fsc_reference.c has the plain form.
 */
#ifndef CORE_BSC_H
#define CORE_BSC_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/sparse.h"

typedef struct bsc {
    const csr *s;       /* (items, items) normalised item graph, core/train/method/item_graph.h */
    const float *b;     /* (dim) strength of a layer in each dimension */
    const float *scale; /* (dim) (1 - b) / (1 - b^(layers+1)) */
    size_t dim;
    uint32_t layers;
    int threads;
} bsc;

/* bsc_apply computes e -= lr D'. d (items, dim) is D, e is (items, dim). scratch holds two tables
 * (items, dim); the first is needed from 2 layers on, the second from 3. None may overlap. */
void bsc_apply(const bsc *op, const float *d, float *const scratch[2], float lr, float *embeddings);

#endif
